"""North-south: who publishes, translates and steers what, and in which order that changes hands."""

import msgspec
import pytest

from onehop.compiler import Local, Plug, compile_host
from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import PortBlock
from onehop.model.port import Binding, Port
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import Address, KernelObject, Key, Link, Route, Rule, Ruleset, nftables
from onehop.objects.route import MAIN
from onehop.reconciler import Create, Delete, Replace, diff
from tests.northern import PHYSICAL, Northern, forward, gateway_ip, router_of

A, B, C = 1, 2, 3


def _world(owner: int | None = A) -> tuple[Northern, Port]:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner)
    port = world.port(1, A)
    for host in (B, C):
        world.port(1, host)
    return world, port


def _state(world: Northern, host: int, unplugged: Port | None = None) -> dict[Key, KernelObject]:
    view = world.topology()
    name = HostName(world.host(host))
    plugs = {p.id: Plug(p.id, "vm") for p in view.bound_on(name) if unplugged is None or p.id != unplugged.id}
    bridges = {PHYSICAL: "br-ex"} if view.hosts[name].physical_networks else {}
    parts = compile_host(view, name, Local(plugs=plugs, physical_networks=bridges)).values()
    return {key: claim.object for part in parts for key, claim in part.claims.items()}


def _published(state: dict[Key, KernelObject]) -> set[str]:
    found = (o for o in state.values() if isinstance(o, Address) and o.link.startswith("qg-") and o.scope == "global")
    return {o.address.removesuffix("/32") for o in found}


def _table(state: dict[Key, KernelObject], family: str = "ip") -> str:
    return next(
        nftables.text_of(o)
        for o in state.values()
        if isinstance(o, Ruleset) and (o.family, o.table) == (family, "onehop-north")
    )


def test_exactly_one_host_publishes_each_address() -> None:
    world, port = _world(owner=B)
    world.floating_ip(101, port)
    on_c = world.topology().bound_on(HostName(world.host(C)))[0]
    world.floating_ip(103, on_c)
    world.floating_ip(110, world.port(1, None))
    world.floating_ip(150, None, forwards=[forward("tcp", 80, port, 80)])
    assert _published(_state(world, A)) == {"203.0.113.101"}
    assert _published(_state(world, B)) == {gateway_ip(1), *(f"203.0.113.{n}" for n in (103, 110, 150))}
    assert _published(_state(world, C)) == set()


def test_an_address_is_published_only_while_the_instance_is_plugged() -> None:
    world, port = _world(owner=B)
    world.floating_ip(101, port)
    assert not _published(_state(world, A, unplugged=port))


def test_during_a_move_only_the_host_of_the_active_binding_publishes_and_both_translate() -> None:
    world, port = _world(owner=B)
    world.floating_ip(101, port)
    for active, other in ((A, B), (B, A)):
        bindings = (Binding(world.host(active)), Binding(world.host(other), active=False))
        world.change(port.id, bindings=tuple(sorted(bindings, key=lambda b: b.host)))
        assert "203.0.113.101" in _published(_state(world, active))
        assert "203.0.113.101" not in _published(_state(world, other))
        for host in (active, other):
            assert "203.0.113.101 : 10.0.1.10" in _table(_state(world, host))


def _steps(before: dict[Key, KernelObject], after: dict[Key, KernelObject]) -> list[tuple[str, type]]:
    words = {Create: "create", Delete: "delete", Replace: "replace"}
    return [(words[type(op)], type(op.new if isinstance(op, Replace) else op.object)) for op in diff(before, after).ops]


def test_an_address_is_published_last_and_withdrawn_first() -> None:
    world, port = _world(owner=B)
    without = _state(world, A)
    world.floating_ip(101, port)
    with_it = _state(world, A)
    comes, goes = _steps(without, with_it), _steps(with_it, without)
    assert comes[-1] == ("create", Address)
    assert ("replace", Ruleset) in comes
    assert goes[0] == ("delete", Address)
    assert ("replace", Ruleset) in goes


def test_an_address_is_withdrawn_first_also_when_its_leg_goes() -> None:
    world, port = _world()
    world.floating_ip(101, port)
    view = world.topology()
    name = HostName(world.host(A))
    plugs = {p.id: Plug(p.id, "vm") for p in view.bound_on(name)}
    parts = compile_host(view, name, Local(plugs=plugs)).values()
    legless = {key: claim.object for part in parts for key, claim in part.claims.items()}
    goes = _steps(_state(world, A), legless)
    first = goes.index(("replace", Ruleset))
    assert goes[:first].count(("delete", Address)) >= 2
    assert ("delete", Link) in goes[first:]


def test_local_addresses_are_looked_up_behind_the_steering_rules_from_the_first_moment() -> None:
    world, _ = _world()
    state = _state(world, A)
    ops = diff({}, state).ops
    local = [r for r in state.values() if isinstance(r, Rule) and (r.family, r.table) == (4, naming.LOCAL_TABLE)]
    assert [(rule.priority, rule.mask) for rule in local] == [
        (naming.UNSTEERED_PRIORITY, naming.STEERING_MASK),
        (naming.LOCAL_PRIORITY, 0),
    ]
    removed = [op.object for op in ops if isinstance(op, Delete)]
    namespace = naming.router_namespace(router_of(world, 1).id)
    assert removed == [Rule(namespace=namespace, family=4, priority=0, table=naming.LOCAL_TABLE)]
    assert ops.index(Delete(removed[0])) > max(ops.index(Create(rule)) for rule in local)


def test_a_router_that_loses_its_gateway_looks_up_local_addresses_first_again() -> None:
    world, _ = _world()
    before = _state(world, A)
    world.change(world.router_id(1), gateway=None)
    ops = [
        op for op in diff(before, _state(world, A)).ops if not isinstance(op, Replace) and isinstance(op.object, Rule)
    ]
    assert isinstance(ops[0], Create)
    assert ops[0].object.priority == 0
    assert all(isinstance(op, Delete) for op in ops[1:])


def test_an_owner_without_a_block_translates_to_ports_that_nobody_has() -> None:
    world, _ = _world()
    world.gateway(1, A, blockless=[A])
    assert "snat to 203.0.113.10:4096-65535" in _table(_state(world, A))
    assert "snat to 203.0.113.10:3072-4095" in _table(_state(world, C))


def test_new_connections_are_spread_over_all_blocks_of_a_host() -> None:
    world, _ = _world()
    gateway = router_of(world, 1).gateway
    assert gateway is not None
    hosts = tuple(
        msgspec.structs.replace(h, blocks=(PortBlock(1024, 1024), PortBlock(8192, 1024))) if h.number == A else h
        for h in gateway.hosts
    )
    world.change(world.router_id(1), gateway=msgspec.structs.replace(gateway, hosts=hosts))
    body = _table(_state(world, A))
    assert "numgen random mod 2 == 0 snat to 203.0.113.10:1024-2047" in body
    assert "snat to 203.0.113.10:8192-9215" in body
    assert "203.0.113.10 . 8192-9215 : 0x01000000" in _table(_state(world, B))


@pytest.mark.parametrize(
    ("candidates", "asked"),
    [((A, B), "203.0.113.1, 203.0.113.10, 203.0.113.101"), ((B,), "203.0.113.1, 203.0.113.101")],
)
def test_the_provider_bridge_asks_a_router_only_for_what_it_publishes_or_may_become_the_owner_of(
    candidates: tuple[int, ...], asked: str
) -> None:
    world, port = _world(owner=B)
    world.gateway(1, owner=B, candidates=candidates)
    world.floating_ip(101, port)
    state = _state(world, A)
    (gate,) = [o for o in state.values() if isinstance(o, Ruleset) and o.table.startswith("onehop-gate-")]
    assert f"elements = {{ {asked} }}" in nftables.text_of(gate)
    assert gate.devices == (naming.external_peer(router_of(world, 1).gateway.port_id),)


@pytest.mark.parametrize("host", [A, B, C])
def test_a_floating_ip_of_another_router_changes_nothing(host: int) -> None:
    world, _ = _world()
    before = _state(world, host)
    world.network(2, six=False)
    world.router(2, [2])
    world.gateway(2, B)
    other = world.port(2, C)
    value = world.floating_ip(120, other, r=2)
    assert isinstance(value, FloatingIp)
    after = _state(world, host)
    assert {key: after[key] for key in before} == before


def test_floating_ips_and_forwardings_are_elements_and_change_no_rule() -> None:
    world, port = _world(owner=B)
    hosts, alone = (A, B, C), world.port(1, None)
    without = [_state(world, host) for host in hosts]
    there = world.topology().bound_on(HostName(world.host(C)))[0]
    world.floating_ip(101, port)
    world.floating_ip(102, there)
    world.floating_ip(103, alone)
    for number, (outer, inner) in {150: (80, 80), 151: (8000, 80)}.items():
        world.floating_ip(number, None, forwards=[forward("tcp", outer, port, inner), forward("udp", outer, there, 53)])
    for before, after in zip(without, [_state(world, host) for host in hosts], strict=True):
        tables = [key for key, found in after.items() if isinstance(found, Ruleset)]
        assert [key for key, found in before.items() if isinstance(found, Ruleset)] == tables
        changed = [key for key in tables if before[key] != after[key]]
        assert len(changed) >= 1
        for key in changed:
            old, new = before[key], after[key]
            assert isinstance(old, Ruleset)
            assert isinstance(new, Ruleset)
            assert old.has_structure_of(new), key


def test_an_owner_that_lost_its_leg_sends_nothing_to_itself_until_another_owns() -> None:
    """The kernel refuses a default by an address of its own ("Nexthop has invalid gateway")."""
    world, _ = _world(owner=A)
    name = HostName(world.host(A))
    view = world.topology()
    parts = compile_host(view, name, Local(plugs={p.id: Plug(p.id, "vm") for p in view.bound_on(name)})).values()
    lost = {key: claim.object for part in parts for key, claim in part.claims.items()}
    assert not [o for o in lost.values() if isinstance(o, Route) and o.destination == "0.0.0.0/0" and o.table == MAIN]
    assert f"meta mark set {naming.steering_mark(A):#010x}" not in _table(lost)
    world.gateway(1, B)
    moved = compile_host(world.topology(), name, Local()).values()
    defaults = [
        claim.object
        for part in moved
        for claim in part.claims.values()
        if isinstance(claim.object, Route) and (claim.object.destination, claim.object.table) == ("0.0.0.0/0", MAIN)
    ]
    assert [hop.gateway for route in defaults for hop in route.hops] == [f"169.254.1.{B}"]
