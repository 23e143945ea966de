"""Lists: fields, filters, order, pages; the same for every resource."""

from urllib.parse import urlsplit

import pytest

from onehop.model.resource import Resource
from onehop.model.resources import RESOURCES
from tests.api.client import Api

TOP = [r for r in RESOURCES if r.parent is None]
by_name = pytest.mark.parametrize("resource", TOP, ids=lambda r: r.name)


@pytest.mark.slow
@by_name
def test_every_filter_of_every_resource_is_answered(api: Api, resource: Resource) -> None:
    for attribute in resource.attributes:
        if not attribute.filter or attribute.name == "fixed_ips":
            continue
        for value in ("", "x", "true", "1", "%00", "ä'%22;--", "9" * 40):
            there = api.get(resource.segment)[resource.collection]
            answer = api.send("GET", f"{resource.segment}?{attribute.name}={value}")
            assert answer.status in (200, 400), (attribute.name, value, answer.body)
            assert answer.status == 400 or all(row in there for row in answer.body[resource.collection])


@by_name
def test_an_unknown_filter_is_400(api: Api, resource: Resource) -> None:
    for name in ("colour", "distributed", "NAME", "fixed_ips" if resource.name != "port" else "x"):
        assert api.send("GET", f"{resource.segment}?{name}=x").error == (400, "HTTPBadRequest")


@by_name
def test_every_sort_key_works_in_both_directions_and_others_are_400(api: Api, resource: Resource) -> None:
    for attribute in resource.attributes:
        for direction in ("asc", "desc"):
            answer = api.send("GET", f"{resource.segment}?sort_key={attribute.name}&sort_dir={direction}")
            assert answer.status == (200 if attribute.sort or attribute.name == "tenant_id" else 400), attribute.name
    for query in ("sort_key=colour", "sort_key=id&sort_dir=up", "sort_key=id&sort_dir=asc&sort_dir=asc"):
        assert api.send("GET", f"{resource.segment}?{query}").error == (400, "HTTPBadRequest")


def test_fields_narrow_lists_and_shows(api: Api) -> None:
    network = api.network(name="blue")
    assert api.get("networks?fields=id&fields=name") == {"networks": [{"id": network["id"], "name": "blue"}]}
    assert api.get(f"networks/{network['id']}?fields=mtu") == {"network": {"mtu": 1450}}
    assert api.get("networks?fields=tenant_id")["networks"] == [{"tenant_id": network["project_id"]}]


def test_equality_filters_are_or_within_a_name_and_and_between_names(api: Api) -> None:
    a, b, c = (api.network(name=name, admin_state_up=up) for name, up in (("a", True), ("b", False), ("c", True)))
    assert set(api.ids("networks?name=a&name=b")) == {a["id"], b["id"]}
    assert api.ids("networks?name=a&name=b&admin_state_up=False") == [b["id"]]
    assert set(api.ids(f"networks?id={a['id']}&id={c['id']}")) == {a["id"], c["id"]}
    assert api.ids("networks?name=A") == []


@pytest.mark.parametrize("text", ["True", "true", "1"])
def test_truth_values_are_filtered_in_every_spelling(api: Api, text: str) -> None:
    up, down = api.network(), api.network(admin_state_up=False)
    assert api.ids(f"networks?admin_state_up={text}") == [up["id"]]
    assert api.ids("networks?admin_state_up=false") == [down["id"]]
    assert api.send("GET", "networks?admin_state_up=maybe").error == (400, "InvalidInput")


def test_names_with_colons_are_filters(api: Api) -> None:
    vxlan = api.network()
    flat = api.network(
        **{"provider:network_type": "flat", "provider:physical_network": "external", "router:external": True}
    )
    assert api.ids("networks?router:external=true") == [flat["id"]]
    assert api.ids("networks?provider:network_type=vxlan") == [vxlan["id"]]
    assert api.ids("networks?provider:physical_network=external") == [flat["id"]]
    assert api.ids(f"networks?provider:segmentation_id={vxlan['provider:segmentation_id']}") == [vxlan["id"]]


def test_an_empty_filter_finds_what_is_empty(api: Api) -> None:
    nameless, named = api.network(), api.network(name="x")
    assert api.ids("networks?name=") == [nameless["id"]]
    port = api.port(named)
    assert api.ids("ports?device_id=") == [port["id"]]
    subnet = api.subnet(named, gateway_ip=None)
    assert api.ids("subnets?gateway_ip=") == [subnet["id"]]


def test_filters_on_what_is_worked_out_when_read_work_with_pages(api: Api) -> None:
    network = api.network()
    ports = sorted(api.port(network)["id"] for _ in range(5))
    assert api.ids("ports?binding:vnic_type=direct") == []
    first = api.ids("ports?binding:vnic_type=normal&limit=2&sort_key=id")
    second = api.ids(f"ports?binding:vnic_type=normal&limit=2&sort_key=id&marker={first[-1]}")
    back = api.ids(f"ports?binding:vnic_type=normal&limit=2&sort_key=id&marker={second[0]}&page_reverse=True")
    assert (first, second, back) == (ports[:2], ports[2:4], ports[:2])
    assert api.ids("ports?security_groups=x") == []
    assert api.ids("networks?is_default=True") == []


def test_changed_since_finds_what_changed(api: Api) -> None:
    network = api.network()
    assert api.ids("networks?changed_since=2020-01-01T00:00:00Z") == [network["id"]]
    assert api.ids("networks?changed_since=2099-01-01T00:00:00Z") == []
    for text in ("yesterday", "2020-01-01", "2020-13-01T00:00:00"):
        assert api.send("GET", f"networks?changed_since={text}").status in (200, 400)
    assert api.send("GET", "networks?changed_since=yesterday").error == (400, "InvalidInput")


def test_several_sort_keys_decide_in_turn(api: Api) -> None:
    wanted = [("a", "2"), ("a", "1"), ("b", "1")]
    for name, description in (wanted[2], wanted[0], wanted[1]):
        api.network(name=name, description=description)
    rows = api.get("networks?sort_key=name&sort_dir=asc&sort_key=description&sort_dir=desc")["networks"]
    assert [(r["name"], r["description"]) for r in rows] == wanted


def test_a_sort_key_that_is_named_a_thousand_times_decides_once(api: Api) -> None:
    ids = [api.network(name=name)["id"] for name in "ab"]
    again = "sort_key=name&sort_dir=desc&" + "sort_key=name&sort_dir=asc&" * 1500
    assert api.ids(f"networks?{again}") == ids[::-1]
    assert api.ids(f"networks?{again}limit=1&marker={ids[1]}") == ids[:1]


def test_a_query_of_thousands_of_values_is_answered_or_refused(api: Api) -> None:
    network = api.network(tags=["t1", "t2"])
    many = ",".join(f"t{i}" for i in range(5000))
    for name, found in (("tags", []), ("tags-any", [network["id"]]), ("not-tags", [network["id"]])):
        assert api.ids(f"networks?{name}={many}") == found
    assert api.ids("networks?tags=t1,t2,t1") == [network["id"]]
    assert api.ids("ports?" + "fixed_ips=ip_address_substr=1&" * 1500) == []
    parts = "&".join(f"fixed_ips=ip_address_substr=10.0.{i}." for i in range(1500))
    assert api.send("GET", f"ports?{parts}").error == (400, "HTTPBadRequest")


def test_pages_follow_their_links_forwards_and_backwards(api: Api) -> None:
    names = [f"n{i}" for i in range(5)]
    for name in names:
        api.network(name=name, description="of many")
    api.network(name="other")
    url = "/v2.0/networks?sort_key=name&sort_dir=asc&limit=2&description=of%20many"
    pages = []
    while url:
        body = api.get(url)
        pages.append([n["name"] for n in body["networks"]])
        links = {link["rel"]: link["href"] for link in body["networks_links"]}
        url = links.get("next", "")
        assert "description=of" in links["previous"]
        assert urlsplit(links["previous"]).path == "/v2.0/networks"
    assert pages == [names[:2], names[2:4], names[4:]]
    body = api.get(links["previous"])
    assert [n["name"] for n in body["networks"]] == names[2:4]
    body = api.get({link["rel"]: link["href"] for link in body["networks_links"]}["previous"])
    assert [n["name"] for n in body["networks"]] == names[:2]


def test_the_last_page_is_reached_by_page_reverse(api: Api) -> None:
    for i in range(5):
        api.network(name=f"n{i}")
    rows = api.get("networks?sort_key=name&limit=2&page_reverse=True")["networks"]
    assert [n["name"] for n in rows] == ["n3", "n4"]


def test_a_page_past_the_end_is_empty_and_leads_back(api: Api) -> None:
    ids = sorted(api.network()["id"] for _ in range(2))
    body = api.get(f"networks?limit=2&marker={ids[-1]}")
    assert body["networks"] == []
    assert [link["rel"] for link in body["networks_links"]] == ["previous"]
    assert api.ids("networks?" + urlsplit(body["networks_links"][0]["href"]).query) == ids


def test_without_a_limit_there_are_no_links(api: Api) -> None:
    api.network()
    assert set(api.get("networks")) == {"networks"}
    assert set(api.get("networks?limit=0")) == {"networks"}
    assert len(api.get("networks?limit=1000000000")["networks"]) == 1


def test_a_limit_that_is_no_number_and_a_marker_that_is_nothing_are_refused(api: Api) -> None:
    for text in ("-1", "x", "1.5", ""):
        assert api.send("GET", f"networks?limit={text}").error == (400, "HTTPBadRequest")
    missing = "11111111-1111-4111-8111-111111111111"
    assert api.send("GET", f"networks?limit=1&marker={missing}").error == (404, "NetworkNotFound")
    assert api.send("GET", "networks?limit=1&marker=x").error == (404, "NetworkNotFound")


def test_ports_are_found_by_their_addresses(api: Api) -> None:
    network = api.network()
    v4, v6 = api.subnet(network, "10.0.0.0/24"), api.subnet(network, "fd00::/64")
    one = api.port(network, fixed_ips=[{"ip_address": "10.0.0.11"}, {"ip_address": "fd00::11"}])
    two = api.port(network, fixed_ips=[{"ip_address": "10.0.0.112"}])
    assert api.ids("ports?fixed_ips=ip_address=10.0.0.11") == [one["id"]]
    assert api.ids("ports?fixed_ips=ip_address=FD00:0::11") == [one["id"]]
    assert set(api.ids("ports?fixed_ips=ip_address_substr=10.0.0.11")) == {one["id"], two["id"]}
    assert api.ids("ports?fixed_ips=ip_address_substr=.112") == [two["id"]]
    assert api.ids("ports?fixed_ips=ip_address_substr=1%25") == []
    assert api.ids(f"ports?fixed_ips=subnet_id={v6['id']}") == [one["id"]]
    both = f"ports?fixed_ips=subnet_id={v4['id']}&fixed_ips=ip_address=fd00::11"
    assert api.ids(both) == []
    for wrong in ("10.0.0.11", "colour=blue", "ip_address"):
        assert api.send("GET", f"ports?fixed_ips={wrong}").error == (400, "HTTPBadRequest")


def test_subnets_are_found_by_whether_their_network_is_shared(api: Api) -> None:
    shared, private = api.network(shared=True), api.network()
    one, two = api.subnet(shared), api.subnet(private)
    assert api.ids("subnets?shared=true") == [one["id"]]
    assert api.ids("subnets?shared=false") == [two["id"]]
