"""Security groups: every project's default one, and what keeps a group that is used."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import uuid4

from onehop.controller import policy, view
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.controller.networks import select_in
from onehop.controller.security_rules import completed
from onehop.model.resources import BY_NAME
from onehop.model.security_group import DEFAULT_NAME, MAXIMUM_OWNED, SECURITY_GROUP
from onehop.store import Row

_IN_USE = "Security Group {id} in use by {what}; take it off those first."


class SecurityGroups(Logic):
    """The logic of security groups."""

    def lacks(self, context: Context) -> bool:
        """Whether the caller's project has no default group yet."""
        return not context.tx.count("security_group", {"default_of": [policy.project_for(context.caller, None)]})

    def prepare(self, context: Context) -> None:
        """Make the caller's default group."""
        default_group(context, policy.project_for(context.caller, None))

    def create(self, context: Context, values: Row) -> Row:
        """Make a group that lets everything out and nothing in."""
        if values["name"] == DEFAULT_NAME:
            raise FaultError(
                "SecurityGroupDefaultAlreadyExists",
                "Default security group already exists: every project has one; choose another name.",
            )
        default_group(context, values["project_id"])
        if context.tx.count("security_group", {"project_id": [values["project_id"]]}) >= MAXIMUM_OWNED:
            raise FaultError("OverQuota", f"Quota exceeded: a project has at most {MAXIMUM_OWNED} security groups.")
        row = super().create(context, values)
        _let_out(context, row)
        return context.tx.get("security_group", row["id"]) or row

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Change name or description; statefulness only while no port has it."""
        if row["default_of"] is not None and changes.get("name", row["name"]) != row["name"]:
            raise FaultError("SecurityGroupCannotUpdateDefault", "Updating the name of a default group is not allowed.")
        if row["default_of"] is None and changes.get("name") == DEFAULT_NAME:
            raise FaultError("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
        if changes.get("stateful", row["stateful"]) != row["stateful"]:
            _refuse_used(context, row["id"])
        return super().update(context, row, changes)

    def delete(self, context: Context, row: Row) -> None:
        """Refuse for a default group, and while a port has it; rules go with it, also others' that speak of it."""
        if row["default_of"] is not None:
            raise FaultError(
                "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group."
            )
        _refuse_used(context, row["id"])
        for name in ("security_group_id", "remote_group_id"):
            for rule in context.tx.select("security_group_rule", {name: [row["id"]]}):
                context.tx.delete("security_group_rule", rule["id"])
        super().delete(context, row)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add the rules."""
        found: dict[str, list[Row]] = defaultdict(list)
        spec = BY_NAME["security_group_rule"]
        defaults = {row["id"] for row in rows if row["default_of"] is not None}
        for rule in select_in(context, "security_group_rule", "security_group_id", [row["id"] for row in rows]):
            shown = view.shown(spec, context.caller, completed(rule, rule["security_group_id"] in defaults))
            found[rule["security_group_id"]].append({**shown, "tags": []})
        for row in rows:
            row["security_group_rules"] = found[row["id"]]


def default_group(context: Context, project: str) -> str:
    """Id of a project's default group, which is made when it is not there: out goes all, in comes its own."""
    found = context.tx.select("security_group", {"default_of": [project]})
    if found:
        return str(found[0]["id"])
    row = context.tx.insert(
        "security_group",
        {
            "id": str(uuid4()),
            "name": DEFAULT_NAME,
            "description": "Default security group",
            "project_id": project,
            "stateful": True,
            "default_of": project,
        },
    )
    _let_out(context, row)
    for ethertype in ("IPv4", "IPv6"):
        _rule(context, row, direction="ingress", ethertype=ethertype, remote_group_id=row["id"])
    return str(row["id"])


def wanted_groups(context: Context, port: Row) -> list[str]:
    """A port's groups in canonical form; `port` is as it shall be, and where it names none, has its project's default.

    Raises:
        FaultError: 404 for a group that the caller does not see, 409 for one on a port without port security.
    """
    given = port.get("security_groups")
    if given is None:
        plain = port["port_security_enabled"] and not port["device_owner"].startswith("network:")
        return [default_group(context, port["project_id"])] if plain else []
    if given and not port["port_security_enabled"]:
        raise FaultError(
            "PortSecurityPortHasSecurityGroup",
            "Port has security group associated. Cannot disable port security or IP address until security group is "
            "removed.",
        )
    for group in given:
        policy.find(context.tx, context.caller, SECURITY_GROUP, group)
    return sorted(given)


def _refuse_used(context: Context, id: str) -> None:
    ports = context.tx.select("port", {"security_groups": [id]}, limit=5)
    if ports:
        raise FaultError("SecurityGroupInUse", _IN_USE.format(id=id, what="ports " + _ids(ports)))


def _ids(rows: Iterable[Row]) -> str:
    return ", ".join(row["id"] for row in rows)


def _let_out(context: Context, group: Row) -> None:
    for ethertype in ("IPv4", "IPv6"):
        _rule(context, group, direction="egress", ethertype=ethertype)


def _rule(context: Context, group: Row, **values: str) -> None:
    both = {"security_group_id": group["id"], "project_id": group["project_id"]}
    context.tx.insert("security_group_rule", {**both, **values})
