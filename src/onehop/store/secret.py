"""How hosts join: one-time tokens, of which only a hash is kept, and the certificates that were issued."""

import hashlib
import secrets

import sqlalchemy as sa

from onehop.errors import NotFoundError
from onehop.store.record import Certificate
from onehop.store.session import Session
from onehop.store.table import CERTIFICATE, JOIN_TOKEN, LIVENESS

_TOKEN_OCTETS = 32


def create_token(session: Session, host: str, lifetime: float) -> str:
    """A new one-time token; see `Transaction.create_join_token`."""
    if session.read(sa.select(LIVENESS.c.host).where(LIVENESS.c.host == host)).first() is None:
        raise NotFoundError(f"there is no host {host}: add it with `onehop host add {host}`")
    token = secrets.token_urlsafe(_TOKEN_OCTETS)
    session.write(sa.delete(JOIN_TOKEN).where(JOIN_TOKEN.c.host == host))
    session.write(sa.insert(JOIN_TOKEN).values(digest=_digest(token), host=host, expires_at=session.time + lifetime))
    return token


def redeem_token(session: Session, token: str) -> str:
    """Use a token up; see `Transaction.redeem_join_token`."""
    this = JOIN_TOKEN.c.digest == _digest(token)
    found = session.read(sa.select(JOIN_TOKEN.c.host, JOIN_TOKEN.c.expires_at).where(this)).first()
    if found is None or found.expires_at <= session.time:
        raise NotFoundError("the join token is unknown, used up or too old: get a new one with `onehop host token`")
    session.write(sa.delete(JOIN_TOKEN).where(this))
    return str(found.host)


def add_certificate(session: Session, host: str, serial: str, not_after: float) -> None:
    """Write down a certificate that was issued; see `Transaction.add_certificate`."""
    session.write(sa.insert(CERTIFICATE).values(serial=serial, host=host, not_after=not_after, revoked_at=None))


def certificate(session: Session, serial: str) -> Certificate | None:
    """The certificate of that serial number, or None."""
    found = session.read(sa.select(*CERTIFICATE.c).where(CERTIFICATE.c.serial == serial)).first()
    return None if found is None else Certificate(*found)


def certificates(session: Session) -> list[Certificate]:
    """Every certificate that was issued."""
    return [Certificate(*found) for found in session.read(sa.select(*CERTIFICATE.c).order_by(CERTIFICATE.c.serial))]


def revoke(session: Session, host: str, keep: str | None) -> int:
    """Revoke a host's certificates; see `Transaction.revoke_certificates`."""
    good = sa.and_(CERTIFICATE.c.host == host, CERTIFICATE.c.revoked_at.is_(None))
    if keep is not None:
        good = sa.and_(good, CERTIFICATE.c.serial != keep)
    return session.write(sa.update(CERTIFICATE).where(good).values(revoked_at=session.time)).rowcount


def _digest(token: str) -> str:
    # A token has 256 random bits: there is nothing to guess, so that a plain hash is enough.
    return hashlib.sha256(token.encode()).hexdigest()
