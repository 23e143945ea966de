"""RBAC policies: whoever owns a network lets other projects use it; `sharing` says what that means."""

from onehop.controller import policy, sharing
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request, forbidden, not_found
from onehop.controller.logic import Logic
from onehop.store import Row


class RbacPolicies(Logic):
    """The logic of RBAC policies."""

    def create(self, context: Context, values: Row) -> Row:
        """Grant something to a project, or to all."""
        network = context.tx.get("network", values["object_id"])
        if network is None and context.caller.is_admin:
            raise not_found("network", values["object_id"])
        if network is None or not policy.owns(context.caller, network):
            # One answer for what is another's and for what is not there: nobody learns of a network by trying.
            raise FaultError(
                "InvalidInput",
                "Invalid input for operation: Only admins can manipulate policies on networks they do not own.",
            )
        self._require_target(context, "create", values["target_tenant"])
        if values["action"] == sharing.EXTERNAL and not self._may(context, "action.access_as_external"):
            raise forbidden("create_rbac_policy:action:access_as_external")
        row = super().create(context, values)
        sharing.settle(context, network["id"])
        return row

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Grant it to another project instead."""
        target = str(changes.get("target_tenant", row["target_tenant"]))
        if target == row["target_tenant"]:
            return row
        self._require_target(context, "update", target)
        self._leave(context, row, {target})
        updated = super().update(context, row, changes)
        sharing.settle(context, row["object_id"])
        return updated

    def delete(self, context: Context, row: Row) -> None:
        """Take it back, unless it is used."""
        self._leave(context, row, set())
        super().delete(context, row)
        sharing.settle(context, row["object_id"])

    def _leave(self, context: Context, row: Row, instead: set[str]) -> None:
        network = context.tx.get("network", row["object_id"]) or {}
        others = (one for one in sharing.grants(context, row["object_id"], row["action"]) if one["id"] != row["id"])
        sharing.require_unused(context, network, row["action"], {one["target_tenant"] for one in others} | instead)

    def _require_target(self, context: Context, action: str, target: str) -> None:
        if not target.strip():
            raise bad_request("Invalid input for target_tenant. Reason: name a project, or '*' for all.")
        if target == policy.EVERYBODY and not self._may(context, "target_tenant.*"):
            raise forbidden(f"{action}_rbac_policy:target_tenant")

    def _may(self, context: Context, part: str) -> bool:
        return policy.may_set(context.caller, self.resource, part, {})
