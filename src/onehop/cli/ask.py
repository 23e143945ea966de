"""What the commands share that talk to the agent of this host."""

from pathlib import Path
from typing import Annotated

import typer

from onehop.settings import CONFIG_VARIABLE, DEFAULT_AGENT_FILE

Config = Annotated[Path, typer.Option(help="The agent's configuration file.", envvar=CONFIG_VARIABLE)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PortId = Annotated[str, typer.Argument(metavar="PORT_ID", help="The port's id.")]
DEFAULT = DEFAULT_AGENT_FILE


def run_dir(config: Path) -> Path:
    """Where the agent's socket is, by its configuration."""
    from onehop.settings import load_agent

    return Path(load_agent(config).run_dir)
