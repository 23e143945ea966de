"""Unmodified clients against a real server: openstacksdk and the `openstack` command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest

from onehop.controller.app import create_app
from onehop.controller.users import hash_password
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests.api.client import PROJECT_A
from tests.api.server import serving

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"  # noqa: S105  # of a user that lives as long as the test


@pytest.fixture
def endpoint(store: Store, tmp_path: Path) -> Iterator[str]:
    users = tmp_path / "users.toml"
    users.write_text(
        f'[[user]]\nname = "project-a"\npassword = "{hash_password(PASSWORD, 4)}"\nproject = "{PROJECT_A}"\n'
        'roles = ["member"]\n'
    )
    users.chmod(0o600)
    settings = ControllerSettings(auth="none", users_file=str(users), physical_networks=("external",))
    store.run(lambda tx: tx.add_host("host-1"))
    with serving(create_app(store, settings)) as url:
        yield url


@pytest.fixture
def admin(endpoint: str) -> Iterator[Any]:
    with openstack.connect(auth_type="none", endpoint=endpoint) as connection:
        yield connection


@pytest.fixture
def project(endpoint: str) -> Iterator[Any]:
    auth = {"endpoint": endpoint, "username": "project-a", "password": PASSWORD}
    with openstack.connect(auth_type="http_basic", auth=auth) as connection:
        yield connection


def test_the_sdk_builds_and_removes_a_routed_network(admin: Any) -> None:
    net = admin.network
    network = net.create_network(name="blue")
    v4 = net.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
    v6 = net.create_subnet(
        network_id=network.id, ip_version=6, cidr="fd00::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac"
    )
    router = net.create_router(name="r")
    for subnet in (v4, v6):
        assert net.add_interface_to_router(router, subnet_id=subnet.id)["subnet_id"] == subnet.id
    ports = net.create_ports([{"network_id": network.id, "name": f"p{n}"} for n in range(3)])
    ports = list(ports)
    assert net.find_network("blue").id == network.id
    assert net.find_port("p1").fixed_ips[0]["subnet_id"] == v4.id
    assert {p.name for p in net.ports(network_id=network.id, device_id="")} == {"p0", "p1", "p2"}
    assert [a.host for a in net.agents()] == ["host-1"]
    assert net.find_extension("router").alias == "router"

    bound = net.update_port(ports[0], binding_host_id="host-1")
    assert (bound.binding_host_id, bound.binding_vif_type) == ("host-1", "tap")
    assert net.set_tags(network, ["red"]).tags == ["red"]
    assert [n.id for n in net.networks(tags="red")] == [network.id]
    routed = net.update_router(router, routes=[{"destination": "192.168.0.0/24", "nexthop": "10.0.0.9"}])
    assert len(routed.routes) == 1
    net.update_router(router, routes=[])
    pages = list(net.ports(limit=2))
    assert len(pages) == len({p.id for p in pages}) == 5

    with pytest.raises(openstack.exceptions.ConflictException, match="ports still in use"):
        net.delete_network(network, ignore_missing=False)
    for subnet in (v4, v6):
        net.remove_interface_from_router(router, subnet_id=subnet.id)
    for resource, remove in ((router, net.delete_router), *((p, net.delete_port) for p in ports)):
        remove(resource, ignore_missing=False)
    net.delete_network(network, ignore_missing=False)
    assert list(net.subnets()) == []


def test_the_sdk_moves_a_port_between_hosts(admin: Any, store: Store) -> None:
    store.run(lambda tx: tx.add_host("host-2"))
    net = admin.network
    network = net.create_network()
    port = net.create_port(network_id=network.id, binding_host_id="host-1")
    binding = net.create_port_binding(port, host="host-2")
    assert binding.status == "INACTIVE"
    net.activate_port_binding(port, host="host-2")
    net.delete_port_binding(port, host="host-1")
    assert net.get_port(port.id).binding_host_id == "host-2"
    assert [b.host for b in net.port_bindings(port)] == ["host-2"]


def test_the_sdk_leads_from_outside_to_a_port(admin: Any) -> None:
    net = admin.network
    external = net.create_network(
        name="outside", is_router_external=True, provider_network_type="flat", provider_physical_network="external"
    )
    net.create_subnet(network_id=external.id, ip_version=4, cidr="172.29.0.0/24")
    network = net.create_network(name="blue")
    subnet = net.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
    router = net.create_router(external_gateway_info={"network_id": external.id, "enable_snat": False})
    assert router.external_gateway_info["enable_snat"] is False
    net.add_interface_to_router(router, subnet_id=subnet.id)
    port = net.create_port(network_id=network.id)

    whole = net.create_ip(floating_network_id=external.id, port_id=port.id)
    assert (whole.router_id, whole.fixed_ip_address) == (router.id, port.fixed_ips[0]["ip_address"])
    assert net.find_ip(whole.floating_ip_address).id == whole.id
    assert net.update_ip(whole, port_id=None).router_id is None
    rule = {"internal_port_id": port.id, "internal_port": 80, "external_port": 8080, "protocol": "tcp"}
    made = net.create_port_forwarding(
        floatingip_id=whole.id, internal_ip_address=port.fixed_ips[0]["ip_address"], **rule
    )
    assert [f.id for f in net.port_forwardings(whole)] == [made.id]
    with pytest.raises(openstack.exceptions.ConflictException, match="Port Forwarding"):
        net.update_ip(whole, port_id=port.id)
    with pytest.raises(openstack.exceptions.ConflictException, match="required by one or more floating IPs"):
        net.update_router(router, external_gateway_info={})
    net.delete_port_forwarding(made, whole)
    net.delete_ip(whole, ignore_missing=False)
    assert net.update_router(router, external_gateway_info={}).external_gateway_info is None


def test_a_project_of_the_users_file_lives_beside_the_administrator(admin: Any, project: Any) -> None:
    theirs = admin.network.create_network(name="admin's")
    mine = project.network.create_network(name="mine")
    assert mine.project_id == PROJECT_A
    assert [n.name for n in project.network.networks()] == ["mine"]
    assert len(list(admin.network.networks())) == 2
    with pytest.raises(openstack.exceptions.NotFoundException):
        project.network.get_network(theirs.id)
    with pytest.raises(openstack.exceptions.ForbiddenException):
        project.network.create_network(provider_network_type="vxlan")


def test_the_openstack_command_works_by_environment_alone(endpoint: str, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("openstack")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OS_AUTH_TYPE": "none",
        "OS_ENDPOINT": endpoint,
    }

    def run(words: str) -> Any:
        done = subprocess.run(
            [command, *words.split(), "-f", "json"], env=environment, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    assert run("network create blue")["provider:network_type"] == "vxlan"
    run("subnet create --network blue --subnet-range 10.0.0.0/24 blue4")
    port = run("port create --network blue --host host-1 p1")
    assert port["fixed_ips"][0]["ip_address"].startswith("10.0.0.")
    assert [row["Name"] for row in run("port list --fixed-ip ip-substring=10.0.0.")] == ["p1"]
    assert [row["Host"] for row in run("network agent list")] == ["host-1"]
    run("network create --external --provider-network-type flat --provider-physical-network external outside")
    run("subnet create --network outside --subnet-range 172.29.0.0/24 outside4")
    assert run("router create --external-gateway outside r")["external_gateway_info"]["enable_snat"] is True
    taken = run("floating ip create outside")["floating_ip_address"]
    assert taken.startswith("172.29.0.")
    known = run("router show r")["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    free = next(ip for ip in ("172.29.0.201", "172.29.0.202", "172.29.0.203") if ip not in (taken, known))
    two = f"--fixed-ip ip-address={known} --fixed-ip ip-address={free}"
    # `set` prints nothing, so it is asked for no format.
    done = subprocess.run(
        [command, *f"router set --external-gateway outside {two} r".split()], env=environment, check=False, timeout=120
    )
    assert done.returncode == 0
    shown = run("router show r")["external_gateway_info"]["external_fixed_ips"]
    assert [ip["ip_address"] for ip in shown] == [known, free]


def test_the_command_line_works_with_security_groups(project: Any, endpoint: str) -> None:
    """`openstack` as project-a; what it made is seen by the SDK."""
    network = project.network.create_network(name="n")
    port = project.network.create_port(network_id=network.id)
    user = ["--os-auth-type", "http_basic", "--os-endpoint", endpoint, "--os-username", "project-a"]

    def run(*words: str) -> Any:
        command = [str(Path(sys.executable).with_name("openstack")), *user, "--os-password", PASSWORD, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    group = run("security", "group", "create", "web", "--description", "x", "-f", "json")["id"]
    words = ("--protocol", "tcp", "--dst-port", "80:90", "--remote-ip", "198.51.100.0/24")
    rule = run("security", "group", "rule", "create", "web", *words, "-f", "json")
    assert (rule["port_range_min"], rule["port_range_max"], rule["direction"]) == (80, 90, "ingress")
    run("security", "group", "rule", "create", "web", "--remote-group", "web", "--ethertype", "IPv6", "-f", "json")
    run("security", "group", "rule", "create", "web", "--protocol", "icmp", "--icmp-type", "8", "-f", "json")
    listed = run("security", "group", "rule", "list", "web", "-f", "json")
    assert rule["id"] in {row["ID"] for row in listed}
    assert len(listed) == 5
    default = project.network.find_security_group("default").id
    assert project.network.get_port(port.id).security_group_ids == [default]
    run("port", "set", "--security-group", "web", port.id)
    assert project.network.get_port(port.id).security_group_ids == sorted([default, group])
    run("port", "unset", "--security-group", "default", port.id)
    assert project.network.get_port(port.id).security_group_ids == [group]
    run("port", "set", "--no-security-group", port.id)
    assert project.network.get_port(port.id).security_group_ids == []
    run("security", "group", "rule", "delete", rule["id"])
    run("security", "group", "set", "web", "--name", "shop")
    assert {row["Name"] for row in run("security", "group", "list", "-f", "json")} == {"default", "shop"}
    run("security", "group", "delete", "shop")


def run_command(endpoint: str, *words: str) -> Any:
    """What the `openstack` command says as an administrator; None where it says nothing."""
    environment = {**os.environ, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": endpoint}
    formatted = () if "delete" in words else ("-f", "json")
    command = [str(Path(sys.executable).with_name("openstack")), *words, *formatted]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def test_the_command_shares_a_network_by_rbac(endpoint: str, admin: Any, project: Any) -> None:
    network = admin.network.create_network(name="blue")
    assert list(project.network.networks()) == []
    shared = ("network", "rbac", "create", "--type", "network", "--action", "access_as_shared")
    made = run_command(endpoint, *shared, "--target-all-projects", "blue")
    assert (made["object_id"], made["target_project_id"], made["action"]) == (network.id, "*", "access_as_shared")
    assert [n.is_shared for n in project.network.networks()] == [True]
    listed = run_command(endpoint, "network", "rbac", "list")
    assert [row["ID"] for row in listed] == [made["id"]]
    assert run_command(endpoint, "network", "rbac", "show", made["id"])["object_type"] == "network"
    run_command(endpoint, "network", "rbac", "delete", made["id"])
    assert list(project.network.networks()) == []


def test_the_sdk_shares_with_one_project(admin: Any, project: Any) -> None:
    net = admin.network
    network = net.create_network(name="blue")
    values = {"object_type": "network", "object_id": network.id, "action": "access_as_shared"}
    made = net.create_rbac_policy(**values, target_project_id=PROJECT_A)
    assert net.find_rbac_policy(made.id).target_project_id == PROJECT_A
    assert [n.id for n in project.network.networks()] == [network.id]
    net.delete_rbac_policy(made)
    assert list(project.network.networks()) == []
