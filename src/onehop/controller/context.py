"""What one API request works with, inside its one transaction."""

from collections.abc import Callable

import msgspec

from onehop.controller.caller import Caller
from onehop.settings import ControllerSettings
from onehop.store import Transaction


class Context(msgspec.Struct, frozen=True):
    """A request's transaction, and what its answer depends on besides the store.

    Attributes:
        tx: the transaction; everything a request does happens in it, or nothing.
        caller: who asks.
        settings: of this controller.
        clock: seconds since the epoch.
    """

    tx: Transaction
    caller: Caller
    settings: ControllerSettings
    clock: Callable[[], float]
