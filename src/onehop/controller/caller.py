"""Who asks: the outcome of authentication, and the table that the caller is judged by."""

import msgspec

from onehop.controller.policy_table import TABLE, Policy

ADMIN_PROJECT = "admin"
"""Whose is what an administrator without a project makes and gives to none: clients and quotas need a name there."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated user.

    Attributes:
        user: name, for the log.
        project_id: on whose behalf; "" for an administrator without a project.
        roles: lower case: ``admin``, ``manager``, ``member``, ``reader``.
        policy: the table of rights that holds here.
    """

    user: str
    project_id: str
    roles: frozenset[str]
    policy: Policy = TABLE

    @property
    def is_admin(self) -> bool:
        """Whether the caller may see and change everything."""
        return "admin" in self.roles

    @property
    def is_manager(self) -> bool:
        """Whether the caller may do what a project keeps for its managers."""
        return not self.roles.isdisjoint(("admin", "manager"))

    @property
    def may_read(self) -> bool:
        """Whether the caller may see what the project may see."""
        return not self.roles.isdisjoint(("admin", "manager", "member", "reader"))

    @property
    def may_write(self) -> bool:
        """Whether the caller may change what belongs to the project."""
        return not self.roles.isdisjoint(("admin", "manager", "member"))


ANONYMOUS_ADMIN = Caller(user="admin", project_id="", roles=frozenset(("admin",)))
"""Everyone, where authentication is switched off on loopback."""
