"""`onehop audit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onehop.cli.app import console, new, show_json
from onehop.cli.ask import DEFAULT
from onehop.settings import CONFIG_VARIABLE, DEFAULT_CONTROLLER_FILE

if TYPE_CHECKING:
    from onehop.audit import Result

app = new("Look whether everything keeps its promises; change nothing.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_COLOURS = {"ok": "green", "note": "yellow", "finding": "red"}


@app.command()
def audit(
    controller: Annotated[
        Path | None, typer.Option(help="The controller's configuration; its part is left out where there is none.")
    ] = None,
    agent: Annotated[
        Path | None,
        typer.Option(
            help="The agent's configuration; its part is left out where there is none.", envvar=CONFIG_VARIABLE
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look at the controller and the host that run on this machine under the ten pillars; change nothing.

    Ends with status 1 where there is a finding.
    """
    from onehop.audit import PILLARS
    from onehop.errors import NotFoundError

    controller_file, agent_file = controller or DEFAULT_CONTROLLER_FILE, agent or DEFAULT
    found: list[tuple[str, Result]] = []
    if controller is not None or (agent is None and controller_file.exists()):
        found += [("controller", result) for result in _controller(controller_file)]
    if agent is not None or (controller is None and agent_file.exists()):
        found += [("host", result) for result in _host(agent_file)]
    if not found:
        raise NotFoundError(
            f"there is neither {controller_file} nor {agent_file}; name one with --controller or --agent"
        )
    order = list(PILLARS)
    found.sort(key=lambda one: (order.index(one[1].pillar), one[0]))
    findings = sum(result.state == "finding" for _, result in found)
    if json:
        rows = [{"where": where, **{f: getattr(r, f) for f in r.__struct_fields__}} for where, r in found]
        show_json({"findings": findings, "results": rows})
    else:
        _show(found, findings)
    if findings:
        raise typer.Exit(1)


def _controller(path: Path) -> "list[Result]":
    import time

    from onehop import log
    from onehop.controller.audit import results
    from onehop.controller.audit_facts import gather
    from onehop.settings import load_controller
    from onehop.store import Store

    settings = load_controller(path)
    log.setup("console", "warning")
    store = Store.open(settings.database_url)
    try:
        with store.read() as tx:
            return results(gather(tx, settings, time.time()))
    finally:
        store.close()


def _host(path: Path) -> "list[Result]":
    from onehop.agent import audit as checks
    from onehop.agent.call import call
    from onehop.agent.request import AuditAnswer, AuditRequest, StatusAnswer, StatusRequest
    from onehop.settings import load_agent

    settings = load_agent(path)
    run_dir = Path(settings.run_dir)
    seen = call(run_dir, AuditRequest(), AuditAnswer)
    status = call(run_dir, StatusRequest(), StatusAnswer)
    return checks.results(checks.gather(settings, status, seen))


def _show(found: "list[tuple[str, Result]]", findings: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    from onehop.audit import PILLARS

    out = console()
    if not out.is_terminal:
        out.width = 200  # to be read by `grep`, not cut to a screen that is not there
    table = Table("pillar", "where", "check", "", "result", "what to do", box=None)
    for where, result in found:
        state = f"[{_COLOURS[result.state]}]{result.state}[/]"
        pillar = f"{result.pillar} {PILLARS[result.pillar]}"
        table.add_row(pillar, where, result.check, state, escape(result.result), escape(result.todo))
    out.print(table)
    out.print(f"{len(found)} checks, {findings} findings")
