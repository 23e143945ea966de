"""Security groups and their rules."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import PROJECT_A, PROJECT_B, Api, Row

MISSING = "11111111-1111-4111-8111-111111111111"


def group(api: Api, name: str = "web", **values: Any) -> Row:
    """A security group."""
    return api.create("security_group", name=name, **values)


def rule(api: Api, owner: Row, direction: str = "ingress", **values: Any) -> Row:
    """A rule of a group."""
    return api.create("security_group_rule", security_group_id=owner["id"], direction=direction, **values)


def not_a_rule(api: Api, owner: Row, direction: str = "ingress", **values: Any) -> tuple[int, str]:
    """Why a rule is refused."""
    return api.refused("security_group_rule", security_group_id=owner["id"], direction=direction, **values)


def default(api: Api) -> Row:
    """The caller's default group."""
    (found,) = api.get("security-groups?name=default")["security_groups"]
    return dict(found)


def summary(rules: list[Row]) -> set[tuple[str, str, str | None, str | None]]:
    """Direction, version, protocol and remote group of rules."""
    return {(r["direction"], r["ethertype"], r["protocol"], r["remote_group_id"]) for r in rules}


OUTWARDS = {("egress", "IPv4", None, None), ("egress", "IPv6", None, None)}


def test_a_project_has_its_default_group_from_its_first_look_on(member: Api, stranger: Api) -> None:
    mine = default(member)
    assert mine["project_id"] == PROJECT_A
    own = {("ingress", version, None, mine["id"]) for version in ("IPv4", "IPv6")}
    assert summary(mine["security_group_rules"]) == OUTWARDS | own
    assert all(r["belongs_to_default_sg"] for r in mine["security_group_rules"])
    assert default(member)["id"] == mine["id"]
    assert default(stranger)["project_id"] == PROJECT_B


def test_a_port_gets_the_default_group_of_its_project_and_none_where_none_is_asked_for(member: Api) -> None:
    network = member.network()
    port = member.port(network)
    assert port["security_groups"] == [default(member)["id"]]
    assert member.port(network, security_groups=[])["security_groups"] == []
    assert member.port(network, port_security_enabled=False)["security_groups"] == []


def test_ports_of_routers_and_services_have_no_group(api: Api) -> None:
    network = api.network()
    api.router(api.subnet(network))
    (leg,) = api.get("ports?device_owner=network:router_interface_distributed")["ports"]
    assert leg["security_groups"] == []
    assert api.port(network, device_owner="network:dhcp")["security_groups"] == []
    assert api.not_updated("port", leg["id"], security_groups=[default(api)["id"]])[0] == 409


def test_a_new_group_lets_everything_out_and_nothing_in(member: Api) -> None:
    made = group(member)
    assert summary(made["security_group_rules"]) == OUTWARDS
    assert (made["stateful"], made["shared"]) == (True, False)


def test_a_default_group_is_not_made_renamed_or_deleted(api: Api, member: Api) -> None:
    mine = default(member)
    assert member.refused("security_group", name="default") == (409, "SecurityGroupDefaultAlreadyExists")
    refused = (409, "SecurityGroupCannotUpdateDefault")
    assert member.not_updated("security_group", mine["id"], name="mine") == refused
    assert member.update("security_group", mine["id"], description="ours")["description"] == "ours"
    for caller in (member, api):
        answer = caller.send("DELETE", f"security-groups/{mine['id']}")
        assert answer.error == (409, "SecurityGroupCannotRemoveDefault")


def test_a_group_that_ports_have_cannot_go_and_then_takes_its_rules_along(member: Api) -> None:
    made, other = group(member), group(member, "other")
    mine = rule(member, made)
    about = rule(member, other, remote_group_id=made["id"])
    port = member.port(member.network(), security_groups=[made["id"]])
    path = f"security-groups/{made['id']}"
    answer = member.send("DELETE", path)
    assert answer.error == (409, "SecurityGroupInUse")
    assert port["id"] in answer.message
    assert member.not_updated("security_group", made["id"], stateful=False) == (409, "SecurityGroupInUse")
    assert member.update("port", port["id"], security_groups=[])["security_groups"] == []
    member.delete(path)
    for gone in (mine, about):
        answer = member.send("GET", f"security-group-rules/{gone['id']}")
        assert answer.error == (404, "SecurityGroupRuleNotFound")
    assert summary(member.get(f"security-groups/{other['id']}")["security_group"]["security_group_rules"]) == OUTWARDS


def test_a_port_takes_groups_that_its_user_sees_and_no_others(member: Api, stranger: Api) -> None:
    theirs, mine = group(stranger), group(member)
    network = member.network()
    missing = (404, "SecurityGroupNotFound")
    for wrong in (theirs["id"], MISSING):
        assert member.refused("port", network_id=network["id"], security_groups=[mine["id"], wrong]) == missing
    port = member.port(network, security_groups=[mine["id"]])
    assert member.not_updated("port", port["id"], security_groups=[theirs["id"]]) == missing
    assert member.ids(f"ports?security_groups={mine['id']}") == [port["id"]]
    assert member.ids(f"ports?security_groups={default(member)['id']}") == []
    member.delete(f"ports/{port['id']}")
    member.delete(f"security-groups/{mine['id']}")


def test_groups_need_port_security(member: Api) -> None:
    network, mine = member.network(), group(member)
    refused = (409, "PortSecurityPortHasSecurityGroup")
    values = {"network_id": network["id"], "port_security_enabled": False}
    assert member.refused("port", **values, security_groups=[mine["id"]]) == refused
    port = member.port(network, security_groups=[mine["id"]])
    assert member.not_updated("port", port["id"], port_security_enabled=False) == refused
    changed = member.update("port", port["id"], port_security_enabled=False, security_groups=[])
    assert changed["security_groups"] == []
    assert member.not_updated("port", port["id"], security_groups=[mine["id"]]) == refused


def test_a_rule_changes_its_groups_revision_and_time(member: Api) -> None:
    made = group(member)
    mine = rule(member, made)
    after = member.get(f"security-groups/{made['id']}")["security_group"]
    assert after["revision_number"] > made["revision_number"]
    member.delete(f"security-group-rules/{mine['id']}")
    last = member.get(f"security-groups/{made['id']}")["security_group"]
    assert last["revision_number"] > after["revision_number"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"protocol": "TCP", "port_range_min": 22, "port_range_max": "22"}, {"protocol": "tcp", "port_range_max": 22}),
        ({"protocol": "6"}, {"protocol": "6"}),
        ({"protocol": 6}, {"protocol": "6"}),
        ({"protocol": "any"}, {"protocol": None}),
        ({"protocol": "icmp", "ethertype": "ipv6"}, {"protocol": "ipv6-icmp", "ethertype": "IPv6"}),
        ({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}, {"port_range_min": 8, "port_range_max": 0}),
        ({"protocol": "icmp", "port_range_min": 8}, {"port_range_max": None}),
        ({"protocol": "vrrp"}, {"protocol": "vrrp"}),
        ({"protocol": "254"}, {"protocol": "254"}),
        ({"remote_ip_prefix": "10.0.0.7/8"}, {"normalized_cidr": "10.0.0.0/8"}),
        ({"remote_ip_prefix": "10.0.0.7"}, {"normalized_cidr": "10.0.0.7/32"}),
        ({"remote_ip_prefix": "fd00::7/64", "ethertype": "IPv6"}, {"normalized_cidr": "fd00::/64"}),
        ({"direction": "EGRESS", "protocol": "udp"}, {"direction": "egress"}),
    ],
)
def test_a_rule_is_brought_into_one_form(api: Api, given: Row, shown: Row) -> None:
    found = rule(api, group(api), **given)
    assert {name: found[name] for name in shown} == shown


@pytest.mark.parametrize(
    ("given", "type"),
    [
        ({"protocol": "blub"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"ethertype": "IPv5"}, "SecurityGroupRuleInvalidEtherType"),
        ({"direction": "sideways"}, "InvalidInput"),
        ({"protocol": "ipv6-icmp"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "gre", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "tcp", "port_range_min": 3, "port_range_max": 2}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 3}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 2}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "udp", "port_range_min": 1, "port_range_max": 65536}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 1}, "SecurityGroupMissingIcmpType"),
        ({"remote_ip_prefix": "x"}, "InvalidInput"),
        ({"remote_ip_prefix": "fd00::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "own"}, "SecurityGroupMultipleRemoteEntites"),
    ],
)
def test_a_rule_that_cannot_be_is_400_and_says_why(api: Api, given: Row, type: str) -> None:
    made = group(api)
    values = {name: made["id"] if value == "own" else value for name, value in given.items()}
    assert not_a_rule(api, made, **values) == (400, type)
    assert len(api.get(f"security-groups/{made['id']}")["security_group"]["security_group_rules"]) == len(OUTWARDS)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"protocol": "tcp"}, {"protocol": "6"}),
        ({"protocol": "udp", "port_range_min": 1, "port_range_max": 2, "description": "a"},) * 2,
        ({"remote_ip_prefix": "10.0.0.1/8"}, {"remote_ip_prefix": "10.0.0.0/8"}),
    ],
)
def test_a_group_has_a_rule_once(api: Api, first: Row, second: Row) -> None:
    made = group(api)
    there = rule(api, made, **first)
    answer = api.send(
        "POST",
        "security-group-rules",
        {"security_group_rule": {"security_group_id": made["id"], "direction": "ingress", **second}},
    )
    assert answer.error == (409, "SecurityGroupRuleExists")
    assert there["id"] in answer.message
    rule(api, group(api), **second)


def test_rules_are_made_in_bulk_all_or_none(api: Api) -> None:
    made = group(api)

    def body(*ports: int) -> Row:
        both = {"security_group_id": made["id"], "direction": "ingress", "protocol": "tcp"}
        return {"security_group_rules": [{**both, "port_range_min": p, "port_range_max": p} for p in ports]}

    answer = api.send("POST", "security-group-rules", body(1, 2, 1))
    assert answer.error == (409, "SecurityGroupRuleExists")
    assert len(api.ids(f"security-group-rules?security_group_id={made['id']}")) == len(OUTWARDS)
    answer = api.send("POST", "security-group-rules", body(1, 2, 3))
    assert answer.status == 201
    assert len(api.ids(f"security-group-rules?security_group_id={made['id']}&direction=ingress")) == 3
    assert len(api.ids("security-group-rules?protocol=tcp&port_range_min=2")) == 1


def test_a_rule_is_of_a_group_and_about_a_group_that_the_user_sees(member: Api, stranger: Api) -> None:
    mine, theirs = group(member), group(stranger)
    assert not_a_rule(member, theirs) == (404, "SecurityGroupNotFound")
    assert not_a_rule(member, mine, remote_group_id=theirs["id"]) == (404, "SecurityGroupNotFound")
    assert rule(member, mine, remote_group_id=mine["id"])["project_id"] == PROJECT_A


def test_a_rule_is_never_changed(api: Api) -> None:
    made = rule(api, group(api))
    answer = api.send("PUT", f"security-group-rules/{made['id']}", {"security_group_rule": {"protocol": "tcp"}})
    assert answer.status == 405


def test_groups_and_rules_look_like_the_references(api: Api) -> None:
    shapes = json.loads(Path(__file__).with_name("reference_security_groups.json").read_text())
    made = group(api)
    assert set(made) >= set(shapes["security_group"])
    embedded = made["security_group_rules"][0]
    assert set(embedded) >= set(shapes["embedded_rule"]) - {"standard_attr_id"}
    shown = rule(api, made, protocol="tcp", port_range_min=1, port_range_max=2)
    assert set(shown) >= set(shapes["security_group_rule"])
    for name, value in shapes["security_group_rule"].items():
        if name not in ("id", "project_id", "tenant_id", "security_group_id", "created_at", "updated_at"):
            assert shown[name] == value, name
