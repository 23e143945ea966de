"""The agent's unix socket: lines in, lines out. Only root, and whoever runs the agent, may talk to it."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from onehop.agent.request import SOCKET, Answer, Failed, Request
from onehop.errors import InputError, OnehopError, StateError
from onehop.log import logger

LOG = logger("agent")
LINE = 65_536
_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)

Handler = Callable[[Request], Awaitable[Answer]]


async def serve(run_dir: Path, handle: Handler, ready: Callable[[], None]) -> None:
    """Answer until cancelled.

    Args:
        run_dir: where the socket is made; what an earlier life left there is replaced.
        handle: answers one request; an `OnehopError` becomes the answer.
        ready: called once the socket is there.

    Raises:
        StateError: another agent answers on it.
    """
    path = run_dir / SOCKET
    server = await asyncio.start_unix_server(
        lambda reader, writer: _talk(reader, writer, handle), sock=_bind(path), limit=LINE
    )
    try:
        ready()
        await server.serve_forever()
    finally:
        server.close()
        path.unlink(missing_ok=True)


def _bind(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    # Through the directory's descriptor: a path may be longer than sun_path.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{directory}/{path.name}"
        if _answers(address):
            raise StateError(f"another agent answers on {path}; stop it first, or give this one another run_dir")
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            listener.bind(address)
        finally:
            os.umask(mask)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(directory)
    return listener


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler) -> None:
    try:
        if not _allowed(writer):
            writer.write(_line(Failed(error="StateError", message="only root may talk to the agent; use sudo")))
            return
        while line := await reader.readline():
            writer.write(_line(await _answer(line, handle)))
            await writer.drain()
    except (ConnectionError, ValueError) as error:
        # ValueError: a line longer than LINE.
        LOG.info("a caller went away", why=str(error))
    finally:
        writer.close()


def _allowed(writer: asyncio.StreamWriter) -> bool:
    peer: socket.socket = writer.get_extra_info("socket")
    octets = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", octets)
    return uid in (0, os.geteuid())


async def _answer(line: bytes, handle: Handler) -> Answer:
    try:
        request = _REQUESTS.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Failed(error=InputError.__name__, message=f"that is no request: {error}")
    try:
        return await handle(request)
    except OnehopError as error:
        return Failed(error=type(error).__name__, message=str(error))
    except OSError as error:
        LOG.error("a request failed", request=type(request).__name__, why=str(error))
        return Failed(error=StateError.__name__, message=f"the agent could not do it: {error}")


def _line(answer: Answer) -> bytes:
    return msgspec.json.encode(answer) + b"\n"
