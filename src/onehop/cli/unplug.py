"""`onehop unplug`."""

from typing import Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.cli.ask import DEFAULT, Config, Json, PortId, run_dir

app = new("Detach the instance of a port on this host.")


@app.command()
def unplug(
    port_id: PortId,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 30,
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Detach the instance of a port on this host; its device is removed. Unplugging twice is harmless."""
    from onehop.agent.call import call
    from onehop.agent.request import PortAnswer, UnplugRequest

    answer = call(run_dir(config), UnplugRequest(port_id=port_id, timeout=timeout), PortAnswer)
    if json:
        show_json(answer)
        return
    typer.echo(f"port {answer.port_id} is unplugged{'' if answer.changed else ' (it was so already)'}")
