"""The first words with a controller: whom to call and how, what its answer means, and why there is none."""

import asyncio
import ssl
from collections.abc import Iterable
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from onehop import __version__
from onehop.agent import credential
from onehop.errors import OnehopError, StateError, WireError
from onehop.settings import AgentSettings
from onehop.wire import MAX_FRAME, PROTOCOL_VERSION, Hello, Refused, Welcome, agreed, decode_from_controller

ANSWER_SECONDS = 15
WELCOME_SECONDS = 60
"""A controller to which every other agent comes back just now may take its time; one that hangs answers no ping."""

PING_SECONDS = 5


def call(controller: str, state_dir: Path) -> connect:
    """A connection to a controller's stream, to be entered, with this host's certificate.

    Args:
        controller: its address.
        state_dir: where the certificate lies.
    """
    return call_with(controller, credential.client_context(state_dir))


def call_with(controller: str, tls: ssl.SSLContext, source: str | None = None) -> connect:
    """As `call`, with a certificate that was read before, and from an address of one's choice."""
    return connect(
        f"wss://{controller}/v1/stream",
        ssl=tls,
        server_hostname=credential.CONTROLLER_NAME,
        proxy=None,
        compression=None,
        max_size=MAX_FRAME,
        open_timeout=ANSWER_SECONDS,
        ping_interval=PING_SECONDS,
        ping_timeout=3 * PING_SECONDS,
        close_timeout=2,
        user_agent_header=None,
        local_addr=None if source is None else (source, 0),
    )


async def answers(controller: str, state_dir: Path) -> bool:
    """Whether a controller's stream lets this host in just now; nothing is said there."""
    try:
        async with call(controller, state_dir):
            return True
    except (InvalidHandshake, OnehopError, OSError, TimeoutError):
        return False


def hello(settings: AgentSettings, underlay_mtu: int, reached: Iterable[str]) -> Hello:
    """Who this host is, but for the view that it has.

    Args:
        settings: as configured.
        underlay_mtu: of the underlay interface.
        reached: physical networks.
    """
    return Hello(
        version=PROTOCOL_VERSION,
        host=settings.host,
        software=__version__,
        vtep=settings.vtep,
        underlay_mtu=underlay_mtu,
        physical_networks=tuple(sorted(reached)),
        gateway_host=settings.gateway_host,
    )


async def welcomed(connection: ClientConnection) -> Welcome:
    """The controller's answer to a Hello.

    Raises:
        StateError: it refuses this host; the reason is its own.
        WireError: it says something else, or speaks another version.
        TimeoutError: it says nothing.
    """
    async with asyncio.timeout(WELCOME_SECONDS):
        answer = decode_from_controller(await connection.recv())
    if isinstance(answer, Refused):
        raise StateError(answer.reason)
    if not isinstance(answer, Welcome):
        raise WireError("the controller did not begin with a Welcome")
    agreed(answer.version, "controller")
    return answer


def why(error: BaseException) -> str:
    """One sentence for a person."""
    if isinstance(error, InvalidStatus):
        body = bytes(error.response.body or b"").decode("utf-8", "replace").strip()
        return body or f"the controller answered with HTTP status {error.response.status_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the controller's certificate is not one of our CA ({error.verify_message}); let this host join again"
    if isinstance(error, TimeoutError):
        return "the controller does not answer"
    return str(error) or type(error).__name__
