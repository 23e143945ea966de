"""`onehop trace`: runs where the controller runs, on its store; or asks a controller's API, a lab's for one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onehop.cli.app import new, show_json
from onehop.settings import DEFAULT_CONTROLLER_FILE

if TYPE_CHECKING:
    from onehop.lab.live import Live
    from onehop.lab.state import Directory
    from onehop.verify.trace import Trace

app = new("Show where a packet goes, hop by hop, and why it dies where it dies.")


@app.command()
def trace(
    port: Annotated[str, typer.Argument(metavar="PORT", help="Id or name of the port whose instance sends.")],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="An address, or id or name of a port or floating IP.")
    ] = "",
    protocol: Annotated[str, typer.Option(help="icmp, tcp, udp, or another's number.")] = "icmp",
    number: Annotated[int, typer.Option("--port", min=0, max=65535, help="Destination port of TCP and UDP.")] = 80,
    source_port: Annotated[int, typer.Option(min=0, max=65535, help="Source port, or id of an echo request.")] = 0,
    from_outside: Annotated[
        bool, typer.Option("--from-outside", help="Ask from outside: name the destination only.")
    ] = False,
    live: Annotated[bool, typer.Option("--live", help="With --lab: send real packets too, and compare.")] = False,
    lab: Annotated[str, typer.Option(metavar="NAME", help="Ask the controller of this lab.")] = "",
    endpoint: Annotated[
        str, typer.Option(envvar="OS_ENDPOINT", help="Ask this controller's API, as OS_USERNAME with OS_PASSWORD.")
    ] = "",
    config: Annotated[Path, typer.Option(help="The controller's configuration file.")] = DEFAULT_CONTROLLER_FILE,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Walk a packet and its answer through the compiled state of every host: each hop, each rewrite, each rule.

    What is shown is how it should be by the controller's store; --live shows how it is, in a lab.
    """
    if from_outside == bool(destination):
        raise typer.BadParameter("say PORT and DESTINATION, or with --from-outside the destination only")
    if live and not lab:
        raise typer.BadParameter("--live sends real packets from a lab's instance: say --lab NAME")
    asked = {
        "source": "outside" if from_outside else port,
        "destination": destination or port,
        "protocol": protocol,
        "port": str(number),
        "source_port": str(source_port),
    }
    directory = _lab(lab) if lab else None
    if directory is not None:
        found = _by_api(directory.endpoint, _with_instances(directory, asked))
    elif endpoint:
        found = _by_api(endpoint, asked)
    else:
        found = _by_store(config, asked)
    seen = _live(directory, found) if live and directory is not None else None
    if json:
        show_json({"trace": found, "live": seen})
        return
    from onehop.cli.trace_show import show

    show(found, seen)


def _lab(name: str) -> "Directory":
    from onehop.lab.state import Directory

    return Directory(name)


def _with_instances(directory: "Directory", asked: dict[str, str]) -> dict[str, str]:
    """Names of a lab's instances stand for their ports."""
    known = directory.read().instances
    named = {key: known[asked[key]].port for key in ("source", "destination") if asked[key] in known}
    return {**asked, **named}


def _by_api(endpoint: str, asked: dict[str, str]) -> "Trace":
    import os

    import msgspec

    from onehop.client import Client
    from onehop.verify.trace import Trace

    name = os.environ.get("OS_USERNAME", "")
    client = Client(endpoint, (name, os.environ.get("OS_PASSWORD", "")) if name else None)
    try:
        document: dict[str, Any] = client.get("/onehop/v1/trace", **asked)
    finally:
        client.close()
    return msgspec.convert(document["trace"], Trace)


def _by_store(config: Path, asked: dict[str, str]) -> "Trace":
    from onehop import log
    from onehop.controller.trace import traced
    from onehop.settings import load_controller
    from onehop.store import Store

    settings = load_controller(config)
    log.setup("console", "warning")
    store = Store.open(settings.database_url)
    try:
        with store.read() as tx:
            return traced(tx, asked)[1]
    finally:
        store.close()


def _live(directory: "Directory", found: "Trace") -> "Live":
    from onehop.lab.live import ask

    return ask(directory, found)
