"""Agents: the hosts, as the API shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.errors import ReferencedError
from onehop.store import Row

_TIMES = ("created_at", "started_at", "heartbeat_timestamp")


class Agents(Logic):
    """The logic of agents."""

    def delete(self, context: Context, row: Row) -> None:
        """Remove the host; refuse while ports are bound to it."""
        try:
            context.tx.remove_host(row["host"])
        except ReferencedError:
            raise FaultError(
                "AgentInUse",
                f"Host {row['host']} cannot be removed: ports are bound to it; move or release them first.",
            ) from None

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add whether each is alive, and what is the same for all."""
        now = context.clock()
        for row in rows:
            row["alive"] = _is_alive(row["heartbeat_timestamp"], now, context.settings.agent_down_seconds)
            row.update(
                agent_type="L3 agent",
                binary="onehop-agent",
                topic="N/A",
                availability_zone=None,
                resources_synced=None,
            )
            for name in _TIMES:
                if row[name] is not None:
                    row[name] = row[name].replace("T", " ").removesuffix("Z")


def _is_alive(heartbeat: str | None, now: float, limit: float) -> bool:
    if heartbeat is None:
        return False
    at = datetime.fromisoformat(heartbeat.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    # The text has whole seconds: one more, so that a fast heartbeat never looks late.
    return now - at <= limit + 1
