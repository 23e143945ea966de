"""What is said of a host whose other software touches tenants' traffic."""

from onehop.kernel.surroundings import (
    Chain,
    foreign_forward_drops,
    of_bridges,
    of_connections,
    of_neighbours,
    of_sequences,
)

_CALL = "net/bridge/bridge-nf-call-iptables"
_DOCKER = (
    Chain("ip", "filter", "FORWARD", forward=True, drops=True),
    Chain("ip", "filter", "INPUT", forward=False, drops=True),
    Chain("ip", "filter", "DOCKER", forward=False, drops=False),
    Chain("inet", "onehop", "forward", forward=True, drops=True),
)


def test_a_foreign_forward_chain_that_drops_is_named_and_ours_is_not() -> None:
    assert list(foreign_forward_drops(_DOCKER)) == ["ip filter FORWARD"]


def test_a_host_on_which_tcp_takes_the_long_way_is_told_of() -> None:
    name = "net/netfilter/nf_conntrack_tcp_be_liberal"
    (said,) = of_sequences({name: "0"}.get)
    assert "net.netfilter.nf_conntrack_tcp_be_liberal is 0" in said
    assert not list(of_sequences({name: "1"}.get))
    assert not list(of_sequences({}.get))


def test_bridged_packets_in_the_hosts_chains_are_told_with_who_drops_them() -> None:
    said = list(of_bridges({_CALL: "1"}.get, _DOCKER, legacy=True))
    assert len(said) == 3
    assert "net.bridge.bridge-nf-call-iptables is 1" in said[0]
    assert "ip filter FORWARD" in said[1]
    assert "iptables-legacy" in said[2]


def test_a_host_whose_bridges_are_left_alone_has_nothing_to_tell() -> None:
    assert not list(of_bridges({_CALL: "0"}.get, _DOCKER, legacy=True))


def test_bridges_that_are_tracked_are_dropped_from_by_foreign_chains_whatever_the_setting() -> None:
    tracking = Chain("inet", "onehop-security", "zone", forward=False, drops=False)
    said = list(of_bridges({_CALL: "0"}.get, (*_DOCKER, tracking), legacy=False))
    assert len(said) == 1
    assert "ip filter FORWARD" in said[0]


def test_a_kernel_without_bridge_netfilter_is_told() -> None:
    (said,) = of_bridges({}.get, _DOCKER, legacy=True)
    assert "br_netfilter" in said


def test_a_small_neighbour_table_is_told_and_one_that_is_not_there_is_not() -> None:
    small = {"net/ipv4/neigh/default/gc_thresh3": "1024", "net/ipv6/neigh/default/gc_thresh3": "32768"}
    (said,) = of_neighbours(small.get)
    assert "net.ipv4.neigh.default.gc_thresh3 is 1024" in said
    assert not list(of_neighbours({}.get))


def test_a_connection_table_that_is_nearly_full_is_told_and_one_that_has_room_or_is_not_there_is_not() -> None:
    table = {"net/netfilter/nf_conntrack_max": "1000", "net/netfilter/nf_conntrack_count": "800"}
    (said,) = of_connections(table.get)
    assert "800 of net.netfilter.nf_conntrack_max = 1000" in said
    assert not list(of_connections({**table, "net/netfilter/nf_conntrack_count": "799"}.get))
    assert not list(of_connections({}.get))
