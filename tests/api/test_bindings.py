"""Bindings: on which host a port is, and the two-step move to another."""

from onehop.model.port import Binding
from onehop.store import Store
from tests.api.client import Api


def test_binding_host_id_binds_and_an_empty_one_releases(api: Api, host: str) -> None:
    port = api.port(api.network(), **{"binding:host_id": host, "binding:profile": {"a": 1}})
    assert port["binding:host_id"] == host
    assert port["binding:vif_type"] == "tap"
    assert port["binding:profile"] == {"a": 1}
    path = f"ports/{port['id']}/bindings"
    assert api.get(path) == {
        "bindings": [
            {
                "host": host,
                "status": "ACTIVE",
                "profile": {"a": 1},
                "vnic_type": "normal",
                "vif_type": "tap",
                "vif_details": {"connectivity": "l2", "port_filter": True},
            }
        ]
    }
    assert api.update("port", port["id"], **{"binding:host_id": None})["binding:host_id"] == ""
    api.update("port", port["id"], **{"binding:host_id": host})
    released = api.update("port", port["id"], **{"binding:host_id": ""})
    assert released["binding:vif_type"] == "unbound"
    assert api.get(path) == {"bindings": []}


def test_binding_elsewhere_leaves_one_binding(api: Api, host: str, other_host: str) -> None:
    port = api.port(api.network(), **{"binding:host_id": host})
    moved = api.update("port", port["id"], **{"binding:host_id": other_host})
    assert moved["binding:host_id"] == other_host
    assert [b["host"] for b in api.get(f"ports/{port['id']}/bindings")["bindings"]] == [other_host]


def test_a_host_that_was_never_added_is_400_with_what_to_do(api: Api) -> None:
    answer = api.send("POST", "ports", {"port": {"network_id": api.network()["id"], "binding:host_id": "nowhere"}})
    assert answer.error == (400, "HTTPBadRequest")
    assert "onehop host add" in answer.message
    port = api.port(api.network())
    assert api.not_updated("port", port["id"], **{"binding:host_id": "nowhere"}) == (400, "HTTPBadRequest")
    answer = api.send("POST", f"ports/{port['id']}/bindings", {"binding": {"host": "nowhere"}})
    assert answer.error == (400, "HTTPBadRequest")


def test_a_move_prepares_activates_and_releases(api: Api, store: Store, host: str, other_host: str) -> None:
    port = api.port(api.network(), **{"binding:host_id": host})
    path = f"ports/{port['id']}/bindings"

    def bindings() -> tuple[Binding, ...]:
        with store.read() as tx:
            value = tx.values([("port", port["id"])])["port", port["id"]]
        return value.bindings  # type: ignore[union-attr]  # the value of a port is a Port

    since = store.revision()
    prepared = api.send("POST", path, {"binding": {"host": other_host}})
    assert prepared.status == 201
    assert prepared.body["binding"]["status"] == "INACTIVE"
    assert set(bindings()) == {Binding(host, True, since), Binding(other_host, False)}
    assert api.get(f"ports/{port['id']}")["port"]["binding:host_id"] == host

    activated = api.put(f"{path}/{other_host}/activate", None)
    assert activated["binding"]["status"] == "ACTIVE"
    since = store.revision()
    assert set(bindings()) == {Binding(host, False), Binding(other_host, True, since)}
    assert api.get(f"ports/{port['id']}")["port"]["binding:host_id"] == other_host

    api.delete(f"{path}/{host}")
    assert bindings() == (Binding(other_host, True, since),)


def test_the_first_binding_of_a_port_is_active(api: Api, host: str) -> None:
    port = api.port(api.network())
    made = api.send("POST", f"ports/{port['id']}/bindings", {"binding": {"host": host}})
    assert made.body["binding"]["status"] == "ACTIVE"


def test_bindings_that_cannot_be_are_refused(api: Api, host: str, other_host: str) -> None:
    network = api.network()
    port = api.port(network, **{"binding:host_id": host})
    path = f"ports/{port['id']}/bindings"
    assert api.send("POST", path, {"binding": {"host": host}}).error == (409, "PortBindingAlreadyExists")
    assert api.send("POST", path, {"binding": {}}).error == (400, "HTTPBadRequest")
    assert api.send("PUT", f"{path}/{host}/activate").error == (409, "PortBindingAlreadyActive")
    assert api.send("PUT", f"{path}/{other_host}/activate").error == (404, "PortBindingNotFound")
    assert api.send("DELETE", f"{path}/{other_host}").error == (404, "PortBindingNotFound")
    assert api.send("GET", f"{path}/%00").error == (404, "PortBindingNotFound")
    missing = "ports/11111111-1111-4111-8111-111111111111/bindings"
    assert api.send("GET", missing).error == (404, "PortNotFound")
    router = api.router(api.subnet(network))
    (leg,) = api.get(f"ports?device_id={router['id']}")["ports"]
    assert api.send("POST", f"ports/{leg['id']}/bindings", {"binding": {"host": host}}).error[0] == 400


def test_a_host_that_does_not_reach_the_physical_network_fails_the_binding(api: Api, host: str, store: Store) -> None:
    network = api.network(**{"provider:network_type": "flat", "provider:physical_network": "external"})
    port = api.port(network, **{"binding:host_id": host})
    assert port["binding:vif_type"] == "binding_failed"
    hello = {"vtep": "192.0.2.1", "underlay_mtu": 1500, "physical_networks": ["external"]}
    store.run(lambda tx: tx.open_session(host, **hello))
    assert api.get(f"ports/{port['id']}")["port"]["binding:vif_type"] == "tap"


def test_the_profile_of_a_binding_can_be_changed(api: Api, host: str) -> None:
    port = api.port(api.network(), **{"binding:host_id": host})
    changed = api.update("port", port["id"], **{"binding:profile": {"x": [1]}})
    assert changed["binding:profile"] == {"x": [1]}
    body = api.put(f"ports/{port['id']}/bindings/{host}", {"binding": {"profile": {"y": 2}}})
    assert body["binding"]["profile"] == {"y": 2}
    assert api.update("port", port["id"], **{"binding:profile": None})["binding:profile"] == {}


def test_projects_neither_see_nor_make_bindings(member: Api, stranger: Api, host: str) -> None:
    port = member.port(member.network())
    path = f"ports/{port['id']}/bindings"
    assert not {name for name in port if name.startswith("binding:")} - {"binding:vnic_type"}
    for method, at, body in (
        ("GET", path, None),
        ("POST", path, {"binding": {"host": host}}),
        ("DELETE", f"{path}/{host}", None),
        ("PUT", f"{path}/{host}/activate", None),
    ):
        assert member.send(method, at, body).error == (403, "PolicyNotAuthorized")
        assert stranger.send(method, at, body).error == (404, "PortNotFound")


def test_deleting_a_bound_port_releases_the_host(api: Api, host: str) -> None:
    port = api.port(api.network(), **{"binding:host_id": host})
    (agent,) = api.get("agents")["agents"]
    assert api.send("DELETE", f"agents/{agent['id']}").error == (409, "AgentInUse")
    api.delete(f"ports/{port['id']}")
    api.delete(f"agents/{agent['id']}")
    assert api.get("agents") == {"agents": []}


def test_the_pages_of_one_ports_bindings_do_not_depend_on_another_ports(api: Api, host: str, other_host: str) -> None:
    network = api.network()
    for port in sorted((api.port(network) for _ in range(2)), key=lambda p: str(p["id"])):
        path = f"ports/{port['id']}/bindings"
        for name in (host, other_host):
            assert api.send("POST", path, {"binding": {"host": name}}).status == 201
        for order, hosts in (("asc", [other_host]), ("desc", [])):
            rows = api.get(f"{path}?limit=1&marker={host}&sort_key=host&sort_dir={order}")["bindings"]
            assert [row["host"] for row in rows] == hosts
