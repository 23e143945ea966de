"""`onehop pki`."""

from pathlib import Path
from typing import Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.settings import DEFAULT_CONTROLLER_FILE

app = new("Make the certificates by which controller and agents know each other.")


@app.callback()
def pki() -> None:
    """Make the certificates by which controller and agents know each other."""


@app.command()
def init(
    config: Annotated[Path, typer.Option(help="The controller's configuration file.")] = DEFAULT_CONTROLLER_FILE,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make a CA and the controller's certificate in the `pki_dir` of the configuration."""
    from onehop.controller import pki as authority
    from onehop.settings import load_controller

    directory = Path(load_controller(config).pki_dir)
    fingerprint = authority.init(directory)
    if json:
        show_json({"directory": str(directory), "fingerprint": fingerprint})
        return
    typer.echo(f"made a CA and the controller's certificate in {directory}")
    typer.echo(f"fingerprint of the CA (SHA-256): {fingerprint}")
