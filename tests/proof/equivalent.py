"""Mutants that change nothing, each with the reason. Kept short: what is not here and not noticed is missed."""

import re

from tests.proof.mutants import Mutant

REASONS: tuple[tuple[str, str, str], ...] = ()
"""Operator, pattern of what was done, reason."""


def reason(mutant: Mutant) -> str:
    """Why a mutant changes nothing, or "" where nobody knows one."""
    return next((why for operator, what, why in REASONS if operator == mutant.operator and re.search(what, mutant.what)), "")
