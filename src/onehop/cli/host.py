"""`onehop host`: runs where the controller runs, on its store."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.settings import DEFAULT_CONTROLLER_FILE

if TYPE_CHECKING:
    from onehop.settings import ControllerSettings
    from onehop.store import Store

app = new("Add, list, drain and remove hosts.")

PATIENCE_SECONDS = 10.0
"""So long without progress, and nobody is handing over."""

LOOK_SECONDS = 0.2

Config = Annotated[Path, typer.Option(help="The controller's configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Name = Annotated[str, typer.Argument(help="The host's name.")]
Gateway = Annotated[
    bool | None, typer.Option("--gateway/--no-gateway", help="Whether it may own routers' external addresses.")
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--physical-network", help="A physical network that it may reach; give it for each. Replaces all."),
]
Address = Annotated[
    str, typer.Option(help="Address and port at which the host reaches the controller's stream, if not the configured.")
]


@app.callback()
def host() -> None:
    """Add, list, drain and remove hosts. Works on the controller's store, whether the controller runs or not."""


@app.command()
def add(
    name: Name,
    config: Config = DEFAULT_CONTROLLER_FILE,
    address: Address = "",
    gateway: Gateway = None,
    physical_network: Networks = None,
    json: Json = False,
) -> None:
    """Add a host and print a token with which it joins, once: `onehop agent join TOKEN`.

    What is not named here it cannot be, whatever its agent says: no gateway host, and on no physical network.
    """
    from onehop.controller.join import add_host

    with _store(config) as (settings, store):
        token = add_host(store, settings, name, address, bool(gateway), physical_network or ())
        _show_token(name, token, settings.join_token_seconds, json)


@app.command()
def token(name: Name, config: Config = DEFAULT_CONTROLLER_FILE, address: Address = "", json: Json = False) -> None:
    """Print a new token for a host that was added before; the earlier ones end. What it may be stays (`host set`)."""
    from onehop.controller.join import new_token
    from onehop.net.identifier import parse_host

    with _store(config) as (settings, store):
        word = new_token(store, settings, parse_host(name), address)
        _show_token(name, word, settings.join_token_seconds, json)


@app.command(name="set")
def set_(
    name: Name,
    config: Config = DEFAULT_CONTROLLER_FILE,
    gateway: Gateway = None,
    physical_network: Networks = None,
    no_physical_network: Annotated[
        bool, typer.Option("--no-physical-network", help="It may reach none, but for those named beside it.")
    ] = False,
) -> None:
    """Change what a host may be. Takes effect at once, also on what its agent has said already."""
    networks = physical_network or ([] if no_physical_network else None)
    with _store(config) as (_, store):
        store.run(lambda tx: tx.approve_host(name, gateway_host=gateway, physical_networks=networks))
    typer.echo(f"{name} may be what `onehop host show {name}` says")


@app.command()
def show(name: Name, config: Config = DEFAULT_CONTROLLER_FILE, json: Json = False) -> None:
    """Show a host: what it is, what it may be, and what its agent claims beyond that."""
    from onehop.cli.host_show import show_host
    from onehop.errors import NotFoundError

    with _store(config) as (_, store), store.read() as tx:
        found, revision = tx.host(name), tx.revision()
    if found is None:
        raise NotFoundError(f"there is no host {name}; `onehop host list` shows those there are")
    if json:
        show_json({"revision": revision, "host": found})
    else:
        show_host(found, revision)


@app.command(name="list")
def list_(config: Config = DEFAULT_CONTROLLER_FILE, json: Json = False) -> None:
    """List the hosts."""
    from onehop.cli.host_show import show_hosts

    with _store(config) as (_, store), store.read() as tx:
        hosts, revision = tx.hosts(), tx.revision()
    if json:
        show_json({"revision": revision, "hosts": hosts})
    else:
        show_hosts(hosts, revision)


@app.command()
def remove(name: Name, config: Config = DEFAULT_CONTROLLER_FILE) -> None:
    """Remove a host: its certificates are revoked and its session ends. Ports must be moved or unbound before."""
    with _store(config) as (_, store):
        store.run(lambda tx: tx.remove_host(name))
    typer.echo(f"removed {name}; its certificates are revoked")


@app.command()
def drain(
    name: Name,
    config: Config = DEFAULT_CONTROLLER_FILE,
    undo: Annotated[bool, typer.Option("--undo", help="Let it own routers' addresses again.")] = False,
) -> None:
    """Hand over what a gateway host owns, some routers at a time, and give it no more. Its instances stay.

    Waits until it is done. A controller does it, also when this command was interrupted.
    """
    from onehop.errors import NotFoundError

    with _store(config) as (_, store):
        with store.read() as tx:
            found = next((host for host in tx.hosts() if host.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no host {name}; `onehop host list` shows those there are")
        store.run(lambda tx: tx.update("agent", found.id, {"admin_state_up": undo}))
        done = undo or _await_relief(store, name)
    if undo:
        typer.echo(f"{name} may own routers' addresses again")
    elif done:
        typer.echo(f"{name} owns no router's addresses any more")
    else:
        typer.echo(f"{name} is drained, but still owns routers' addresses: a controller hands them over when one runs")


def _await_relief(store: "Store", name: str) -> bool:
    """Wait until a drained host has nothing left to hand over; False where nothing happens any more."""
    left, changed = None, time.monotonic()
    while time.monotonic() < changed + PATIENCE_SECONDS:
        with store.read() as tx:
            burden = tx.burden(name)
        if burden == (0, 0):
            return True
        if burden != left:
            left, changed = burden, time.monotonic()
        time.sleep(LOOK_SECONDS)
    return False


def _show_token(name: str, word: str, seconds: int, json: bool) -> None:
    if json:
        show_json({"host": name, "token": word, "seconds": seconds})
        return
    typer.echo(f"On {name}, within {seconds // 60} minutes, once:\n")
    typer.echo(f"  onehop agent join {word}")


@contextmanager
def _store(config: Path) -> "Iterator[tuple[ControllerSettings, Store]]":
    from onehop import log
    from onehop.settings import load_controller
    from onehop.store import Store

    settings = load_controller(config)
    log.setup("console", "warning")
    store = Store.open(settings.database_url)
    try:
        yield settings, store
    finally:
        store.close()
