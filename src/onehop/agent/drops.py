"""What protection refused: counted by the kernel in each port's own table, read when somebody asks."""

from onehop.agent.desire import Desire
from onehop.kernel.base import Kernel
from onehop.net import naming
from onehop.net.identifier import PortId
from onehop.objects.counter import Count

METRIC = "onehop_port_drops_total"
"""The name of these numbers as a metric, with the labels ``port`` and ``reason``."""

Drops = dict[PortId, dict[str, Count]]
"""Port → reason (`onehop.model.protection.REASONS`) → frames, since its table was made or replaced."""


def read_drops(kernel: Kernel, desire: Desire, port: PortId | None = None) -> Drops:
    """The counters of a port, or of every port that is plugged here: one question to the kernel either way.

    Ports without protection have none.

    Raises:
        KernelError: they could not be read.
    """
    view = desire.view
    ports = [view.ports[one] for one in ([port] if port is not None else desire.local.plugs) if one in view.ports]
    tables = {naming.tap_table(one.network_id, one.id): one.id for one in ports}
    counts = kernel.count("netdev", next(iter(tables), "") if port is not None else None) if tables else {}
    return {tables[table]: found for table, found in counts.items() if table in tables}
