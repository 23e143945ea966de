"""The aftermath of a restore: the store goes on as something newer than whatever anybody knows of the lost one."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from onehop.store import place
from onehop.store.archive import Manifest
from onehop.store.record import Certificate
from onehop.store.session import Session
from onehop.store.table import CERTIFICATE, GATEWAY, LIVENESS, PORT_BLOCK, REVISION

MARGIN = 1_000_000
"""Revisions that are passed over at least, also where clocks are wrong."""

PER_SECOND = 1000
"""More revisions than a store makes in a second (docs/decisions/0003-store.md)."""


def continue_from(
    connection: Connection, manifest: Manifest, before: int, known: Iterable[Certificate], now: float
) -> int:
    """Make what was just copied go on; the revision at which it does.

    That revision is later than any that the lost store can have come to since the archive was made, and than any of a
    store that was restored from the same archive before. Owners are of this generation, so that no reign of hosts
    outlives it. The change log begins here: who follows it reads everything. Port blocks that nobody holds may have
    been given to somebody since, and wait as if they had just come back. A certificate that was revoked stays so, and
    one that was issued since stays known, where the store that is replaced (`known`) tells.
    """
    passed = int(PER_SECOND * max(0.0, now - manifest.made_at))
    revision = max(manifest.revision, before) + MARGIN + passed
    connection.execute(sa.update(REVISION).values(value=revision, pruned=revision))
    connection.execute(sa.update(GATEWAY).values(generation=revision))
    # Sessions that were open then are not; hosts say anew what they hold.
    connection.execute(sa.update(LIVENESS).values(connected=False, applied=0))
    session = Session(connection, now, writable=True)
    session.write(sa.update(PORT_BLOCK).where(PORT_BLOCK.c.freed_at.is_not(None)).values(freed_at=now))
    for router_id in session.read(sa.select(GATEWAY.c.router_id)).scalars().all():
        place.quarantine_rest(session, router_id, revision)
    _keep_certificates(connection, known)
    return revision


def _keep_certificates(connection: Connection, known: Iterable[Certificate]) -> None:
    column = CERTIFICATE.c
    restored = {row.serial: Certificate(*row) for row in connection.execute(sa.select(*column))}
    for certificate in known:
        if certificate.serial not in restored:
            connection.execute(sa.insert(CERTIFICATE).values(**msgspec.structs.asdict(certificate)))
        elif certificate.revoked_at is not None:
            this = column.serial == certificate.serial
            connection.execute(sa.update(CERTIFICATE).where(this).values(revoked_at=certificate.revoked_at))
