"""`onehop db`: backup and restore of the controller's store; runs where its configuration is."""

from pathlib import Path
from typing import Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.settings import DEFAULT_CONTROLLER_FILE

app = new("Back up and restore the controller's store.")

Config = Annotated[Path, typer.Option(help="The controller's configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
File = Annotated[Path, typer.Argument(help="The backup: one file.")]


@app.callback()
def db() -> None:
    """Back up and restore the controller's store. A backup of SQLite can be restored on PostgreSQL, and back."""


@app.command()
def backup(file: File, config: Config = DEFAULT_CONTROLLER_FILE, json: Json = False) -> None:
    """Keep everything that the store holds, as of one moment, in a new file. Controllers go on meanwhile."""
    from onehop.settings import load_controller
    from onehop.store.backup import backup as make

    manifest = make(load_controller(config).database_url, file)
    if json:
        show_json(manifest)
        return
    typer.echo(
        f"kept the store at revision {manifest.revision} in {file}: {manifest.rows} rows, schema {manifest.schema}"
    )


@app.command()
def restore(
    file: File,
    config: Config = DEFAULT_CONTROLLER_FILE,
    replace: Annotated[bool, typer.Option("--replace", help="Throw away what the store holds now.")] = False,
    json: Json = False,
) -> None:
    """Make the store what a backup holds, all of it or nothing. No controller may run; agents go on meanwhile."""
    from onehop.settings import load_controller
    from onehop.store.restore import restore as bring_back
    from onehop.store.session import stamp

    restored = bring_back(file, load_controller(config).database_url, replace=replace)
    if json:
        show_json(restored)
        return
    if restored.thrown_away:
        typer.echo(f"threw away the store at revision {restored.thrown_away}")
    typer.echo(
        f"restored the store of {stamp(restored.manifest.made_at)} (revision {restored.manifest.revision}); "
        f"it goes on at revision {restored.revision}\n"
        "Start the controllers now. `onehop host list` shows which hosts have come to it; one that joined since that "
        "time, or whose certificate was renewed since, may have to join again."
    )
