"""`onehop controller`."""

from pathlib import Path
from typing import Annotated

import typer

from onehop.cli.app import new
from onehop.settings import DEFAULT_CONTROLLER_FILE

app = new("Run the controller: API, store and the stream to the agents.")


@app.command()
def controller(
    config: Annotated[Path, typer.Option(help="Configuration file.")] = DEFAULT_CONTROLLER_FILE,
) -> None:
    """Run the controller: API, store and the stream to the agents. Ends on SIGTERM."""
    from onehop import log
    from onehop.controller.daemon import run
    from onehop.settings import load_controller

    settings = load_controller(config)
    log.setup(settings.log_format, settings.log_level)
    run(settings)
