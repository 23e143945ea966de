"""``GET /onehop/v1/status``: how far every host has come; onehop's own, for operators and the lab."""

from onehop.controller.context import Context
from onehop.controller.faults import forbidden
from onehop.store import Row


def host_statuses(context: Context) -> Row:
    """The newest revision, and for each host whether it is connected and which revision its kernel holds.

    Raises:
        FaultError: 403 for others than administrators.
    """
    if not context.caller.is_admin:
        raise forbidden("get_status")
    revision = context.tx.revision()
    return {
        "revision": revision,
        "hosts": [
            {
                "name": host.name,
                "connected": host.connected,
                "applied": host.applied,
                "in_sync": host.connected and host.applied >= revision,
                "heartbeat_at": host.heartbeat_at,
            }
            for host in context.tx.hosts()
        ],
    }
