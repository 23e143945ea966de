"""Addresses of subnets, as numbers: pools, gateways, overlap."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehop.controller import ipam
from onehop.controller.faults import STATUS, FaultError
from onehop.net import address

NETWORKS = st.one_of(
    st.builds(
        lambda number, length: ipaddress.ip_network((number, length), strict=False),
        st.integers(2**24, 2**32 - 1).map(ipaddress.IPv4Address),
        st.integers(8, 32),
    ),
    st.builds(
        lambda number, length: ipaddress.ip_network((number, length), strict=False),
        st.integers(1, 2**128 - 1).map(ipaddress.IPv6Address),
        st.integers(16, 128),
    ),
)


def total(pools: list[dict[str, str]]) -> int:
    return sum(int(ipaddress.ip_address(p["end"])) - int(ipaddress.ip_address(p["start"])) + 1 for p in pools)


@pytest.mark.slow
@given(network=NETWORKS, data=st.data())
def test_the_pools_and_the_gateway_are_together_every_usable_address(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, data: st.DataObject
) -> None:
    cidr = str(network)
    first, last = ipam.usable(cidr)
    gateway = network[data.draw(st.integers(int(first), int(last))) - int(network[0])]
    pools = ipam.default_pools(cidr, str(gateway))
    ipam.require_gateway_outside(str(gateway), pools)
    assert ipam.checked_pools(cidr, pools) == pools
    assert total(pools) == int(last) - int(first)
    assert total(ipam.default_pools(cidr, None)) == int(last) - int(first) + 1
    assert ipam.is_usable(cidr, str(gateway))


@given(network=NETWORKS)
def test_the_default_gateway_is_usable_where_there_is_room_for_one(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> None:
    gateway = ipam.default_gateway(str(network))
    assert (gateway is None) is (network.num_addresses == 1)
    assert gateway is None or ipam.is_usable(str(network), gateway)


@given(one=NETWORKS, other=NETWORKS)
def test_overlap_is_mutual_and_only_within_a_family(
    one: ipaddress.IPv4Network | ipaddress.IPv6Network, other: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> None:
    assert address.overlaps(str(one), str(other)) is address.overlaps(str(other), str(one))
    assert address.overlaps(str(one), str(one))
    assert one.version == other.version or not address.overlaps(str(one), str(other))


@pytest.mark.parametrize(
    ("cidr", "ip", "usable"),
    [
        ("10.0.0.0/24", "10.0.0.0", False),
        ("10.0.0.0/24", "10.0.0.255", False),
        ("10.0.0.0/24", "10.0.0.1", True),
        ("10.0.0.0/24", "10.0.1.1", False),
        ("10.0.0.0/31", "10.0.0.0", True),
        ("10.0.0.0/32", "10.0.0.0", True),
        ("fd00::/64", "fd00::", False),
        ("fd00::/64", "fd00::ffff:ffff:ffff:ffff", True),
        ("fd00::/127", "fd00::", True),
        ("fd00::/64", "10.0.0.1", False),
    ],
)
def test_network_and_broadcast_addresses_are_no_ports(cidr: str, ip: str, usable: bool) -> None:
    assert ipam.is_usable(cidr, ip) is usable


def test_every_error_has_a_status_of_an_error() -> None:
    assert set(STATUS.values()) <= {400, 401, 403, 404, 405, 408, 409, 412, 413, 429, 500, 503}
    assert FaultError("NetworkInUse", "x").status == 409
    with pytest.raises(KeyError):
        assert FaultError("NoSuchType", "x").status


@given(data=st.data())
def test_prefixes_clash_exactly_when_they_share_an_address(data: st.DataObject) -> None:
    base = ipaddress.ip_network(data.draw(st.sampled_from(["10.0.0.0/24", "fd00::/120"])))
    lengths = st.integers(base.prefixlen, base.max_prefixlen)
    numbers = st.tuples(st.integers(0, 255), lengths).map(lambda one: (int(base[0]) + one[0], one[1]))
    kept = ipam.Prefixes(())
    present: list[str] = []
    for number, length in data.draw(st.lists(numbers, max_size=12)):
        cidr = str(ipaddress.ip_network((type(base[0])(number), length), strict=False))
        clashing = [other for other in present if address.overlaps(cidr, other)]
        found = kept.clash(cidr)
        assert (found in clashing) if clashing else found is None
        assert (ipam.Prefixes(present).clash(cidr) is None) == (found is None)
        if not clashing:
            kept.add(cidr)
            present.append(cidr)
