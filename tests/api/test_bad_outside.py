"""Bad input to all that leads outside: each is refused with a sentence that names it, and nothing is half applied."""

import pytest

from onehop.store import Store
from tests.api.client import Api, Row
from tests.api.outside import Outside
from tests.api.test_floating_ips import Inside
from tests.api.wrong import FIELDS, route

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("field", FIELDS)
def test_every_wrong_value_is_refused_with_what_is_wrong_and_changes_nothing(
    api: Api, member: Api, stranger: Api, store: Store, external: Row, field: str
) -> None:
    ask, cases = FIELDS[field]
    outside = Outside(api, member, stranger, store, external)
    before = outside.everything()
    wrong = []
    for value, status, words in cases:
        given = value(outside) if callable(value) else value
        answer = ask(outside, given)
        if answer.status != status or words not in answer.message:
            wrong.append((given, answer.status, answer.body))
    assert wrong == []
    assert outside.everything() == before


def test_an_empty_list_of_gateway_addresses_names_none(api: Api, external: Row) -> None:
    router = api.gateway(api.router(), external, external_fixed_ips=[])
    held = router["external_gateway_info"]["external_fixed_ips"]
    assert len(held) == 1
    assert api.gateway(router, external, external_fixed_ips=[])["external_gateway_info"]["external_fixed_ips"] == held


def test_a_gateway_without_an_IPv4_address_leads_no_floating_ip_out(  # noqa: N802 - the protocol's name
    api: Api, member: Api, external: Row
) -> None:
    six = api.subnet(external, "2001:db8:9::/64")
    inside = Inside(member, external)
    api.gateway(inside.router, external, external_fixed_ips=[{"subnet_id": six["id"]}])
    asked = {"floating_network_id": external["id"], "port_id": inside.port()["id"]}
    assert member.refused("floatingip", **asked) == (404, "ExternalGatewayForFloatingIPNotFound")


def test_a_gateway_that_a_route_would_lead_elsewhere_is_refused(api: Api, external: Row) -> None:
    router = api.router(api.subnet(api.network()))
    for destination in ("0.0.0.0/0", "172.29.0.0/25"):
        api.update("router", router["id"], routes=route(destination))
        answer = api.send(
            "PUT",
            f"routers/{router['id']}",
            {"router": {"external_gateway_info": {"network_id": external["id"]}}},
        )
        assert answer.error == (400, "BadRequest")
        assert f"route to {destination}" in answer.message
        assert api.get("ports?device_owner=network:router_gateway")["ports"] == []
