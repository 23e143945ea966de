"""What hosts tell each other inside probes."""

import pytest

from onehop.errors import WireError
from onehop.model.reign import Reign
from onehop.net import echo
from onehop.net.identifier import HostName, RouterId
from onehop.wire import word
from tests.worlds import uid


def _reigns(number: int) -> list[Reign]:
    return [
        Reign(
            router=RouterId(uid(at)),
            generation=(1 << 40) + at,
            epoch=at,
            owner=HostName("h" * 60 + f"{at:03}"),
            vacant=at % 2 == 0,
            blind=at % 3 == 0,
        )
        for at in range(number)
    ]


@pytest.mark.parametrize("version", [4, 6])
def test_reigns_come_out_of_probes_as_they_went_in(version: int) -> None:
    probes = [echo.request(version, 1, 2, content) for content in word.said(_reigns(25))]
    assert len(probes) == 3
    assert all(len(probe) <= 1232 for probe in probes), "none is cut into fragments (RFC 8200, 5)"
    header = bytes([0x45]) + bytes(19) if version == 4 else b""
    contents = [echo.asked(version, header + probe) or b"" for probe in probes]
    assert [reign for content in contents for reign in word.heard(content)] == _reigns(25)


def test_somebody_elses_ping_tells_nothing() -> None:
    assert word.heard(b"") == []
    assert word.heard(bytes(range(56))) == []
    assert echo.asked(4, b"") is None
    assert echo.asked(4, bytes([0x45]) + bytes(19) + bytes(8)) is None


def test_what_says_to_be_ours_and_is_not_is_refused() -> None:
    (good,) = word.said(_reigns(1))
    for bad in (good[:-1], good[:8] + b"\xff", good.replace(b"hhh", b"h/h")):
        with pytest.raises(WireError):
            word.heard(bad)
