"""Agents and the status of hosts."""

from onehop.store import Heartbeat, Store
from tests.api.client import Api

HELLO = {"vtep": "192.0.2.1", "underlay_mtu": 1500, "physical_networks": ["external"]}


def test_a_host_is_shown_as_an_agent(api: Api, host: str) -> None:
    (agent,) = api.get("agents")["agents"]
    expected = (
        "id agent_type binary topic host admin_state_up created_at started_at heartbeat_timestamp description "
        "resources_synced availability_zone alive configurations"
    )
    assert set(agent) == set(expected.split())
    assert agent["host"] == host
    assert agent["agent_type"] == "L3 agent"
    assert agent["alive"] is False
    assert api.get(f"agents/{agent['id']}")["agent"] == agent


def test_an_agent_that_shows_signs_of_life_is_alive(api: Api, host: str, store: Store, now: list[float]) -> None:
    session = store.run(lambda tx: tx.open_session(host, **HELLO))
    store.put_heartbeats([Heartbeat(host, session, connected=True, applied=0)])
    with store.read() as tx:
        row = tx.host(host)
    assert row is not None
    assert row.heartbeat_at is not None
    now[0] = row.heartbeat_at
    (agent,) = api.get("agents?alive=True")["agents"]
    assert agent["configurations"]["vtep"] == "192.0.2.1"
    assert agent["configurations"]["physical_networks"] == ["external"]
    assert len(agent["heartbeat_timestamp"]) == len("2026-01-31 12:00:00")
    now[0] += 3600
    assert api.get("agents?alive=True") == {"agents": []}
    assert len(api.get("agents?alive=False&host=host-1&agent_type=L3%20agent")["agents"]) == 1


def test_an_agent_is_described_and_switched_off(api: Api, host: str) -> None:
    (agent,) = api.get("agents")["agents"]
    changed = api.update("agent", agent["id"], description="rack 7", admin_state_up=False)
    assert (changed["description"], changed["admin_state_up"]) == ("rack 7", False)
    assert api.not_updated("agent", agent["id"], host="x") == (400, "HTTPBadRequest")


def test_projects_see_no_agents(api: Api, member: Api, host: str) -> None:
    (agent,) = api.get("agents")["agents"]
    path = f"agents/{agent['id']}"
    assert member.get("agents") == {"agents": []}
    assert member.send("GET", path).error == (404, "AgentNotFound")
    assert member.send("PUT", path, {"agent": {"description": "x"}}).error == (404, "AgentNotFound")
    assert member.send("DELETE", path).error == (404, "AgentNotFound")


def test_the_status_says_how_far_each_host_is(api: Api, member: Api, host: str, store: Store) -> None:
    api.network()
    status = api.get("/onehop/v1/status")
    assert status["revision"] >= 2
    (shown,) = status["hosts"]
    assert shown == {"name": host, "connected": False, "applied": 0, "in_sync": False, "heartbeat_at": None}
    session = store.run(lambda tx: tx.open_session(host, **HELLO))
    revision = api.get("/onehop/v1/status")["revision"]
    store.put_heartbeats([Heartbeat(host, session, connected=True, applied=revision)])
    (shown,) = api.get("/onehop/v1/status")["hosts"]
    assert (shown["connected"], shown["applied"], shown["in_sync"]) == (True, revision, True)
    assert member.send("GET", "/onehop/v1/status").error == (403, "PolicyNotAuthorized")
