"""Port forwardings: ranges of a floating IP's ports, and what excludes what."""

import pytest

from tests.api.client import Answer, Api, Row
from tests.api.test_floating_ips import Inside, floating, shown

pytestmark = pytest.mark.slow


class Forwarded:
    """A floating IP with port forwardings to one project's ports."""

    def __init__(self, member: Api, external: Row) -> None:
        self.api = member
        self.inside = Inside(member, external)
        self.port = self.inside.port("10.0.0.10")
        self.row = floating(member, external)
        self.path = f"floatingips/{self.row['id']}/port_forwardings"

    def send(self, api: Api | None = None, **values: object) -> Answer:
        given = {"protocol": "tcp", "internal_port_id": self.port["id"], **values}
        return (api or self.api).send("POST", self.path, {"port_forwarding": given})

    def create(self, **values: object) -> Row:
        answer = self.send(**values)
        assert answer.status == 201, answer.body
        row: Row = answer.body["port_forwarding"]
        return row

    def update(self, row: Row, **values: object) -> Answer:
        return self.api.send("PUT", f"{self.path}/{row['id']}", {"port_forwarding": values})


@pytest.fixture
def forwarded(member: Api, external: Row) -> Forwarded:
    return Forwarded(member, external)


def test_a_port_of_a_floating_ip_leads_to_a_port_of_an_instance(forwarded: Forwarded) -> None:
    row = forwarded.create(internal_port=80, external_port=8080, description="web")
    assert row == {
        "id": row["id"],
        "internal_port_id": forwarded.port["id"],
        "internal_ip_address": "10.0.0.10",
        "internal_port": 80,
        "internal_port_range": "80:80",
        "external_port": 8080,
        "external_port_range": "8080:8080",
        "protocol": "tcp",
        "description": "web",
    }
    found = shown(forwarded.api, forwarded.row)
    assert (found["router_id"], found["port_id"]) == (forwarded.inside.router["id"], None)
    assert found["port_forwardings"] == [{name: row[name] for name in row if name != "description"}]
    assert found["revision_number"] > forwarded.row["revision_number"]
    assert forwarded.api.get(forwarded.path)["port_forwardings"] == [row]
    assert forwarded.api.get(f"{forwarded.path}/{row['id']}")["port_forwarding"] == row
    forwarded.api.delete(f"{forwarded.path}/{row['id']}")
    assert shown(forwarded.api, forwarded.row)["router_id"] is None
    assert forwarded.api.send("GET", f"{forwarded.path}/{row['id']}").error == (404, "PortForwardingNotFound")


def test_a_range_leads_to_a_range_of_the_same_length(forwarded: Forwarded) -> None:
    row = forwarded.create(internal_port_range="100:109", external_port_range="2000:2009")
    assert (row["internal_port"], row["external_port"]) == (None, None)
    assert (row["internal_port_range"], row["external_port_range"]) == ("100:109", "2000:2009")
    assert forwarded.create(internal_port_range="7", external_port=7)["internal_port_range"] == "7:7"
    for wrong in (
        {"internal_port_range": "1:2", "external_port_range": "1:3"},
        {"internal_port_range": "2:1", "external_port_range": "2:1"},
        {"internal_port_range": "0:1", "external_port_range": "0:1"},
        {"internal_port_range": "65535:65536", "external_port_range": "1:2"},
        {"internal_port_range": "a:b", "external_port_range": "1:2"},
        {"internal_port": 1, "internal_port_range": "1:1", "external_port": 1},
        {"internal_port": 1},
        {"internal_port": 65536, "external_port": 1},
    ):
        assert forwarded.send(**wrong).status == 400, wrong


def test_forwardings_that_collide_are_400(forwarded: Forwarded) -> None:
    forwarded.create(internal_port_range="100:109", external_port_range="2000:2009")
    refused = (400, "BadRequest")
    assert forwarded.send(internal_port=5, external_port=2009).error == refused
    assert forwarded.send(internal_port_range="1:9", external_port_range="1992:2000").error == refused
    forwarded.create(internal_port=5, external_port=2009, protocol="udp")
    other = forwarded.create(internal_port=5, external_port=2010)
    assert forwarded.update(other, external_port=2001).error == refused
    assert forwarded.update(other, external_port=2011).body["port_forwarding"]["internal_port"] == 5
    assert forwarded.send(internal_port=5, external_port=1, protocol="icmp").status == 400


def test_an_update_keeps_what_it_does_not_name(forwarded: Forwarded) -> None:
    row = forwarded.create(internal_port=80, external_port=8080, description="web")
    other = forwarded.inside.port("10.0.0.11")
    moved = forwarded.update(row, internal_port_id=other["id"]).body["port_forwarding"]
    assert moved == {**row, "internal_port_id": other["id"], "internal_ip_address": "10.0.0.11"}
    assert forwarded.update(row, protocol="udp").body["port_forwarding"] == {**moved, "protocol": "udp"}


def test_forwarding_and_leading_as_a_whole_exclude_each_other(forwarded: Forwarded, external: Row) -> None:
    forwarded.create(internal_port=80, external_port=8080)
    other = forwarded.inside.port()
    in_use = (409, "FipInUseByPortForwarding")
    assert forwarded.api.not_updated("floatingip", forwarded.row["id"], port_id=other["id"]) == in_use
    asked = {"floating_network_id": external["id"], "port_id": forwarded.port["id"]}
    assert forwarded.api.refused("floatingip", **asked) == (409, "PortHasPortForwarding")
    whole = floating(forwarded.api, external, port_id=other["id"])
    bound = forwarded.send(internal_port=1, external_port=1, internal_port_id=other["id"])
    assert bound.error == (409, "PortHasBindingFloatingIP")
    body = {"protocol": "tcp", "internal_port_id": forwarded.port["id"], "internal_port": 1, "external_port": 1}
    answer = forwarded.api.send("POST", f"floatingips/{whole['id']}/port_forwardings", {"port_forwarding": body})
    assert answer.error == (409, "FloatingIPPortAlreadyAssociated")


def test_forwardings_go_with_their_port_address_and_floating_ip(forwarded: Forwarded) -> None:
    forwarded.create(internal_port=80, external_port=8080)
    forwarded.api.update("port", forwarded.port["id"], fixed_ips=[{"ip_address": "10.0.0.99"}])
    assert forwarded.api.get(forwarded.path)["port_forwardings"] == []
    assert shown(forwarded.api, forwarded.row)["router_id"] is None
    forwarded.create(internal_port=80, external_port=8080)
    forwarded.api.delete(f"ports/{forwarded.port['id']}")
    assert forwarded.api.get(forwarded.path)["port_forwardings"] == []
    forwarded.port = forwarded.inside.port()
    forwarded.create(internal_port=80, external_port=8080)
    forwarded.api.delete(f"floatingips/{forwarded.row['id']}")
    assert forwarded.api.send("GET", forwarded.path).error == (404, "FloatingIPNotFound")


def test_the_interface_and_gateway_that_a_forwarding_goes_by_stay(forwarded: Forwarded) -> None:
    forwarded.create(internal_port=80, external_port=8080)
    router = forwarded.inside.router["id"]
    path = f"routers/{router}/remove_router_interface"
    refused = (409, "RouterInterfaceInUseByFloatingIP")
    assert forwarded.api.send("PUT", path, {"subnet_id": forwarded.inside.subnet["id"]}).error == refused
    used = (409, "RouterExternalGatewayInUseByFloatingIp")
    assert forwarded.api.not_updated("router", router, external_gateway_info=None) == used


def test_a_port_that_the_floating_ip_cannot_reach_is_404(forwarded: Forwarded, member: Api) -> None:
    network = member.network()
    member.subnet(network, "10.7.0.0/24")
    answer = forwarded.send(internal_port=1, external_port=1, internal_port_id=member.port(network)["id"])
    assert answer.error == (404, "ExternalGatewayForFloatingIPNotFound")


def test_forwardings_of_one_floating_ip_go_by_one_router(forwarded: Forwarded, member: Api, external: Row) -> None:
    forwarded.create(internal_port=80, external_port=8080)
    elsewhere = Inside(member, external, "10.8.0.0/24").port()
    answer = forwarded.send(internal_port=1, external_port=1, internal_port_id=elsewhere["id"])
    assert answer.error == (400, "BadRequest")


def test_others_neither_see_nor_make_them(forwarded: Forwarded, api: Api, stranger: Api, external: Row) -> None:
    row = forwarded.create(internal_port=80, external_port=8080)
    assert stranger.send("GET", forwarded.path).error == (404, "FloatingIPNotFound")
    assert forwarded.send(stranger, internal_port=1, external_port=1).error == (404, "FloatingIPNotFound")
    theirs = floating(stranger, external)
    path = f"floatingips/{theirs['id']}/port_forwardings"
    assert stranger.send("GET", f"{path}/{row['id']}").error == (404, "PortForwardingNotFound")
    assert stranger.send("DELETE", f"{path}/{row['id']}").error == (404, "PortForwardingNotFound")
    assert api.get(forwarded.path)["port_forwardings"] == [row]
    assert forwarded.api.get(f"{forwarded.path}?external_port=8080")["port_forwardings"] == [row]
    assert forwarded.api.get(f"{forwarded.path}?protocol=udp")["port_forwardings"] == []


def test_a_reader_makes_none(forwarded: Forwarded, api: Api) -> None:
    reader = api.as_("a" * 32, "reader")
    refused = (403, "PolicyNotAuthorized")
    assert forwarded.send(reader, internal_port=1, external_port=1).error == refused
