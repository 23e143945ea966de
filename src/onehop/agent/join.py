"""Joining: a join token becomes this host's certificate.

The token carries the fingerprint of the CA. The CA's certificate is fetched from whoever answers at the controller's
address, and believed only if it has that fingerprint; the secret goes out only over TLS to whom that CA vouches for.
"""

import asyncio
import hashlib
import http.client
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from onehop.agent import credential
from onehop.errors import InputError, StateError
from onehop.net.endpoint import split_address
from onehop.net.identifier import HostName
from onehop.system import write_whole
from onehop.wire import PROTOCOL_VERSION, Joined, JoinRequest, Refused, decode_joined, encode
from onehop.wire.token import JoinToken, parse_token

SECONDS = 15


def join(text: str, state_dir: Path, host: str | None = None) -> HostName:
    """Get this host its certificate.

    Args:
        text: the join token.
        state_dir: where key, certificate and CA go.
        host: the name in this host's configuration, which must be the token's; None where there is none yet.

    Returns:
        the host's name.

    Raises:
        InputError: that is no join token, or one for another host.
        StateError: the controller cannot be reached, is not the one that made the token, or refuses it.
    """
    token = parse_token(text)
    if host is not None and host != token.host:
        raise InputError(f"the token is for host {token.host}, but this host's configuration says {host}")
    authority = _fetch_authority(token)
    key = ec.generate_private_key(ec.SECP256R1())
    joined, certificate = asyncio.run(_ask(token, authority, signing_request(key)))
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_whole(state_dir / credential.KEY, private)
        write_whole(state_dir / credential.CERTIFICATE, certificate.encode(), 0o644)
        write_whole(state_dir / credential.AUTHORITY, authority.encode(), 0o644)
    except OSError as error:
        raise StateError(f"the certificate cannot be kept in {state_dir}: {error}; ask for a new token") from None
    return joined


def _fetch_authority(token: JoinToken) -> str:
    host, port = split_address(token.address)
    # Anybody may answer here: what comes is compared with the fingerprint, and nothing secret is sent.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", "/v1/ca")
        answer = connection.getresponse()
        text = answer.read(65_536).decode("ascii", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise StateError(f"the controller at {token.address} cannot be reached: {str(error) or 'no answer'}") from None
    finally:
        connection.close()
    try:
        fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    except ValueError:
        fingerprint = ""
    if fingerprint != token.fingerprint:
        raise StateError(
            f"who answers at {token.address} is not the controller that made this token: its CA is another; "
            f"nothing was sent to it"
        )
    return text


def signing_request(key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate signing request for a key, PEM. It names nobody: the controller knows whom it answers."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


async def _ask(token: JoinToken, authority: str, request: str) -> tuple[HostName, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    message = JoinRequest(version=PROTOCOL_VERSION, token=token.secret, request=request)
    answer = await exchange(token.address, context, "/v1/join", message)
    if answer.host != token.host:
        raise StateError(f"the controller made a certificate for {answer.host}, not for {token.host}")
    return HostName(answer.host), answer.certificate


async def exchange(address: str, context: ssl.SSLContext, path: str, message: JoinRequest) -> Joined:
    """Ask a controller for a certificate.

    Raises:
        StateError: it does not answer, or refuses.
    """
    try:
        async with (
            asyncio.timeout(SECONDS),
            connect(
                f"wss://{address}{path}",
                ssl=context,
                server_hostname=credential.CONTROLLER_NAME,
                proxy=None,
                compression=None,
            ) as connection,
        ):
            await connection.send(encode(message))
            answer = decode_joined(await connection.recv())
    except (OSError, WebSocketException, TimeoutError) as error:
        raise StateError(f"the controller at {address} did not answer: {str(error) or 'it took too long'}") from None
    if isinstance(answer, Refused):
        what = "token" if message.token else "renewal"
        raise StateError(f"the controller refuses the {what}: {answer.reason}")
    return answer
