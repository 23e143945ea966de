"""The interface of the VTEP is found by any of its addresses."""

import subprocess
import sys

import pytest

from onehop.agent import underlay


def test_an_address_that_nobody_has_is_on_no_interface() -> None:
    assert underlay.interface_of("127.0.0.1") == "lo"
    assert underlay.interface_of("192.0.2.77") is None
    assert underlay.interface_of("2001:db8::77") is None


@pytest.mark.root
def test_a_vtep_may_be_the_second_address_of_an_interface_or_have_a_label() -> None:
    look = (
        "from onehop.agent.underlay import interface_of as i; print(*map(i, ['192.0.2.1', '192.0.2.2', '192.0.2.3']))"
    )
    script = """
        ip link add name under0 type bridge
        ip address add 192.0.2.1/24 dev under0
        ip address add 192.0.2.2/24 dev under0
        ip address add 192.0.2.3/24 dev under0 label under0:x
        exec "$@"
    """
    words = ["unshare", "--net", "sh", "-eu", "-c", script, "sh", sys.executable, "-c", look]
    ran = subprocess.run(words, text=True, capture_output=True, check=True)
    assert ran.stdout.split() == ["under0"] * 3
