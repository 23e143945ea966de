"""What security groups let pass, as boxes over packets: by the API's values, not by rules.

Neighbour discovery, group membership and the questions and answers of DHCP pass always within a network; a port without
protection, and the network's own services without groups, have none. The other end's address is that of the packet
where it is judged: its destination as the port sends it, its source as it arrives there.
"""

from collections.abc import Iterator

from onehop.model.port import Port
from onehop.model.security_group import SecurityGroup, SecurityRule
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import SecurityGroupId
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import Box, Numbers, numbers, points

_DISCOVERY: Box = {"protocol": points([58]), "type": points([130, 131, 132, 133, 134, 135, 136, 143])}
_NEIGHBOUR: Box = {"protocol": points([58]), "type": points([135, 136])}
_ASKS = {4: (68, 67), 6: (546, 547)}
_ICMP = {4: 1, 6: 58}
_ANY = ("", "0.0.0.0/0", "::/0")


class Groups:
    """The security groups of a topology."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self._members: dict[tuple[str, int], Numbers] = {}

    def of(self, port: Port) -> list[SecurityGroup] | None:
        """A port's groups; None where everything passes."""
        if not port.port_security_enabled or (not port.security_groups and port.device_owner.startswith("network:")):
            return None
        return [self.view.security_groups[id] for id in port.security_groups if id in self.view.security_groups]

    def stateful(self, port: Port) -> bool:
        """Whether answers pass by themselves."""
        groups = self.of(port)
        return groups is None or all(group.stateful for group in groups)

    def knows(self, port: Port) -> bool:
        """Whether answers come back to a port, or leave it, whatever its groups say of new packets."""
        groups = self.of(port)
        return groups is None or (self.stateful(port) and any(group.rules for group in groups))

    def know(self, *ports: Port | None) -> bool:
        """Whether that is so of all these; the outside (None) has no groups."""
        return all(port is None or self.knows(port) for port in ports)

    def outwards(self, port: Port, version: int, *, near: bool = False) -> list[Box]:
        """New packets that a port may send (`near`: within its network)."""
        return self._boxes(port, version, "egress", near)

    def inwards(self, port: Port, version: int, *, near: bool = False) -> list[Box]:
        """New packets that may come to a port (`near`: from within its network)."""
        return self._boxes(port, version, "ingress", near)

    def _boxes(self, port: Port, version: int, direction: str, near: bool) -> list[Box]:
        groups = self.of(port)
        if groups is None:
            return [{}]
        client, server = _ASKS[version]
        ends = (client, server) if direction == "egress" else (server, client)
        dhcp: Box = {"protocol": points([17]), "sport": points(ends[:1]), "dport": points(ends[1:])}
        if version == 6 and direction == "ingress":
            dhcp = {**dhcp, "destination": span_of("fe80::/10")}  # where a client asks from (RFC 8415, 18.2)
        found = [dhcp] if near else []
        if version == 6 and near:
            found += [{**_DISCOVERY, "destination": span_of(some)} for some in ("fe80::/10", "ff00::/8")]
            found.append(_NEIGHBOUR)
        other = "destination" if direction == "egress" else "source"
        for rule in (rule for group in groups for rule in group.rules):
            if rule.direction == direction and rule.version == version:
                found.extend(self._rule(rule, other))
        return [{}] if {} in found else found

    def _rule(self, rule: SecurityRule, other: str) -> Iterator[Box]:
        box: dict[str, Numbers] = {}
        if rule.group:
            box[other] = self._addresses(rule.group, rule.version)
        elif rule.prefix not in _ANY:
            box[other] = span_of(
                rule.prefix if "/" in rule.prefix else f"{rule.prefix}/{32 if rule.version == 4 else 128}"
            )
        if rule.protocol != -1:
            box["protocol"] = points([rule.protocol])
        if rule.first != -1 and rule.protocol == _ICMP[rule.version]:
            box["type"] = points([rule.first])
            if rule.last != -1:
                box["code"] = points([rule.last])
        elif rule.first != -1:
            box["dport"] = ((rule.first, rule.last),)
        if all(box.values()):
            yield box

    def _addresses(self, group: str, version: int) -> Numbers:
        if (group, version) not in self._members:
            known = [ip for member in self.view.members_of(SecurityGroupId(group)) for ip in member.addresses]
            known += [ip for port in self.view.belonging_to(SecurityGroupId(group)) for ip in port.addresses]
            mine = [ip for ip in known if address.version(ip) == version]
            spans = [span for ip in mine for span in (span_of(ip) if "/" in ip else points([ip_number(ip)]))]
            self._members[group, version] = numbers(spans)
        return self._members[group, version]
