"""`onehop plug`."""

from pathlib import Path
from typing import Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.cli.ask import DEFAULT, Config, Json, PortId, run_dir

app = new("Attach an instance on this host to a port.")


@app.command()
def plug(
    port_id: PortId,
    netns: Annotated[str | None, typer.Option(help="A container: name of its network namespace.")] = None,
    tap: Annotated[bool, typer.Option("--tap", help="A virtual machine: make a tap device for it.")] = False,
    device: Annotated[str, typer.Option(help="With --netns: name of the interface inside.")] = "eth0",
    cloud_init: Annotated[
        bool, typer.Option("--cloud-init", help="Only print the guest's network-config (version 2).")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when the port is ACTIVE.")] = True,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 30,
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Attach an instance on this host to a port that is bound here. Plugging twice is harmless."""
    from onehop.agent.call import call
    from onehop.agent.request import CloudInitRequest, PlugRequest, PortAnswer, TextAnswer

    directory = run_dir(config)
    if cloud_init:
        typer.echo(call(directory, CloudInitRequest(port_id=port_id), TextAnswer).text, nl=False)
        return
    if (netns is None) != tap:
        raise typer.BadParameter("say where the instance is: --netns NAME or --tap")
    request = PlugRequest(port_id=port_id, netns=netns, device=device, wait=wait, timeout=timeout)
    answer = call(Path(directory), request, PortAnswer)
    if json:
        show_json(answer)
        return
    already = "" if answer.changed else " (it was so already)"
    reason = f": {answer.reason}" if answer.reason else ""
    typer.echo(f"port {answer.port_id} is plugged as {answer.device}, {answer.state}{reason}{already}")
