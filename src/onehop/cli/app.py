"""What the files of the command line share: how a group is made, and how results are shown."""

import sys
from typing import Any

import typer


def new(help_: str) -> typer.Typer:
    """A group of commands; with one command in it and no callback, that command itself."""
    return typer.Typer(
        help=help_, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=False
    )


def show_json(value: object) -> None:
    """Print `value` (structs too) as one JSON document."""
    import msgspec

    document = msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2)
    sys.stdout.write(document.decode() + "\n")


def console() -> Any:
    """A rich console on standard output; what it is given is shown letter by letter (`:ab:` in a MAC is no emoji)."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
