"""Rules of security groups: checked together, never twice in one group, never changed."""

from collections.abc import Sequence

from onehop.controller import policy
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.errors import AddressError, ConversionError
from onehop.model.kind import shown
from onehop.model.security_group import MAXIMUM_RULES, SECURITY_GROUP
from onehop.model.security_rule import ICMP, ICMPV6, PORTED, PROTOCOLS, VERSIONS, number_of
from onehop.net import address
from onehop.store import Row

_SAME = (
    "direction",
    "ethertype",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
)

_PORTED = "tcp, udp, udplite, sctp and dccp"


class SecurityRules(Logic):
    """The logic of rules."""

    def create(self, context: Context, values: Row) -> Row:
        """Add a rule to a group of the caller's."""
        group = policy.find(context.tx, context.caller, SECURITY_GROUP, values["security_group_id"])
        policy.require_change(context.caller, self.resource, "create", group)
        values["project_id"] = group["project_id"]
        _check(values)
        if values["remote_group_id"] is not None:
            policy.find(context.tx, context.caller, SECURITY_GROUP, values["remote_group_id"])
        there = context.tx.select("security_group_rule", {"security_group_id": [group["id"]]})
        for other in there:
            if _means(other) == _means(values):
                raise FaultError(
                    "SecurityGroupRuleExists", f"Security group rule already exists. Rule id is {other['id']}."
                )
        if len(there) >= MAXIMUM_RULES:
            raise FaultError("OverQuota", f"Quota exceeded: a security group has at most {MAXIMUM_RULES} rules.")
        return super().create(context, values)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add what is worked out."""
        ids = sorted({row["security_group_id"] for row in rows})
        defaults: set[str] = set()
        for start in range(0, len(ids), 500):
            found = context.tx.select("security_group", {"id": ids[start : start + 500]})
            defaults.update(group["id"] for group in found if group["default_of"] is not None)
        for row in rows:
            completed(row, row["security_group_id"] in defaults)


def completed(row: Row, default: bool) -> Row:
    """A rule with what is worked out when it is read; `default`: its group is a default one."""
    row["normalized_cidr"] = row["remote_ip_prefix"]
    row["belongs_to_default_sg"] = default
    return row


def _means(rule: Row) -> tuple[object, ...]:
    return (number_of(rule["protocol"]), *(rule[name] for name in _SAME))


def _check(values: Row) -> None:
    """Bring a rule into canonical form.

    Raises:
        FaultError: 400, by what is wrong with it.
    """
    if values["direction"].lower() not in ("ingress", "egress"):
        raise FaultError(
            "InvalidInput",
            f"Invalid input for direction. Reason: {shown(values['direction'])} is not ingress or egress.",
        )
    values["direction"] = values["direction"].lower()
    names = {name.lower(): name for name in VERSIONS}
    wanted = values["ethertype"] or "IPv4"
    if wanted.lower() not in names:
        raise FaultError(
            "SecurityGroupRuleInvalidEtherType",
            f"Security group rule for ethertype {shown(wanted)} not supported. Allowed values are IPv4, IPv6.",
        )
    values["ethertype"] = names[wanted.lower()]
    version = VERSIONS[values["ethertype"]]
    values["protocol"] = _protocol(values["protocol"], version)
    _check_range(values, number_of(values["protocol"]))
    _check_remote(values, version)


def _protocol(given: str | None, version: int) -> str | None:
    if given is None or given.lower() in ("", "any"):
        return None
    name = given.lower()
    if name == "icmp" and version == 6:
        return "ipv6-icmp"
    number: int | None = PROTOCOLS.get(name)
    if number is None:
        try:
            number = number_of(name)
        except ConversionError:
            number = None
        if number == -1:
            return None
        if number is None or not 0 <= number <= 255:
            raise FaultError(
                "SecurityGroupRuleInvalidProtocol",
                f"Security group rule protocol {shown(given)} not supported. Only protocol values "
                f"[{', '.join(PROTOCOLS)}] and integer representations [0 to 255] are supported.",
            )
        name = str(number)
    if number == ICMPV6 and version == 4:
        raise FaultError(
            "SecurityGroupEthertypeConflictWithProtocol", f"Invalid ethertype IPv4 for protocol {shown(given)}."
        )
    return name


def _check_range(values: Row, protocol: int) -> None:
    first, last = values["port_range_min"], values["port_range_max"]
    if first is None and last is None:
        return
    if protocol == -1:
        raise FaultError("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
    if protocol in (ICMP, ICMPV6):
        _check_icmp(first, last)
        return
    if protocol not in PORTED:
        raise FaultError(
            "SecurityGroupInvalidProtocolForPort",
            f"Invalid protocol {values['protocol']} for port range: only {_PORTED} have ports.",
        )
    if first is None or last is None or first > last:
        raise FaultError(
            "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max"
        )
    for port in (first, last):
        if not 1 <= port <= 65_535:
            raise FaultError("SecurityGroupInvalidPortValue", f"Invalid value for port {port}")


def _check_icmp(type: int | None, code: int | None) -> None:
    for field, value in (("type", type), ("code", code)):
        if value is not None and not 0 <= value <= 255:
            name = "port_range_min" if field == "type" else "port_range_max"
            raise FaultError(
                "SecurityGroupInvalidIcmpValue",
                f"Invalid value for ICMP {field} ({name}) {value}. It must be 0 to 255.",
            )
    if type is None:
        raise FaultError(
            "SecurityGroupMissingIcmpType", f"ICMP code (port-range-max) {code} is provided but ICMP type is missing."
        )


def _check_remote(values: Row, version: int) -> None:
    given = values["remote_ip_prefix"]
    if given == "":
        given = values["remote_ip_prefix"] = None
    if given is None:
        return
    if values["remote_group_id"] is not None:
        raise FaultError(
            "SecurityGroupMultipleRemoteEntites", "Only one remote entity may be provided: prefix or group."
        )
    try:
        whole = given if "/" in given else f"{given}/{32 if version == 4 else 128}"
        prefix = address.parse_prefix(whole, strict=False)
    except AddressError:
        raise FaultError(
            "InvalidInput", f"Invalid input for remote_ip_prefix. Reason: {shown(given)} is not a valid IP subnet."
        ) from None
    if address.version(prefix) != version:
        raise FaultError(
            "SecurityGroupRuleParameterConflict",
            f"Conflicting value ethertype {values['ethertype']} for CIDR {given}",
        )
    values["remote_ip_prefix"] = prefix
