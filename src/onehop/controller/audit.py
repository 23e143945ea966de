"""The audit of a controller: its settings and files, and whether what the store says is consistent. Changes nothing."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

from onehop.audit import Result, judged, noted
from onehop.controller import audit_access, sharing
from onehop.controller.audit_facts import Facts
from onehop.errors import AddressError, IdentifierError, OnehopError
from onehop.model.gateway import FIRST_PORT, GATEWAY_OWNER, LAST_PORT
from onehop.net import address
from onehop.net.identifier import parse_host, parse_uuid
from onehop.store import Row


def results(facts: Facts) -> list[Result]:
    """Every check of a controller."""
    return [
        *audit_access.access(facts),
        *audit_access.certificates(facts),
        audit_access.approvals(facts),
        judged(
            "CWE-435",
            "VNIs",
            _twice("VNI", [*_segments(facts), *(g["vni"] for g in facts.gateways.values())]),
            "each for one network or router",
            "restore the store from a backup from before; report it",
        ),
        judged(
            "CWE-664",
            "ports of what is gone",
            _orphans(facts),
            "none",
            "report it; `openstack port list --device-owner …` shows them",
        ),
        *_calculation(facts),
        judged("CWE-691", "owners", _owners(facts), "each router has one, who may be", "`onehop host list`; report it"),
        noted(
            "CWE-693",
            "ports without port security",
            [f"{port['id']} of project {port['project_id']}" for port in _instances(facts) if _is_open(port)],
            "none",
        ),
        noted("CWE-693", "pairs that open groups", _wide(facts), "none"),
        judged(
            "CWE-697",
            "tunnel addresses",
            _twice("VTEP", (host.vtep for host in facts.hosts if host.vtep is not None)),
            "each of one host",
            "give every host a vtep of its own",
        ),
        *_exceptions(facts),
        judged(
            "CWE-707", "identifiers", _identifiers(facts), "canonical", "restore the store from a backup; report it"
        ),
        judged("CWE-710", "flags of networks", _flags(facts), "as their RBAC policies say", "report it"),
    ]


def _segments(facts: Facts) -> Iterator[int]:
    found = (row["provider:segmentation_id"] for row in facts.rows["network"])
    return (segment for segment in found if segment is not None)


def _twice(noun: str, values: Iterable[object]) -> list[str]:
    return [f"{noun} {value} is given {number} times" for value, number in Counter(values).items() if number > 1]


def _orphans(facts: Facts) -> Iterator[str]:
    """Ports that were made with a router or floating IP that is not there."""
    there = {row["id"] for kind in ("router", "floatingip") for row in facts.rows[kind]}
    for port in facts.rows["port"]:
        if port["device_owner"].startswith("network:") and port["device_id"] not in there:
            yield f"{port['id']} ({port['device_owner']}) of {port['device_id'] or 'nothing'}"


def _calculation(facts: Facts) -> Iterator[Result]:
    cidrs = {row["id"]: row["cidr"] for row in facts.rows["subnet"]}
    held = [(ip, port["id"]) for port in facts.rows["port"] for ip in port["fixed_ips"]]
    outside = [
        f"{ip['ip_address']} of port {port} is not in its subnet"
        for ip, port in held
        if ip["subnet_id"] not in cidrs or not address.contains(cidrs[ip["subnet_id"]], ip["ip_address"])
    ]
    twice = _twice("address", ((ip["subnet_id"], ip["ip_address"]) for ip, _ in held))
    yield judged(
        "CWE-682",
        "addresses",
        [*outside, *twice],
        "each within its subnet, and one port's",
        "delete and make anew the ports; report it",
    )
    yield judged("CWE-682", "port blocks", _blocks(facts), "aligned, and each of one host", "report it")


def _blocks(facts: Facts) -> Iterator[str]:
    for router, gateway in facts.gateways.items():
        spans = sorted(
            (block["first"], block["size"], place["host"]) for place in gateway["hosts"] for block in place["blocks"]
        )
        for first, size, host in spans:
            if size & (size - 1) or first % size or not FIRST_PORT <= first <= first + size - 1 <= LAST_PORT:
                yield f"router {router}: {first}+{size} of {host} is not aligned"
        for (first, size, host), (after, _, other) in itertools.pairwise(spans):
            if first + size > after:
                yield f"router {router}: {first}+{size} of {host} and {after} of {other} overlap"


def _owners(facts: Facts) -> Iterator[str]:
    gateway_ports = {p["device_id"] for p in facts.rows["port"] if p["device_owner"] == GATEWAY_OWNER}
    for router in sorted(gateway_ports - facts.gateways.keys()):
        yield f"router {router} has a gateway port and no gateway"
    for router, gateway in facts.gateways.items():
        if gateway["owner"] is None and gateway["candidates"]:
            yield f"router {router} has no owner, though there are candidates"
        elif gateway["owner"] is not None and gateway["owner"] not in {place["host"] for place in gateway["hosts"]}:
            yield f"router {router} is owned by {gateway['owner']}, which does not have it"


def _instances(facts: Facts) -> Iterator[Row]:
    return (port for port in facts.rows["port"] if not port["device_owner"].startswith("network:"))


def _wide(facts: Facts) -> Iterator[str]:
    """Ports whose pairs make any address a member of a group that others let in."""
    let_in = {rule["remote_group_id"] for rule in facts.rows["security_group_rule"]} - {None}
    for port in _instances(facts):
        groups = sorted(let_in.intersection(port["security_groups"]))
        if groups and any(pair["ip_address"].endswith("/0") for pair in port["allowed_address_pairs"]):
            yield f"{port['id']} opens whoever lets group {', '.join(groups)} in to all addresses"


def _is_open(port: Row) -> bool:
    return not port["port_security_enabled"]


def _exceptions(facts: Facts) -> Iterator[Result]:
    limit = facts.settings.agent_down_seconds
    silent = [
        f"{host.name} for {facts.now - host.heartbeat_at:.0f} s"
        if host.heartbeat_at is not None
        else f"{host.name} ever"
        for host in facts.hosts
        if host.heartbeat_at is None or facts.now - host.heartbeat_at > limit
    ]
    yield judged("CWE-703", "silent hosts", silent, "none", "start their agents, or `onehop host remove` them")
    errors = [
        f"{kind} {row['id']}: {row.get('status_reason') or 'no reason'}"
        for kind, rows in facts.rows.items()
        for row in rows
        if row.get("status") == "ERROR"
    ]
    yield judged("CWE-703", "resources in ERROR", errors, "none", "the sentences say what hinders them")


def _identifiers(facts: Facts) -> Iterator[str]:
    for kind, rows in facts.rows.items():
        for row in rows:
            try:
                if "id" in row:
                    parse_uuid(row["id"], kind)
                if "mac_address" in row and address.parse_mac(row["mac_address"]) != row["mac_address"]:
                    yield f"{kind} {row['id']}: {row['mac_address']!r} is not canonical"
            except (IdentifierError, AddressError) as error:
                yield f"{kind}: {error}"
    for host in facts.hosts:
        try:
            parse_host(host.name)
        except OnehopError as error:
            yield str(error)


def _flags(facts: Facts) -> Iterator[str]:
    everybody = {(g["object_id"], g["action"]) for g in facts.rows["rbac_policy"] if g["target_tenant"] == "*"}
    anybody = {(g["object_id"], g["action"]) for g in facts.rows["rbac_policy"]}
    for network in facts.rows["network"]:
        if network["shared"] is not ((network["id"], sharing.SHARED) in everybody):
            yield f"network {network['id']}: shared"
        if network["router:external"] is not ((network["id"], sharing.EXTERNAL) in anybody):
            yield f"network {network['id']}: router:external"
