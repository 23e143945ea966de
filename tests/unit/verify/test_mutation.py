"""What no packet can tell apart is known by the rules alone, and nothing else is."""

import pytest
from msgspec.structs import replace

from onehop.objects import NamedSet, Ruleset
from onehop.verify.mutation.dead import is_dead

_ASKED = NamedSet("asked", ("ipv4_addr",), elements=("10.0.0.1",))
_IDLE = NamedSet("idle", ("ipv4_addr",), elements=("10.0.0.2",))
_OTHER = ("10.0.0.9",)
_BODY = """\tchain nobody {
\t\tip saddr @idle drop
\t}

\tchain forward {
\t\ttype filter hook forward priority filter; policy accept;
\t\tip saddr @asked drop
\t\t@th,64,8 0x45 accept
\t}
"""


def _table(body: str = _BODY, *sets: NamedSet) -> Ruleset:
    return Ruleset(namespace="", family="ip", table="onehop-some", sets=sets or (_ASKED, _IDLE), body=body)


def test_an_element_of_a_set_that_no_rule_asks_concerns_no_packet() -> None:
    assert is_dead(_table(), _table(_BODY, _ASKED, replace(_IDLE, elements=_OTHER)))


@pytest.mark.parametrize(
    "new",
    [
        _table(_BODY, replace(_ASKED, elements=_OTHER), _IDLE),
        _table(_BODY.replace("@asked drop", "@idle drop"), _ASKED, replace(_IDLE, elements=_OTHER)),
        _table(_BODY.replace("@th,64,8 0x45 accept", "jump nobody"), _ASKED, replace(_IDLE, elements=_OTHER)),
        _table(_BODY, _ASKED),
    ],
)
def test_a_set_that_a_rule_asks_before_or_after_concerns_packets(new: Ruleset) -> None:
    assert not is_dead(_table(), new)


def test_a_rule_that_nothing_leads_to_concerns_no_packet_and_one_of_a_hook_does() -> None:
    assert is_dead(_table(), _table(_BODY.replace("@idle drop", "@idle accept")))
    assert not is_dead(_table(), _table(_BODY.replace("@asked drop", "@asked accept")))
