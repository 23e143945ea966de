"""`onehop controller`: API and stream in one process and one event loop, and a clean end."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import uvicorn
from starlette.types import ASGIApp

from onehop.controller.app import create_app
from onehop.controller.auth import refuse_unless_loopback
from onehop.controller.gauges import Gauges
from onehop.controller.parser import protocol
from onehop.controller.requests import Requests
from onehop.controller.stream import Stream
from onehop.errors import OnehopError, SettingsError
from onehop.log import logger
from onehop.metric.listener import Listener, token_of
from onehop.net.endpoint import join_address, split_address
from onehop.settings import ControllerSettings
from onehop.store import Rules, Store
from onehop.system import handed_in, listen, notify, until_one_ends, write_whole

LOG = logger("controller")
FILE = "controller.json"
PRUNE_SECONDS = 600


class Running(msgspec.Struct, frozen=True):
    """``controller.json``: where a running controller is.

    Attributes:
        pid: its process.
        api: address and port of the API.
        stream: address and port of the stream.
        metrics: address and port of metrics and health, "" without them.
    """

    pid: int
    api: str
    stream: str
    metrics: str = ""


class _Api(uvicorn.Server):
    """Signals are ours to handle."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: ControllerSettings) -> None:
    """Run the controller until SIGTERM or SIGINT.

    Raises:
        SettingsError: an address cannot be listened on.
        NotFoundError: `onehop pki init` was not run.
        OnehopError: the store cannot be opened.
    """
    asyncio.run(_main(settings))


async def _main(settings: ControllerSettings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def until_told() -> None:
        await stop.wait()
        LOG.info("controller ends")
        notify("STOPPING=1")

    state = Path(settings.state_dir)
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    rules = Rules(mac_prefix=settings.mac_prefix, quarantine_seconds=settings.port_block_quarantine_seconds)
    store = await asyncio.to_thread(Store.open, settings.database_url, rules=rules)
    try:
        sockets = handed_in()
        api = sockets.get("api") or _listen("api_listen", settings.api_listen)
        stream = sockets.get("stream") or _listen("stream_listen", settings.stream_listen)
        refuse_unless_loopback(settings, api.getsockname()[0])
        token_of(settings.metrics_listen, settings.metrics_token_file)
        metrics = sockets.get("metrics")
        if metrics is None and settings.metrics_listen:
            metrics = _listen("metrics_listen", settings.metrics_listen)
        running = Running(os.getpid(), _bound(api), _bound(stream), _bound(metrics) if metrics is not None else "")

        def ready() -> None:
            write_whole(state / FILE, msgspec.json.encode(running) + b"\n", 0o644)
            LOG.info("controller is ready", api=running.api, stream=running.stream, pid=running.pid)
            notify("READY=1")

        await until_one_ends(serve(store, settings, api, stream, ready, metrics), until_told())
    finally:
        (state / FILE).unlink(missing_ok=True)
        await asyncio.to_thread(store.close)


async def serve(
    store: Store,
    settings: ControllerSettings,
    api: socket.socket,
    stream: socket.socket,
    ready: Callable[[], None] = lambda: None,
    metrics: socket.socket | None = None,
) -> None:
    """Serve API and stream until cancelled.

    Args:
        store: open; stays open.
        settings: as configured.
        api: listening socket of the API.
        stream: listening socket of the stream.
        ready: called once both answer.
        metrics: listening socket of metrics and health.
    """
    agents = asyncio.Event()
    talk, requests = Stream(store, settings), Requests()
    told = Listener(
        "" if metrics is None else settings.metrics_listen,
        token_of(settings.metrics_listen, settings.metrics_token_file),
        Gauges(store, talk, requests, settings).health(),
        metrics,
    )
    app = create_app(store, settings, requests=requests)
    await until_one_ends(
        _serve_api(app, settings, api, agents, ready), talk.run(stream, agents.set), _prune(store), told.run()
    )


async def _serve_api(
    app: ASGIApp,
    settings: ControllerSettings,
    listener: socket.socket,
    agents: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    config = uvicorn.Config(
        app,
        http=protocol(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.api_tls_certificate,
        ssl_keyfile=settings.api_tls_key,
        timeout_graceful_shutdown=3,
    )
    server = _Api(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if not serving.done():
            await agents.wait()
            ready()
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


async def _prune(store: Store) -> None:
    """Keep the change log from growing without bound."""
    while True:
        await asyncio.sleep(PRUNE_SECONDS)
        try:
            await asyncio.to_thread(store.prune)
        except (OnehopError, OSError) as error:
            LOG.error("the change log could not be cut and is cut later", error=str(error))


def _listen(key: str, address: str) -> socket.socket:
    host, port = split_address(address)
    try:
        return listen(host, port)
    except OSError as error:
        raise SettingsError(f"cannot listen on {address} ({key}): {os.strerror(error.errno or 0)}") from None


def _bound(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return join_address(host, port)
