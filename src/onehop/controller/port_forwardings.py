"""Port forwardings: ranges of a floating IP's ports that lead to ports' addresses."""

import re
from collections.abc import Sequence

from onehop.controller import reach
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request
from onehop.controller.logic import Logic
from onehop.model.floating_ip import MAXIMUM_FORWARDINGS
from onehop.model.kind import shown as quoted
from onehop.store import Row

_RANGE = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?")


class PortForwardings(Logic):
    """The logic of port forwardings."""

    def create(self, context: Context, values: Row) -> Row:
        """Lead ports of the floating IP to a port's address."""
        floating_ip = context.tx.get("floatingip", values["floatingip_id"]) or {}
        return super().create(context, self._checked(context, floating_ip, values, None))

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Lead them elsewhere; what is not named stays."""
        floating_ip = context.tx.get("floatingip", row["floatingip_id"]) or {}
        before = {name: row[name] for name in ("protocol", "internal_port_id", "internal_ip_address", "description")}
        if changes.get("internal_port_id", row["internal_port_id"]) != row["internal_port_id"]:
            before.pop("internal_ip_address")
        for side in ("internal", "external"):
            if f"{side}_port" not in changes and f"{side}_port_range" not in changes:
                before[f"{side}_port_range"] = shown(row)[f"{side}_port_range"]
        return super().update(context, row, self._checked(context, floating_ip, {**before, **changes}, row))

    def delete(self, context: Context, row: Row) -> None:
        """Remove it; the last one frees the floating IP from its router."""
        reach.drop_forwarding(context, row)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add the ports as the API writes them."""
        del context
        for row in rows:
            row.update(shown(row))

    def _checked(self, context: Context, floating_ip: Row, wanted: Row, row: Row | None) -> Row:
        """What is stored of a forwarding; the floating IP gets its router."""
        port, ip = reach.target(
            context, wanted["internal_port_id"], wanted.get("internal_ip_address"), "port_forwarding"
        )
        internal, external = _range(wanted, "internal"), _range(wanted, "external")
        if internal[1] - internal[0] != external[1] - external[0]:
            raise _bad("internal_port_range and external_port_range must have the same number of ports")
        stored = {
            **wanted,
            "internal_port_id": port["id"],
            "internal_ip_address": ip,
            "internal_first": internal[0],
            "external_first": external[0],
            "external_last": external[1],
        }
        _refuse_whole(context, floating_ip, port, ip)
        others = context.tx.select("port_forwarding", {"floatingip_id": [floating_ip["id"]]})
        others = [other for other in others if row is None or other["id"] != row["id"]]
        if len(others) >= MAXIMUM_FORWARDINGS:
            raise _bad(f"a floating IP has at most {MAXIMUM_FORWARDINGS} port forwardings")
        for other in others:
            _refuse_overlap(stored, other)
        router_id = reach.router_for(context, floating_ip["floating_network_id"], port, ip)
        if others and floating_ip["router_id"] != router_id:
            raise _bad(f"floating IP {floating_ip['id']} forwards by router {floating_ip['router_id']} already")
        context.tx.update("floatingip", floating_ip["id"], {"router_id": router_id})
        return stored


def shown(row: Row) -> Row:
    """A stored forwarding as the API writes it; a range of several ports has no single one."""
    length = row["external_last"] - row["external_first"]
    found = {name: row[name] for name in ("id", "protocol", "internal_ip_address", "internal_port_id")}
    for side in ("internal", "external"):
        first = row[f"{side}_first"]
        found[f"{side}_port"] = first if length == 0 else None
        found[f"{side}_port_range"] = f"{first}:{first + length}"
    return found


def _range(wanted: Row, side: str) -> tuple[int, int]:
    """First and last port, from ``…_port`` or ``…_port_range``."""
    single, text = wanted.get(f"{side}_port"), wanted.get(f"{side}_port_range")
    if (single is None) == (text is None):
        raise _bad(f"give either {side}_port or {side}_port_range")
    if single is not None:
        return single, single
    found = _RANGE.fullmatch(str(text))
    first, last = (int(found[1]), int(found[2] or found[1])) if found is not None else (0, 0)
    if not 1 <= first <= last <= 65_535:
        raise bad_request(f"Invalid input for {side}_port_range. Reason: {quoted(text)} is no range such as 80:81.")
    return first, last


def _refuse_whole(context: Context, floating_ip: Row, port: Row, ip: str) -> None:
    """A floating IP leads to one address as a whole, or forwards; an address has the one or the other."""
    if floating_ip["port_id"] is not None:
        raise FaultError(
            "FloatingIPPortAlreadyAssociated",
            f"Floating IP {floating_ip['floating_ip_address']} ({floating_ip['id']}) leads to port "
            f"{floating_ip['port_id']} as a whole; disassociate it first.",
        )
    if context.tx.count("floatingip", {"port_id": [port["id"]], "fixed_ip_address": [ip]}):
        raise FaultError(
            "PortHasBindingFloatingIP",
            f"Cannot create port forwarding to address {ip} of port {port['id']}, as it has a floating IP bound to it.",
        )


def _refuse_overlap(new: Row, other: Row) -> None:
    if new["protocol"] != other["protocol"]:
        return
    if new["external_first"] <= other["external_last"] and other["external_first"] <= new["external_last"]:
        raise _bad(
            f"external ports {shown(other)['external_port_range']} ({other['protocol']}) are forwarded already by "
            f"{other['id']}"
        )


def _bad(message: str) -> FaultError:
    return FaultError("BadRequest", f"Bad port_forwarding request: {message}.")
