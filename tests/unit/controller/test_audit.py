"""The audit of a controller: clean where all is well, and each check has a case in which it must fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from onehop.audit import PILLARS, Result
from onehop.controller import audit, pki
from onehop.controller.audit_facts import Facts, gather
from onehop.controller.users import hash_password
from onehop.settings import ControllerSettings
from onehop.store import Heartbeat, Store, Transaction
from onehop.store.record import Approval
from tests.store import rows

NOW = 1_800_000_000.0
GONE = "99999999-9999-4999-8999-999999999999"


@pytest.fixture
def facts(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Facts:
    """A controller with two routers' worth of everything, all of it well."""
    path = tmp_path / "onehop.db"
    url = f"sqlite:///{path}"
    store = Store.open(url, clock=lambda: NOW)
    pki.init(tmp_path / "pki")
    settings = ControllerSettings(database_url=url, pki_dir=str(tmp_path / "pki"))

    def fill(tx: Transaction) -> None:
        for number, name in enumerate(("host-1", "host-2"), 1):
            tx.add_host(name, gateway_host=True, physical_networks=["external"])
            reach = {"underlay_mtu": 1500, "physical_networks": ["external"]}
            tx.open_session(name, vtep=f"192.0.2.{number}", **reach, details={"gateway_host": True})
            tx.add_certificate(name, f"{number}", NOW + 1000 * 86_400)
        external = rows.external(tx)
        network = rows.network(tx)["id"]
        subnet = rows.subnet(tx, network, "10.0.0.0/24", ("10.0.0.10", "10.0.0.99"))["id"]
        router = rows.router(tx, network)["id"]
        rows.gateway(tx, router, external)
        for host in ("host-1", "host-2"):
            rows.port(tx, network, subnet, host=host, port_security_enabled=True)
        values = {"object_type": "network", "action": "access_as_external", "target_tenant": "*", "project_id": "p"}
        for row in tx.select("network", {"router:external": [True]}):
            tx.insert("rbac_policy", {**values, "object_id": row["id"]})

    store.run(fill)
    store.put_heartbeats([Heartbeat(name, 1, True, 1) for name in ("host-1", "host-2")])
    with store.read() as tx:
        found = gather(tx, settings, NOW)
    store.close()
    return found


def findings(facts: Facts, state: str = "finding") -> dict[str, Result]:
    return {result.check: result for result in audit.results(facts) if result.state == state}


def changed(facts: Facts, kind: str, at: int = 0, **values: Any) -> Facts:
    """The same, with other values in one row."""
    found = [dict(row) for row in facts.rows[kind]]
    found[at].update(values)
    return replace(facts, rows={**facts.rows, kind: found})


def instance(facts: Facts) -> int:
    """The place of an instance's port among the ports."""
    return next(at for at, row in enumerate(facts.rows["port"]) if not row["device_owner"])


def gateway(facts: Facts, change: Callable[[dict[str, Any]], object]) -> Facts:
    ((router, found),) = facts.gateways.items()
    found = {**found, "hosts": [{**place, "blocks": list(place["blocks"])} for place in found["hosts"]]}
    change(found)
    return replace(facts, gateways={router: found})


def opened(facts: Facts) -> Facts:
    (Path(facts.settings.pki_dir) / pki.CA_KEY).chmod(0o644)
    return facts


def users(facts: Facts) -> Facts:
    path = Path(facts.settings.pki_dir).parent / "users.toml"
    path.write_text(f'[[user]]\nname = "a"\npassword = "{hash_password("x", 4)}"\nproject = "p"\nroles = []\n')
    path.chmod(0o644)
    return replace(facts, settings=replace(facts.settings, users_file=str(path)))


def policy(facts: Facts, text: str) -> Facts:
    path = Path(facts.settings.pki_dir).parent / "policy.toml"
    path.write_text(text)
    return replace(facts, settings=replace(facts.settings, policy_file=str(path)))


def claiming(facts: Facts, refused: Approval) -> Facts:
    return replace(facts, hosts=[replace(facts.hosts[0], refused=refused), *facts.hosts[1:]])


def settings(**values: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, settings=replace(facts.settings, **values))


BROKEN: list[tuple[str, Callable[[Facts], Facts]]] = [
    ("authentication", settings(api_listen="0.0.0.0:9696")),
    ("authentication", settings(api_listen="192.0.2.1:9696", auth="http_basic")),
    ("files of the controller", opened),
    ("files of the controller", users),
    ("files of the controller", settings(api_tls_key="/nowhere/key.pem")),
    ("policy", lambda facts: policy(facts, "[netwrok]\n")),
    ("certificates of the controller", lambda facts: replace(facts, now=facts.now + 3630 * 86_400)),
    ("certificates of the controller", settings(pki_dir="/nowhere")),
    (
        "certificates of hosts",
        lambda facts: replace(facts, certificates=[replace(facts.certificates[0], not_after=NOW)]),
    ),
    ("certificates of hosts", lambda facts: replace(facts, hosts=facts.hosts[1:])),
    ("claims of hosts", lambda facts: claiming(facts, Approval(gateway_host=True))),
    ("claims of hosts", lambda facts: claiming(facts, Approval(physical_networks=("lan",)))),
    ("VNIs", lambda facts: gateway(facts, lambda g: g.update(vni=next(audit._segments(facts))))),
    ("ports of what is gone", lambda facts: replace(facts, rows={**facts.rows, "router": []})),
    ("addresses", lambda facts: changed(facts, "port", instance(facts), fixed_ips=[elsewhere(facts, "10.9.0.1")])),
    ("addresses", lambda facts: replace(facts, rows={**facts.rows, "port": facts.rows["port"] * 2})),
    ("port blocks", lambda facts: gateway(facts, lambda g: g["hosts"][0].update(blocks=[{"first": 1025, "size": 64}]))),
    ("port blocks", lambda facts: gateway(facts, lambda g: g["hosts"].append(g["hosts"][0]))),
    ("owners", lambda facts: gateway(facts, lambda g: g.update(owner=None))),
    ("owners", lambda facts: gateway(facts, lambda g: g.update(owner="host-9"))),
    ("owners", lambda facts: replace(facts, gateways={})),
    ("tunnel addresses", lambda facts: replace(facts, hosts=[replace(host, vtep="192.0.2.1") for host in facts.hosts])),
    ("silent hosts", lambda facts: replace(facts, now=facts.now + 60)),
    ("silent hosts", lambda facts: replace(facts, hosts=[replace(facts.hosts[0], heartbeat_at=None)])),
    ("resources in ERROR", lambda facts: changed(facts, "router", status="ERROR", status_reason="no room")),
    ("identifiers", lambda facts: changed(facts, "port", id="../../x")),
    ("identifiers", lambda facts: changed(facts, "port", mac_address="FA:16:3E:00:00:01")),
    ("identifiers", lambda facts: replace(facts, hosts=[replace(facts.hosts[0], name="a/b")])),
    ("flags of networks", lambda facts: changed(facts, "network", shared=True)),
    ("flags of networks", lambda facts: replace(facts, rows={**facts.rows, "rbac_policy": []})),
]


def elsewhere(facts: Facts, ip: str) -> dict[str, str]:
    return {**facts.rows["port"][instance(facts)]["fixed_ips"][0], "ip_address": ip}


def test_a_controller_that_is_well_is_clean(facts: Facts) -> None:
    assert findings(facts) == findings(facts, "note") == {}
    assert {result.pillar for result in audit.results(facts)} == set(PILLARS)


@pytest.mark.slow
@pytest.mark.parametrize(("check", "break_it"), BROKEN, ids=[f"{n} {check}" for n, (check, _) in enumerate(BROKEN)])
def test_what_is_broken_is_found(facts: Facts, check: str, break_it: Callable[[Facts], Facts]) -> None:
    found = findings(break_it(facts))
    assert check in found
    assert found[check].result
    assert found[check].todo


def test_every_check_has_a_case_in_which_it_fails(facts: Facts) -> None:
    noted = {"ports without port security", "pairs that open groups"}
    assert {check for check, _ in BROKEN} | noted == {result.check for result in audit.results(facts)}


def test_what_an_operator_has_chosen_is_noted_and_no_finding(facts: Facts) -> None:
    at = instance(facts)
    bare = changed(facts, "port", at, port_security_enabled=False)
    assert facts.rows["port"][at]["id"] in findings(bare, "note")["ports without port security"].result
    group = "77777777-7777-4777-8777-777777777777"
    rule = {"id": GONE, "remote_group_id": group}
    pair = {"ip_address": "0.0.0.0/0", "mac_address": "fa:16:3e:00:00:01"}
    wide = changed(facts, "port", at, allowed_address_pairs=[pair], security_groups=[group])
    assert "pairs that open groups" not in findings(wide, "note")
    wide = replace(wide, rows={**wide.rows, "security_group_rule": [rule]})
    assert group in findings(wide, "note")["pairs that open groups"].result
    chosen = policy(facts, '[network]\ndelete = ["manager"]\n')
    assert "network.delete" in findings(chosen, "note")["policy"].result
    assert findings(bare) == findings(chosen) == findings(wide) == {}
