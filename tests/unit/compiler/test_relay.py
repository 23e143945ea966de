"""Relays: which hosts hand answers on where they come in, and what they ask before."""

from onehop.compiler import Local, compile_host
from onehop.model.gateway import PortBlock
from onehop.model.network import Network
from onehop.net.identifier import HostName
from onehop.objects import Ruleset, nftables
from tests.northern import EXTERNAL, PHYSICAL, Northern, gateway_ip

A, B, C = 1, 2, 3


def _world(hosts: int = 3, owner: int = B) -> Northern:
    world = Northern(hosts)
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner)
    world.port(1, A)
    return world


def _table(world: Northern, host: int) -> str:
    view = world.topology()
    name = HostName(world.host(host))
    bridges = {PHYSICAL: "br-ex"} if view.hosts[name].physical_networks else {}
    parts = compile_host(view, name, Local(plugs={}, physical_networks=bridges)).values()
    objects = (claim.object for part in parts for claim in part.claims.values())
    (found,) = (o for o in objects if isinstance(o, Ruleset) and (o.family, o.table) == ("netdev", "onehop-north"))
    return nftables.text_of(found)


def test_only_hosts_that_may_own_and_have_no_instance_relay() -> None:
    world = _world()
    assert "fwd" not in _table(world, A)
    assert "fwd" in _table(world, B)
    world.port(1, C)
    assert "fwd" not in _table(world, C)
    world.port(1, B)
    assert "fwd" not in _table(world, B)


def test_a_host_relays_alike_whoever_owns() -> None:
    assert _table(_world(owner=A), B) == _table(_world(owner=B), B)


def test_each_block_of_another_host_leads_to_its_transit_address_and_the_own_nowhere() -> None:
    text = _table(_world(), B)
    for protocol in ("tcp", "udp"):
        assert f'{protocol} dport 1024-2047 fwd ip to 169.254.1.1 device "qt-00006001-00"' in text
    assert 'icmp type echo-reply icmp id 1024-2047 fwd ip to 169.254.1.1 device "qt-00006001-00"' in text
    assert "2048-3071" not in text


def test_whoever_translates_for_all_relays_nothing() -> None:
    world = _world()
    world.gateway(1, B, distributed=False)
    assert "fwd" not in _table(world, B)


def test_with_many_blocks_ports_are_looked_up() -> None:
    world = _world(hosts=7)
    text = _table(world, B)
    name = "relay_cb00710a"
    assert f"map {name} {{\n\t\ttype inet_service : ipv4_addr\n\t\tflags interval" in text
    assert f'fwd ip to tcp dport map @{name} device "qt-00006001-00"' in text
    assert "7168-8191 : 169.254.1.7" in text
    assert "2048-3071" not in text


def test_only_where_packets_from_outside_may_be_too_large_their_length_is_asked() -> None:
    world = _world()
    assert "ip length 1451-65535 accept" in _table(world, B)
    narrow = next(v for v in world.values if isinstance(v, Network) and v.id == EXTERNAL)
    world.change(narrow.id, mtu=1450)
    assert "ip length" not in _table(world, B)


def test_every_gateway_address_leads_by_its_own_blocks() -> None:
    world, further = _world(), "203.0.113.11"
    blocks = {A: (PortBlock(1024, 1024),), B: (PortBlock(2048, 1024),), C: (PortBlock(1024, 1024, further),)}
    world.gateway(1, B, further=(further,), blocks=blocks)
    text = _table(world, B)
    for ip, name, host in ((gateway_ip(1), "cb00710a", A), (further, "cb00710b", C)):
        assert f"ip daddr {ip} goto relay_{name}" in text
        chain = text.partition(f"chain relay_{name} {{")[2].partition("}")[0]
        assert f"tcp dport 1024-2047 fwd ip to 169.254.1.{host} " in chain
        assert chain.count("tcp dport") == 1


def test_prefixes_are_named_only_where_the_table_has_them() -> None:
    without = Northern(2)
    without.router(1, [])
    without.gateway(1, B)
    assert "@inside" not in _table(without, B)
    many = Northern(2)
    apart = range(1, 11, 2)
    for number in apart:
        many.network(number, six=False)
    many.router(1, apart)
    many.gateway(1, B)
    many.port(1, A)
    text = _table(many, B)
    assert "set inside {" in text
    assert "ip saddr @inside accept" in text
