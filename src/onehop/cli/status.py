"""`onehop status`."""

from onehop.cli.app import console, new, show_json
from onehop.cli.ask import DEFAULT, Config, Json, run_dir

app = new("Show how this host's agent is doing.")


@app.command()
def status(config: Config = DEFAULT, json: Json = False) -> None:
    """Show how this host's agent is doing: controller, revisions, resources by state, what fails and why."""
    from onehop.agent.call import call
    from onehop.agent.request import StatusAnswer, StatusRequest

    answer = call(run_dir(config), StatusRequest(), StatusAnswer)
    if json:
        show_json(answer)
        return
    from rich.markup import escape
    from rich.table import Table

    out = console()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    reached = "[green]connected[/]" if answer.connected else f"[red]not connected[/]: {escape(answer.controller_error)}"
    table.add_row("host", f"{escape(answer.host)} (agent {answer.pid})")
    table.add_row("controller", f"{escape(answer.controller)} {reached}")
    sync = "[green]in sync[/]" if answer.in_sync else "[yellow]not in sync[/]"
    table.add_row("revision", f"{answer.applied} applied of {answer.wanted} wanted, {sync}")
    bad = f", [red]{answer.failing} not as they should be[/]" if answer.failing else ""
    table.add_row("kernel objects", f"{answer.objects}{bad}")
    table.add_row("plugs", str(answer.plugs))
    if answer.metrics:
        table.add_row("metrics", f"http://{escape(answer.metrics)}/metrics")
    for kind, states in answer.resources.items():
        table.add_row(f"{kind}s", ", ".join(f"{number} {state}" for state, number in states.items()))
    out.print(table)
    if not answer.complete:
        out.print("[yellow]there was no complete view yet: nothing is changed or removed until there is one[/]")
    for warning in answer.warnings:
        out.print(f"[yellow]{escape(warning)}[/]")
    for note in answer.notes:
        out.print(f"[dim]note: {escape(note)}[/]")
    for problem in answer.problems:
        out.print(f"[red]{escape(problem.what)}[/]: {escape(problem.reason)}")
