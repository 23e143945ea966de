"""Renewal: this host's certificate becomes a new one when two thirds of its life are over, without anybody's doing.

The key stays, so that one file is replaced, as a whole or not at all; a host that is to have another key joins again.
The connection that is there goes on; the new certificate is shown at the next one.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path

from onehop.agent import credential
from onehop.agent.validity import validity
from onehop.errors import OnehopError, StateError
from onehop.log import logger
from onehop.system import write_whole
from onehop.wire import PROTOCOL_VERSION, JoinRequest

LOG = logger("agent")
LOOK_SECONDS = 3600.0


async def keep(state_dir: Path, address: Callable[[], str]) -> None:
    """Renew whenever it is time, until cancelled; what fails is tried again an hour later.

    Args:
        state_dir: with key and certificate; without them there is nothing to do.
        address: gives the controller's, of the moment.
    """
    while True:
        try:
            if is_due(state_dir, dt.datetime.now(dt.UTC)):
                ends = await renew(state_dir, address())
                LOG.info("certificate was renewed", ends=ends.isoformat())
        except (OnehopError, OSError, ValueError) as error:
            LOG.error("the certificate could not be renewed and is tried again in an hour", why=str(error))
        await asyncio.sleep(LOOK_SECONDS)


def is_due(state_dir: Path, now: dt.datetime) -> bool:
    """Whether two thirds of the certificate's life are over; not so where there is none.

    Raises:
        ValueError, OSError: the certificate cannot be read.
    """
    try:
        begin, end = validity((state_dir / credential.CERTIFICATE).read_text())
    except FileNotFoundError:
        return False
    return now >= begin + (end - begin) * 2 / 3


async def renew(state_dir: Path, address: str) -> dt.datetime:
    """Get a new certificate for the key that is there; until when it is good.

    Raises:
        StateError: the controller does not answer, refuses, or gives what does not fit.
        NotFoundError: this host has not joined.
        OSError: it cannot be kept; the old one still is.
    """
    # Once in many months: until then an agent has no need of all this.
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from onehop.agent.join import exchange, signing_request

    key = serialization.load_pem_private_key((state_dir / credential.KEY).read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StateError(f"{state_dir / credential.KEY} is no key of ours: let this host join again")
    old = x509.load_pem_x509_certificate((state_dir / credential.CERTIFICATE).read_bytes())
    request = JoinRequest(version=PROTOCOL_VERSION, token="", request=signing_request(key))
    answer = await exchange(address, credential.client_context(state_dir), "/v1/renew", request)
    new = x509.load_pem_x509_certificate(answer.certificate.encode())
    if new.subject != old.subject or new.public_key() != key.public_key():
        raise StateError("the controller's new certificate is not for this host's name and key")
    write_whole(state_dir / credential.CERTIFICATE, answer.certificate.encode(), 0o644)
    return new.not_valid_after_utc
