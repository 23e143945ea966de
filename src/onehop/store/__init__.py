"""The store: one database with everything an operator asked for, and the log of its changes.

::

    store = Store.open("sqlite:////var/lib/onehop/onehop.db")     # or postgresql+psycopg://user@host/name
    network = store.run(lambda tx: tx.insert("network", {"name": "blue", …}))    # a write, all or nothing
    with store.read() as tx:                                                     # one consistent snapshot
        revision, values = tx.snapshot()
    stop = store.subscribe(lambda revision: …)                     # woken after commits, here or elsewhere
    store.close()

Rules that callers may rely on:

- **One writer at a time**, in the whole cluster, on SQLite and on PostgreSQL alike. A transaction of `Store.run` sees
  everything that was committed before it began and nothing changes below it: "check, then write" is safe without row
  locks. So keep write transactions short: no hashing, no network, no waiting inside.
- **Revision = commit order.** A transaction that changed anything gets the next revision when it commits. A reader that
  has seen revision N never later finds a change ≤ N.
- **Acknowledged is durable**: when `Store.run` returns, the change survives a power failure (SQLite: WAL with
  ``synchronous=FULL``).
- Everything blocks and is thread-safe (a `Transaction` belongs to the thread that opened it): call it from worker
  threads, never from an event loop.

It refuses: knowledge of what makes a request sensible (the API's), streams to agents (the stream's), and databases that
a newer onehop has migrated.
"""

from onehop.store.census import Census
from onehop.store.record import Certificate, Change, Heartbeat, HostRow, Row, Rules, Status
from onehop.store.store import Store
from onehop.store.transaction import Id, Transaction, Where

__all__ = [
    "Census",
    "Certificate",
    "Change",
    "Heartbeat",
    "HostRow",
    "Id",
    "Row",
    "Rules",
    "Status",
    "Store",
    "Transaction",
    "Where",
]
