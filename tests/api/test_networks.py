"""Networks: segment, MTU, sharing, deletion."""

from collections.abc import Callable

from tests.api.client import PROJECT_A, Api

FLAT = {"provider:network_type": "flat", "provider:physical_network": "external"}


def test_a_network_is_vxlan_with_a_vni_of_its_own_and_the_mtu_that_fits(api: Api) -> None:
    one, two = api.network(name="a"), api.network()
    assert one["provider:network_type"] == "vxlan"
    assert one["provider:physical_network"] is None
    assert one["provider:segmentation_id"] != two["provider:segmentation_id"]
    assert one["mtu"] == 1450
    assert one["status"] == "ACTIVE"
    assert one["subnets"] == []


def test_the_answer_has_every_attribute_of_the_reference(api: Api) -> None:
    expected = (
        "id name tenant_id project_id admin_state_up mtu status subnets shared port_security_enabled qos_policy_id "
        "dns_domain router:external provider:network_type provider:physical_network provider:segmentation_id "
        "is_default availability_zone_hints availability_zones ipv4_address_scope ipv6_address_scope description "
        "l2_adjacency tags created_at updated_at revision_number"
    )
    assert set(expected.split()) <= set(api.network())


def test_the_mtu_follows_the_underlay(make_api: Callable[..., Api]) -> None:
    assert make_api(underlay_mtu=9000).network()["mtu"] == 8950
    assert make_api(underlay_mtu=9000, underlay_version=6).network()["mtu"] == 8930
    assert make_api(underlay_mtu=9000).network(**FLAT)["mtu"] == 9000


def test_the_mtu_can_be_lowered_but_not_above_what_fits(api: Api) -> None:
    network = api.network(mtu=1400)
    assert network["mtu"] == 1400
    assert api.update("network", network["id"], mtu=1450)["mtu"] == 1450
    assert api.not_updated("network", network["id"], mtu=1451) == (400, "InvalidInput")
    assert api.refused("network", mtu=67) == (400, "InvalidInput")
    assert api.refused("network", mtu=-1) == (400, "HTTPBadRequest")
    assert api.update("network", network["id"], mtu=0)["mtu"] == 1450


def test_an_mtu_below_1280_and_an_ipv6_subnet_exclude_each_other(api: Api) -> None:
    network = api.network(mtu=1200)
    answer = api.refused("subnet", network_id=network["id"], ip_version=6, cidr="fd00::/64")
    assert answer == (409, "NetworkMTUSubnetConflict")
    other = api.network()
    api.subnet(other, "fd00::/64")
    assert api.not_updated("network", other["id"], mtu=1200) == (409, "NetworkMTUSubnetConflict")


def test_a_segment_can_be_chosen_once(api: Api) -> None:
    chosen = {"provider:network_type": "vxlan", "provider:segmentation_id": 4242}
    assert api.network(**chosen)["provider:segmentation_id"] == 4242
    assert api.refused("network", **chosen) == (409, "TunnelIdInUse")


def test_segments_that_cannot_be_are_400(api: Api) -> None:
    assert api.refused("network", **{"provider:network_type": "gre"}) == (400, "HTTPBadRequest")
    wrong_vnis = (0, 2**24, "x")
    for vni in wrong_vnis:
        values = {"provider:network_type": "vxlan", "provider:segmentation_id": vni}
        assert api.refused("network", **values)[0] == 400
    for values in (
        {"provider:segmentation_id": 5},
        {"provider:physical_network": "external"},
        {"provider:network_type": "vxlan", "provider:physical_network": "external"},
        {"provider:network_type": "flat"},
        {**FLAT, "provider:segmentation_id": 5},
        {**FLAT, "provider:physical_network": "unknown"},
    ):
        assert api.refused("network", **values) == (400, "InvalidInput")


def test_a_physical_network_carries_one_flat_network(api: Api) -> None:
    assert api.network(**FLAT)["provider:segmentation_id"] is None
    assert api.refused("network", **FLAT) == (409, "FlatNetworkInUse")


def test_when_every_vni_is_given_the_next_network_is_refused(make_api: Callable[..., Api]) -> None:
    api = make_api(vni_min=10, vni_max=11)
    assert {api.network()["provider:segmentation_id"], api.network()["provider:segmentation_id"]} == {10, 11}
    assert api.refused("network") == (409, "NoNetworkAvailable")


def test_a_network_with_ports_stays_and_without_takes_its_subnets_along(api: Api) -> None:
    network = api.network()
    subnet = api.subnet(network)
    port = api.port(network)
    assert api.send("DELETE", f"networks/{network['id']}").error == (409, "NetworkInUse")
    assert api.get(f"subnets/{subnet['id']}")
    api.delete(f"ports/{port['id']}")
    api.delete(f"networks/{network['id']}")
    assert api.get("subnets") == {"subnets": []}


def test_a_network_that_others_use_stays_shared(api: Api, member: Api) -> None:
    network = api.network(shared=True)
    port = member.port(network)
    assert port["project_id"] == PROJECT_A
    assert api.not_updated("network", network["id"], shared=False) == (409, "InvalidSharedSetting")
    member.delete(f"ports/{port['id']}")
    assert api.update("network", network["id"], shared=False)["shared"] is False
