"""From the API to what each host's kernel should hold: what hosts are sent is enough, and says what was asked."""

import pytest

from onehop.compiler import Local, Plug, compile_host
from onehop.controller.share import Shares
from onehop.model.topology import Topology
from onehop.net.identifier import HostName, PortId
from onehop.objects import Address, KernelObject
from onehop.store import Store
from onehop.wire import Snapshot, decode_from_controller, encode
from tests.api.client import Api, Row
from tests.api.test_floating_ips import Inside, floating
from tests.store.rows import add_gateway_host, say_hello

pytestmark = pytest.mark.slow

OWNER, NEAR, FAR = "gw-1", "near", "far"
"""The gateway host, a host that reaches the external network too, and one that does not."""


class Outside:
    """A router on three hosts, with floating IPs of every kind."""

    def __init__(self, api: Api, store: Store, external: Row) -> None:
        self.api, self.store = api, store
        add_gateway_host(store, 1)
        for number, name in enumerate((NEAR, FAR), 2):
            store.run(lambda tx, name=name: tx.add_host(name))  # type: ignore[misc]  # a default that binds early
            say_hello(store, name, number, gateway_host=False, reached=name == NEAR)
        self.inside = Inside(api, external)
        self.ports = {name: self.inside.port(**{"binding:host_id": name}) for name in (OWNER, NEAR, FAR)}
        self.unbound = self.inside.port()
        self.floating = {
            name: floating(api, external, port_id=port["id"])["floating_ip_address"]
            for name, port in (*self.ports.items(), ("", self.unbound))
        }
        forwarding = floating(api, external)
        rule = {
            "protocol": "tcp",
            "internal_port_id": self.inside.port(**{"binding:host_id": NEAR})["id"],
            "internal_port": 80,
            "external_port": 80,
        }
        path = f"floatingips/{forwarding['id']}/port_forwardings"
        assert api.send("POST", path, {"port_forwarding": rule}).status == 201
        self.forwarded = forwarding["floating_ip_address"]
        self.gateway = self.shown()["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]

    def shown(self) -> Row:
        row: Row = self.api.get(f"routers/{self.inside.router['id']}")["router"]
        return row

    def view(self, host: str | None = None) -> Topology:
        """Everything, or what a host is sent, as it arrives there."""
        with self.store.read() as tx:
            revision, values = tx.snapshot()
        whole = Topology(revision, values)
        if host is None:
            return whole
        share = tuple(Shares(whole).share(HostName(host)))
        arrived = decode_from_controller(encode(Snapshot(revision=revision, first=True, values=share)))
        assert isinstance(arrived, Snapshot)
        return Topology(revision, arrived.values)

    def objects(self, host: str, view: Topology) -> list[KernelObject]:
        """What a host's kernel should hold, with an instance in every port bound there."""
        plugs = {PortId(p.id): Plug(p.id, "vm") for p in view.bound_on(HostName(host))}
        bridges = {"external": "br-ex"} if host != FAR else {}
        parts = compile_host(view, HostName(host), Local(plugs=plugs, physical_networks=bridges))
        assert not any(part.refused for part in parts.values())
        return [claim.object for name in sorted(parts) for claim in parts[name].claims.values()]

    def published(self, host: str) -> set[str]:
        """Addresses that a host answers for outside."""
        found = (o for o in self.objects(host, self.view(host)) if isinstance(o, Address) and o.link.startswith("qg-"))
        return {o.address.removesuffix("/32") for o in found if o.scope == "global" and o.address.endswith("/32")}


@pytest.fixture
def outside(api: Api, store: Store, external: Row) -> Outside:
    return Outside(api, store, external)


def test_exactly_one_host_answers_for_each_address(outside: Outside) -> None:
    by_owner = {outside.gateway, outside.forwarded, *(outside.floating[name] for name in (OWNER, FAR, ""))}
    assert outside.published(OWNER) == by_owner
    assert outside.published(NEAR) == {outside.floating[NEAR]}
    assert outside.published(FAR) == set()


def test_a_hosts_share_is_all_that_its_state_depends_on(outside: Outside) -> None:
    for host in (OWNER, NEAR, FAR):
        assert outside.objects(host, outside.view(host)) == outside.objects(host, outside.view())


def test_a_cleared_gateway_leaves_nothing_outside(outside: Outside) -> None:
    for row in outside.api.get("floatingips")["floatingips"]:
        outside.api.delete(f"floatingips/{row['id']}")
    outside.api.update("router", outside.inside.router["id"], external_gateway_info=None)
    for host in (OWNER, NEAR, FAR):
        assert outside.published(host) == set()
    assert {port["device_owner"] for port in outside.api.get("ports")["ports"]} == {
        "",
        "network:router_interface_distributed",
    }


def test_every_host_of_a_router_is_shown_with_its_block(outside: Outside) -> None:
    shown = {place["host"]: place for place in outside.shown()["gateway_hosts"]}
    assert shown.keys() == {OWNER, NEAR, FAR}
    assert [name for name in shown if shown[name]["owner"]] == [OWNER]
    assert len({str(place["port_blocks"]) for place in shown.values()}) == 3


def test_a_new_owner_takes_every_address_of_the_old_one(outside: Outside) -> None:
    add_gateway_host(outside.store, 4)
    router = outside.inside.router["id"]
    before = outside.published(OWNER)
    outside.store.run(lambda tx: tx.assign_owner(router, "gw-4"))
    assert outside.published("gw-4") == before - {outside.floating[OWNER]}
    assert outside.published(OWNER) == {outside.floating[OWNER]}
