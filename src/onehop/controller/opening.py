"""Sessions of agents begin in the store here: those of all who wait in one transaction."""

from collections.abc import Sequence
from typing import NamedTuple

from onehop.controller.attention import warn_of_claims
from onehop.controller.gate import Peer
from onehop.controller.join import why_not
from onehop.errors import OnehopError, StateError
from onehop.store import Store, Transaction
from onehop.store.record import Approval, HostRow
from onehop.wire import Hello

AT_ONCE = 50
"""Sessions in one transaction: so many that a storm is a few of them, so few that no other writer waits long."""


class Arrival(NamedTuple):
    """An agent that was let in, and what it said first."""

    peer: Peer
    hello: Hello


class Opening:
    """Opens sessions.

    Args:
        store: open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, arrivals: Sequence[Arrival]) -> list[int | OnehopError]:
        """The number of each one's session, or why it has none.

        Raises:
            OnehopError: what one of them asked spoiled the transaction, or the database cannot be used.
        """
        answers: list[int | OnehopError] = []
        for arrival, found in zip(arrivals, self._store.run(lambda tx: _open(tx, arrivals)), strict=True):
            if isinstance(found, OnehopError):
                answers.append(found)
                continue
            number, row = found
            answers.append(number)
            if row is not None and row.refused != Approval():
                warn_of_claims(arrival.peer.host, row.refused)
        return answers


def _open(tx: Transaction, arrivals: Sequence[Arrival]) -> list[tuple[int, HostRow | None] | OnehopError]:
    return [_open_one(tx, *arrival) for arrival in arrivals]


def _open_one(tx: Transaction, peer: Peer, hello: Hello) -> tuple[int, HostRow | None] | OnehopError:
    # Once more, in the transaction that counts: it may have been removed, and added again, since it came in.
    reason = why_not(tx, peer.host, peer.serial)
    if reason is not None:
        return StateError(reason)
    try:
        number = tx.open_session(
            peer.host,
            vtep=hello.vtep,
            underlay_mtu=hello.underlay_mtu,
            physical_networks=sorted(set(hello.physical_networks)),
            details={"version": hello.software, "gateway_host": hello.gateway_host},
        )
    except StateError as error:
        if tx.session.spoiled:
            raise  # nothing of this transaction stays; whoever asked is asked for again, alone
        return error
    return number, tx.host(peer.host)
