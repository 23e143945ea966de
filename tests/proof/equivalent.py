"""Mistakes that change nothing, each with the reason and what stands behind it.

Kept short: what is not here and not noticed is missed. A kind that is noticed all the same counts as noticed.
"""

import re

from tests.proof.mutants import Mutant

_SHORT = "a shortcut of port protection: ipv4-rest and ipv6-rest judge alike what it would have passed"
_LAST = "only counts: what falls out of the chain is dropped by the policy of the tap's chain"
_DEAD = "led to by nothing: every port of the group lets everything out, and has no element in @out"
_PROXY = "the bridge answers only for MACs that it has an entry of; else the question reaches who has the address"
_GATEWAY = "the leg on the same host answers itself; the guard keeps the question from other hosts"

_NO_PAIRS = "of ports without address pairs only, whose @wide sets are empty; the chain's last rule drops"

REASONS: tuple[tuple[str, str, str], ...] = (
    ("drop_a_rule", r" from-tap\S+: @ll,48,64 ", _SHORT),
    ("drop_a_rule", r" ipv[46]-first: (ip|udp|ip6) .* accept$", _SHORT),
    ("drop_a_rule", r" ipv4: .* @own4 accept$| ipv6: .* @own6 accept$", _SHORT),
    (
        "drop_a_rule",
        r" (arp-frame|rarp-frame|ipv4-rest|ipv6-rest|ipv6-source|ipv6-nobody|from-tap\S+): counter name \S+ drop$",
        _LAST,
    ),
    ("drop_a_rule", r" from-tap\S+: ether type \{ 8021q, 8021ad \}", _LAST),
    ("turn_a_policy", r"ingress device \"tap", "every chain of port protection ends in a drop of its own"),
    ("drop_a_rule", r" out-\S+: meta protocol ip6? goto inward$", _DEAD),
    ("drop_a_rule", r" arp-frame: arp saddr ip @wide4 accept$| ipv6-source: \S+ @wide6 accept$", _NO_PAIRS),
    ("turn_a_verdict", r" arp-frame: arp saddr ip @wide4 accept$| ipv6-source: \S+ @wide6 accept$", _NO_PAIRS),
    ("turn_a_policy", r"bridge onehop-security", "the last rule of its way accepts"),
    ("drop_a_rule", r"bridge onehop-security inward: accept$", "the policy of the base chain accepts"),
    ("turn_a_verdict", r"state: ct mark ", "barred is dropped here or, by its mark, at the bridge"),
    ("swap_a_mac", r"^neighbour brq", _PROXY),
    ("swap_a_mac", r"^link brq", "the bridge's MAC is nobody's destination; bridge_in drops what comes to the host"),
    ("drop_a_claim", r"^neighbour brq", _GATEWAY),
)
"""Operator, pattern of what was done, reason."""


def reason(mutant: Mutant) -> str:
    """Why a mutant changes nothing, or "" where nobody knows one."""
    mine = ((what, why) for operator, what, why in REASONS if operator == mutant.operator)
    return next((why for what, why in mine if re.search(what, mutant.what)), "")
