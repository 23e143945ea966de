"""What the kernel refused, and in which words that is told."""

import errno
import os

from onehop.kernel.connection import Refusal
from onehop.objects.description import describe
from onehop.reconciler.plan import Create, Delete, Op, Replace


class Refused(Exception):  # noqa: N818  # not an error of ours: it becomes a Failure
    """An op cannot be carried out."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.errno = number


def sentence(op: Op, refusal: Refusal) -> str:
    """Why an op failed, for a person."""
    item = op.new if isinstance(op, Replace) else op.object
    verb = {Create: "create", Replace: "change", Delete: "delete"}[type(op)]
    said = f" ({refusal.text})" if refusal.text else ""
    return f"could not {verb} {describe(item)}: {os.strerror(refusal.errno)}{said}"


def as_refused(op: Op, error: Exception) -> Refused:
    """Whatever went wrong with an op, as a refusal."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, LookupError):
        return Refused(errno.ENODEV, sentence(op, Refusal(errno.ENODEV, f"there is no link {error.args[0]}")))
    number = getattr(error, "errno", 0) or 0
    item = op.new if isinstance(op, Replace) else op.object
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Refused(number, f"{describe(item)}: {text}")
