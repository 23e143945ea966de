"""What one API request works with, inside its one transaction."""

from collections.abc import Callable

import msgspec

from onehop.controller.caller import Caller
from onehop.controller.ipam import Prefixes
from onehop.settings import ControllerSettings
from onehop.store import Row, Transaction


class Context(msgspec.Struct, frozen=True):
    """A request's transaction, and what its answer depends on besides the store.

    Attributes:
        tx: the transaction; everything a request does happens in it, or nothing.
        caller: who asks.
        settings: of this controller.
        clock: seconds since the epoch.
        subnets: by network, what `Addressing` has read of them: a bulk of ports reads them once, since no request that
            gives addresses to ports changes subnets.
        prefixes: by network and IP version, those of its subnets: a bulk of subnets reads them once and adds its own.
    """

    tx: Transaction
    caller: Caller
    settings: ControllerSettings
    clock: Callable[[], float]
    subnets: dict[str, list[Row]] = msgspec.field(default_factory=dict)
    prefixes: dict[tuple[str, int], Prefixes] = msgspec.field(default_factory=dict)
