"""`onehop port`: asks the agent of this host."""

from onehop.cli.app import console, new, show_json
from onehop.cli.ask import DEFAULT, Config, Json, PortId, run_dir

app = new("Show a port of this host, and what was refused of it.")


@app.callback()
def port() -> None:
    """Show a port of this host. Asks its agent."""


@app.command()
def show(port_id: PortId, config: Config = DEFAULT, json: Json = False) -> None:
    """Show a port as this host knows it: whether it is protected, and what was refused of it, by reason."""
    from onehop.agent.call import call
    from onehop.agent.request import ShowPortAnswer, ShowPortRequest

    answer = call(run_dir(config), ShowPortRequest(port_id=port_id), ShowPortAnswer)
    if json:
        show_json(answer)
        return
    from rich.markup import escape
    from rich.table import Table

    out = console()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("port", answer.port_id)
    table.add_row("network", answer.network_id)
    table.add_row("MAC", answer.mac_address)
    table.add_row("addresses", ", ".join(answer.addresses) or "none")
    if answer.pairs:
        table.add_row("address pairs", ", ".join(answer.pairs))
    table.add_row("bound to", escape(answer.host) or "no host")
    table.add_row("device", answer.device or "not plugged here")
    table.add_row("state here", f"{answer.state} {escape(answer.reason)}".rstrip())
    on = "[green]on[/]" if answer.protected else "[red]OFF: it may send what it likes (port_security_enabled)[/]"
    table.add_row("protection", on)
    out.print(table)
    if not answer.refused:
        return
    refused = Table(box=None, padding=(0, 2, 0, 0))
    for column, side in (("refused", "left"), ("frames", "right"), ("octets", "right"), ("", "left")):
        refused.add_column(column, justify=side)  # type: ignore[arg-type]  # one of the two words
    for one in answer.refused:
        style = "red" if one.packets else "dim"
        refused.add_row(one.reason, str(one.packets), str(one.octets), one.meaning, style=style)
    out.print(refused)
