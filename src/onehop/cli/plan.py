"""`onehop plan`."""

from onehop.cli.app import console, new, show_json
from onehop.cli.ask import DEFAULT, Config, Json, run_dir

app = new("Show what this host's agent would do now.")


@app.command()
def plan(config: Config = DEFAULT, json: Json = False) -> None:
    """Show what this host's agent would do now, as commands, with the resource and feature that want each."""
    from onehop.agent.call import call
    from onehop.agent.request import PlanAnswer, PlanRequest

    answer = call(run_dir(config), PlanRequest(), PlanAnswer)
    if json:
        show_json(answer)
        return
    from rich.markup import escape

    out = console()
    if not answer.complete:
        out.print("there was no complete view yet: the agent does nothing until there is one")
    elif not answer.ops:
        out.print("nothing to do: the kernel holds what is wanted")
    for op in answer.ops:
        who = f"{op.feature}: {op.resource}" if op.feature else "not wanted any more"
        if op.op == "blocked":
            out.print(f"[red]# blocked: {escape(op.text)}[/]  [dim]# {escape(who)}[/]")
            continue
        first, *rest = op.text.split("\n")
        out.print(f"{escape(first)}  [dim]# {escape(who)}[/]")
        for line in rest:
            out.print(escape(line))
