"""Networks shared with, or external for, chosen projects."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from onehop.store import Store, migration
from tests.api.client import PROJECT_A, PROJECT_B, Api, Row
from tests.conftest import POSTGRESQL, SQLITE

pytestmark = pytest.mark.slow

PROJECT_C = "c" * 32
DENIED = (403, "PolicyNotAuthorized")


def share(api: Api, network: Row, target: str = PROJECT_B, action: str = "access_as_shared") -> Row:
    values = {"object_type": "network", "object_id": network["id"], "action": action, "target_tenant": target}
    return api.create("rbac_policy", **values)


def refused(api: Api, network: Row, target: str = PROJECT_B, action: str = "access_as_shared") -> tuple[int, str]:
    values = {"object_type": "network", "object_id": network["id"], "action": action, "target_tenant": target}
    return api.refused("rbac_policy", **values)


def test_the_owner_shares_with_one_project_and_no_other(api: Api, member: Api, stranger: Api) -> None:
    network = member.network()
    subnet = member.subnet(network)
    policy = share(member, network)
    assert set(policy) == {"id", "project_id", "tenant_id", "object_type", "object_id", "action", "target_tenant"}
    assert stranger.get(f"networks/{network['id']}")["network"]["shared"] is True
    assert stranger.ids("networks") == stranger.ids("networks?shared=True") == [network["id"]]
    assert stranger.ids("networks?shared=False") == []
    assert stranger.ids("subnets") == stranger.ids("subnets?shared=True") == [subnet["id"]]
    assert stranger.port(network)["fixed_ips"][0]["subnet_id"] == subnet["id"]
    third = api.as_(PROJECT_C, "member")
    assert third.ids("networks") == third.ids("subnets") == []
    assert third.refused("port", network_id=network["id"]) == (404, "NetworkNotFound")
    assert member.get(f"networks/{network['id']}")["network"]["shared"] is False
    assert api.get(f"networks/{network['id']}")["network"]["shared"] is False


def test_what_is_shared_is_used_but_not_changed(member: Api, stranger: Api) -> None:
    network = member.network()
    member.subnet(network)
    share(member, network)
    assert stranger.not_updated("network", network["id"], name="x") == DENIED
    assert stranger.send("DELETE", f"networks/{network['id']}").error == DENIED
    assert stranger.refused("subnet", network_id=network["id"], ip_version=4, cidr="10.9.0.0/24") == DENIED
    for values in (
        {"mac_address": "02:00:00:00:00:01"},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.1"}]},
        {"fixed_ips": [{"ip_address": "10.0.0.9"}]},
    ):
        assert stranger.refused("port", network_id=network["id"], **values) == DENIED


def test_a_grant_is_seen_and_changed_by_who_gave_it_only(member: Api, stranger: Api) -> None:
    policy = share(member, member.network())
    assert member.ids("rbac-policies") == [policy["id"]]
    assert stranger.ids("rbac-policies") == []
    assert stranger.send("DELETE", f"rbac-policies/{policy['id']}").error == (404, "RbacPolicyNotFound")
    assert stranger.not_updated("rbac_policy", policy["id"], target_tenant="x") == (404, "RbacPolicyNotFound")


def test_nobody_shares_what_is_anothers_or_learns_that_it_is_there(api: Api, member: Api, stranger: Api) -> None:
    network = member.network()
    missing = {"id": "11111111-1111-4111-8111-111111111111"}
    assert refused(stranger, network, PROJECT_B) == refused(stranger, missing, PROJECT_B) == (400, "InvalidInput")
    assert refused(api, missing) == (404, "NetworkNotFound")
    share(member, network)
    assert refused(stranger, network, PROJECT_C) == (400, "InvalidInput")


def test_only_administrators_share_with_all_and_make_external(api: Api, member: Api) -> None:
    network = member.network()
    assert refused(member, network, "*") == DENIED
    assert refused(member, network, PROJECT_B, "access_as_external") == DENIED
    policy = share(member, network)
    assert member.not_updated("rbac_policy", policy["id"], target_tenant="*") == DENIED
    assert share(api, network, "*")["project_id"]
    assert member.get(f"networks/{network['id']}")["network"]["shared"] is True


def test_the_flags_are_what_the_grants_say(api: Api) -> None:
    network = api.network(shared=True, **{"router:external": True})
    found = {row["action"]: row for row in api.get("rbac-policies")["rbac_policies"]}
    assert {row["target_tenant"] for row in found.values()} == {"*"}
    assert set(found) == {"access_as_shared", "access_as_external"}
    for action, flag in (("access_as_shared", "shared"), ("access_as_external", "router:external")):
        api.delete(f"rbac-policies/{found[action]['id']}")
        assert api.get(f"networks/{network['id']}")["network"][flag] is False
        share(api, network, "*", action)
        assert api.get(f"networks/{network['id']}")["network"][flag] is True
        api.update("network", network["id"], **{flag: False})
        assert api.get(f"rbac-policies?action={action}")["rbac_policies"] == []
    api.delete(f"networks/{network['id']}")


def test_the_same_grant_twice_is_409(member: Api) -> None:
    network = member.network()
    share(member, network)
    assert refused(member, network) == (409, "DuplicateRbacPolicy")


def test_a_grant_that_is_used_stays(member: Api, stranger: Api) -> None:
    network = member.network()
    member.subnet(network)
    policy = share(member, network)
    port = stranger.port(network)
    used = (409, "RbacPolicyInUse")
    assert member.send("DELETE", f"rbac-policies/{policy['id']}").error == used
    assert member.not_updated("rbac_policy", policy["id"], target_tenant=PROJECT_C) == used
    stranger.delete(f"ports/{port['id']}")
    member.update("rbac_policy", policy["id"], target_tenant=PROJECT_C)
    assert stranger.ids("networks") == []
    member.delete(f"rbac-policies/{policy['id']}")


def test_a_grant_for_one_may_go_while_one_for_all_stays(api: Api, member: Api, stranger: Api) -> None:
    network = member.network()
    member.subnet(network)
    one, everybody = share(member, network), share(api, network, "*")
    stranger.port(network)
    member.delete(f"rbac-policies/{one['id']}")
    assert api.send("DELETE", f"rbac-policies/{everybody['id']}").error == (409, "RbacPolicyInUse")
    assert api.not_updated("network", network["id"], shared=False) == (409, "InvalidSharedSetting")
    share(member, network)
    api.delete(f"rbac-policies/{everybody['id']}")


def test_a_routers_interface_uses_a_grant(member: Api, stranger: Api) -> None:
    network = member.network()
    subnet = member.subnet(network)
    policy = share(member, network)
    port = stranger.port(network)
    router = stranger.create("router")
    stranger.put(f"routers/{router['id']}/add_router_interface", {"port_id": port["id"]})
    assert member.send("DELETE", f"rbac-policies/{policy['id']}").error == (409, "RbacPolicyInUse")
    assert stranger.ids("subnets") == [subnet["id"]]


def test_a_network_is_external_for_one_project_and_no_other(api: Api, member: Api, stranger: Api) -> None:
    network = api.network()
    api.subnet(network, "172.29.0.0/24")
    policy = share(api, network, PROJECT_A, "access_as_external")
    assert member.get(f"networks/{network['id']}")["network"]["router:external"] is True
    assert len(member.get("floatingip-pools")["floatingip_pools"]) == 1
    assert stranger.get("floatingip-pools")["floatingip_pools"] == []
    assert stranger.ids("networks") == []
    gateway = {"network_id": network["id"]}
    missing = (404, "NetworkNotFound")
    assert stranger.refused("router", external_gateway_info=gateway) == missing
    assert stranger.refused("floatingip", floating_network_id=network["id"]) == missing
    router = member.create("router", external_gateway_info=gateway)
    used = (409, "RbacPolicyInUse")
    assert api.send("DELETE", f"rbac-policies/{policy['id']}").error == used
    member.delete(f"routers/{router['id']}")
    floating = member.create("floatingip", floating_network_id=network["id"])
    assert api.send("DELETE", f"rbac-policies/{policy['id']}").error == used
    member.delete(f"floatingips/{floating['id']}")
    api.delete(f"rbac-policies/{policy['id']}")
    assert api.get(f"networks/{network['id']}")["network"]["router:external"] is False


def test_a_network_takes_its_grants_with_it(api: Api, member: Api) -> None:
    network = member.network()
    share(member, network)
    member.delete(f"networks/{network['id']}")
    assert api.ids("rbac-policies") == []


def test_what_is_not_built_is_refused_by_name(member: Api) -> None:
    network = member.network()
    values = {"object_id": network["id"], "action": "access_as_shared", "target_tenant": PROJECT_B}
    assert member.refused("rbac_policy", object_type="qos_policy", **values) == (400, "HTTPBadRequest")
    assert refused(member, network, " ") == (400, "HTTPBadRequest")


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_networks_that_were_shared_or_external_get_their_grants(
    new_database_url: Callable[[str, bool], str], kind: str
) -> None:
    url = new_database_url(kind, False)
    engine = sa.create_engine(url)
    insert = (
        "INSERT INTO network (id, name, project_id, admin_state_up, mtu, status, shared, port_security_enabled, "
        "router_external, provider_network_type, provider_segmentation_id, description, created_at, updated_at, "
        "revision_number) VALUES ('{0}', '', 'p', true, 1450, 'ACTIVE', {1}, true, {2}, 'vxlan', {3}, '', "
        "'2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 3)"
    )
    with engine.begin() as connection:
        migration.run(connection, "0001")
        connection.execute(sa.text(insert.format("n1", "true", "false", 1)))
        connection.execute(sa.text(insert.format("n2", "false", "true", 2)))
        connection.execute(sa.text(insert.format("n3", "false", "false", 3)))
    engine.dispose()
    store = Store.open(url)
    with store.read() as tx:
        found = tx.select("rbac_policy", {})
    store.close()
    assert {(r["object_id"], r["action"], r["target_tenant"], r["project_id"]) for r in found} == {
        ("n1", "access_as_shared", "*", "p"),
        ("n2", "access_as_external", "*", "p"),
    }
