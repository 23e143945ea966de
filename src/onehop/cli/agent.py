"""`onehop agent`, and `onehop agent join`."""

from pathlib import Path
from typing import Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.settings import DEFAULT_AGENT_FILE

app = new("Run the agent of this host, or join this host to a controller.")

Config = Annotated[Path, typer.Option(help="Configuration file.")]


@app.callback(invoke_without_command=True)
def agent(context: typer.Context, config: Config = DEFAULT_AGENT_FILE) -> None:
    """Run the agent of this host. Ends on SIGTERM and leaves everything in the kernel as it is."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    from onehop import log
    from onehop.agent.daemon import run
    from onehop.errors import KernelError
    from onehop.kernel import capability
    from onehop.kernel.linux import KNOWN, LinuxKernel
    from onehop.kernel.shortcut.cut import open_shortcut
    from onehop.settings import load_agent

    settings = load_agent(config)
    log.setup(settings.log_format, settings.log_level)
    try:
        # Its programs are loaded with a capability that is then given away.
        shortcut = open_shortcut() if settings.shortcut else None
        capability.keep()
        kernel = LinuxKernel(known=Path(settings.run_dir) / KNOWN, shortcut=shortcut)
    except PermissionError as error:
        raise KernelError(
            f"the kernel refuses what the agent needs ({error.strerror}): run it as root, with the capabilities "
            f"CAP_NET_ADMIN, CAP_NET_BROADCAST, CAP_NET_RAW and CAP_SYS_ADMIN",
            error.errno or 0,
        ) from None
    kernel.check_features()
    kernel.tidy()
    run(settings, kernel)


@app.command()
def join(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="The word that `onehop host add` printed; '-' reads it from stdin.")],
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Get this host its certificate, with a token of `onehop host add`."""
    from onehop.agent.join import join as join_with
    from onehop.settings import load_agent

    settings = load_agent(config if config is not None else context.obj)
    from_stdin = token == "-"  # noqa: S105  # a dash is no secret
    word = typer.get_text_stream("stdin").readline() if from_stdin else token
    host = join_with(word, Path(settings.state_dir), settings.host)
    if json:
        show_json({"host": host, "state_dir": settings.state_dir})
        return
    typer.echo(f"{host} has its certificate in {settings.state_dir}; start the agent now")
