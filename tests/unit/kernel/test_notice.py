"""What the kernel's notifications are taken to mean."""

from onehop.kernel.notice import RouteNotices
from onehop.objects import netlink
from onehop.objects.address import IFADDRMSG
from onehop.objects.netlink import Found

GONE = Found(IFADDRMSG.pack(netlink.AF_INET, 24, 0, 0, 7), 0, 8)


def test_an_address_of_a_link_that_has_left_the_host_makes_nothing_doubtful() -> None:
    assert RouteNotices(lambda _namespace, _index: None).link(netlink.NEWADDR, GONE, "") == (False, None)


def test_an_address_of_a_link_makes_that_link_doubtful_and_in_a_router_all_of_it() -> None:
    notices = RouteNotices(lambda namespace, _index: None if namespace else "tap1")
    assert notices.link(netlink.NEWADDR, GONE, "") == (True, "tap1")
    assert notices.link(netlink.NEWADDR, GONE, "qrouter-1") == (True, None)
