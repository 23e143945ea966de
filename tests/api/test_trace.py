"""``GET /onehop/v1/trace``: who may ask, how things are named, and what is answered."""

import pytest

from onehop.store import Store
from tests.api.client import Api, Row
from tests.store.rows import add_gateway_host, say_hello

pytestmark = pytest.mark.slow


class Net:
    """A router with a gateway; one port on a gateway host, one on a host without an external leg."""

    def __init__(self, api: Api, store: Store, external: Row) -> None:
        gateway_host = add_gateway_host(store, 1)
        plain = store.run(lambda tx: tx.add_host("plain")).name
        say_hello(store, plain, 2, gateway_host=False, reached=False)
        self.api = api
        self.network = api.network()
        self.router = api.router(api.subnet(self.network))
        api.gateway(self.router, external)
        self.web = api.port(self.network, name="web", **{"binding:host_id": gateway_host})
        self.db = api.port(self.network, name="db", **{"binding:host_id": plain})
        self.floating = api.create("floatingip", floating_network_id=external["id"], port_id=self.web["id"])

    def trace(self, **asked: object) -> Row:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        found: Row = self.api.get(f"/onehop/v1/trace?{query}")["trace"]
        return found

    def refused(self, **asked: object) -> tuple[int, str]:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        return self.api.send("GET", f"/onehop/v1/trace?{query}").error


@pytest.fixture
def net(api: Api, store: Store, external: Row) -> Net:
    return Net(api, store, external)


def test_ports_and_floating_ips_are_named_by_id_or_name_or_address(net: Net) -> None:
    address = net.web["fixed_ips"][0]["ip_address"]
    for destination in (address, "web", net.web["id"]):
        found = net.trace(source="db", destination=destination, protocol="tcp", port=443)
        assert (found["outcome"], found["end"]["port"]) == ("answered", net.web["id"])
        assert found["question"]["destination"] == address
    for destination in (net.floating["id"], net.floating["floating_ip_address"]):
        found = net.trace(source=net.db["id"], destination=destination)
        assert found["answered_from"] == net.floating["floating_ip_address"]


def test_a_way_out_is_walked_over_the_hosts_that_the_store_knows(net: Net) -> None:
    found = net.trace(source="db", destination="198.51.100.7", protocol="tcp")
    (gateway,) = net.api.get(f"routers/{net.router['id']}")["router"]["external_gateway_info"]["external_fixed_ips"]
    assert (found["outcome"], found["seen"]) == ("answered", gateway["ip_address"])
    assert [step["host"] for step in found["there"] if step["kind"] == "tunnel"] == ["plain"]


def test_from_outside_a_port_is_called_at_its_floating_ip(net: Net) -> None:
    found = net.trace(source="outside", destination="web", protocol="udp", port=53)
    assert found["question"]["destination"] == net.floating["floating_ip_address"]
    assert (found["outcome"], found["end"]["port"]) == ("answered", net.web["id"])
    assert net.trace(source="outside", destination="db")["outcome"] == "dead"


def test_floating_ips_of_other_projects_are_reached_through_their_own_router(net: Net, external: Row) -> None:
    other = net.api.network()
    net.api.gateway(net.api.router(net.api.subnet(other, "10.9.0.0/24")), external)
    port = net.api.port(other, **{"binding:host_id": net.web["binding:host_id"]})
    floating = net.api.create("floatingip", floating_network_id=external["id"], port_id=port["id"])
    found = net.trace(source="db", destination=floating["id"], protocol="tcp")
    assert (found["outcome"], found["end"]["port"]) == ("answered", port["id"])


def test_what_cannot_be_asked_is_refused(net: Net) -> None:
    nobody = "11111111-1111-4111-8111-111111111111"
    assert net.refused(source="db") == (400, "HTTPBadRequest")
    assert net.refused(source=nobody, destination="web") == (404, "PortNotFound")
    assert net.refused(source="db", destination="nobody") == (404, "PortNotFound")
    assert net.refused(source="db", destination="web", ttl=1) == (400, "HTTPBadRequest")
    assert net.refused(source="db", destination="web", protocol="pigeon") == (400, "HTTPBadRequest")
    assert net.refused(source="db", destination="web", port=70000) == (400, "HTTPBadRequest")
    assert net.refused(source="db", destination="2001:db8::1") == (400, "HTTPBadRequest")
    net.api.port(net.network, name="web")
    assert net.refused(source="db", destination="web") == (400, "HTTPBadRequest")
    unbound = net.api.port(net.network)
    assert net.refused(source=unbound["id"], destination="db") == (409, "PortBindingError")


def test_only_administrators_trace(net: Net, member: Api) -> None:
    sent = member.send("GET", "/onehop/v1/trace?source=db&destination=web")
    assert sent.error == (403, "PolicyNotAuthorized")


@pytest.mark.parametrize("name", ["%00", "a%00b", "%FF", "x" * 5000, "%20", "10.0.0.1%00", "fe80::1%25eth0"])
def test_a_name_that_is_none_is_not_found_and_breaks_nothing(net: Net, name: str) -> None:
    assert net.refused(source=name, destination="web")[0] in (400, 404)
    assert net.refused(source="web", destination=name)[0] in (400, 404)
