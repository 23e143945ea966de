"""What the audit of a controller judges: its settings, and everything that the store says at one revision."""

import msgspec

from onehop.model.resources import RESOURCES
from onehop.settings import ControllerSettings
from onehop.store import Row, Transaction
from onehop.store.record import Certificate, HostRow


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks judge.

    Attributes:
        settings: the controller's.
        rows: by resource, all of them.
        gateways: by router id, as `Transaction.gateways` says it.
        hosts: all.
        certificates: all that were issued.
        now: seconds since the epoch.
    """

    settings: ControllerSettings
    rows: dict[str, list[Row]]
    gateways: dict[str, Row]
    hosts: list[HostRow]
    certificates: list[Certificate]
    now: float


def gather(tx: Transaction, settings: ControllerSettings, now: float) -> Facts:
    """The facts of a controller, at one revision."""
    rows = {resource.name: tx.select(resource.name, {}) for resource in RESOURCES}
    return Facts(
        settings=settings,
        rows=rows,
        gateways=tx.gateways([row["id"] for row in rows["router"]]),
        hosts=tx.hosts(),
        certificates=tx.certificates(),
        now=now,
    )
