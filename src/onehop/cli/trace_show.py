"""How a trace looks for a person: by host and namespace, in the words of ``ip``, ``bridge`` and ``nft``."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from onehop.cli.app import console
from onehop.lab.live import Live
from onehop.verify.trace import Trace
from onehop.verify.trail import Step

_COLOURS = {"nat": "yellow", "nft": "yellow", "route": "cyan", "neighbour": "dim", "tunnel": "magenta"}
_WORDS = {"fabric": "wire", "neighbour": "neigh", "packet": "in", "sent": "out"}
_COLUMN = 7


def show(trace: Trace, live: Live | None) -> None:
    """Print a trace, and what real packets said."""
    out = console()
    out.print(f"[bold]{_safe(trace.packet)}[/]")
    for place, steps in groupby(trace.there, key=_where):
        out.print(f"\n[bold blue]{_safe(place)}[/]")
        for one in steps:
            _print_step(out, one)
    if trace.back:
        out.print(f"\n[bold]the answer[/] {_safe(trace.back[0].text)}")
        for place, steps in groupby(trace.back, key=_where):
            _print_short(out, place, list(steps))
    out.print()
    _print_verdict(out, trace)
    if live is not None:
        _print_live(out, trace, live)


def _where(step: Step) -> str:
    namespace = step.namespace.replace("instance of ", "instance of port ")
    if step.host == "outside":
        return f"outside: {namespace}"
    return f"{step.host}: {namespace}" if namespace else step.host


def _print_step(out: Any, step: Step) -> None:
    """One thing that happened; what is wrapped stays in its column."""
    from rich.text import Text

    colour = _COLOURS.get(step.kind, "default")
    head = f"  [{colour}]{_WORDS.get(step.kind, step.kind):<{_COLUMN}}[/] "
    for line in _lines(step):
        for part in Text.from_markup(line).wrap(out, out.width - _COLUMN - 3):
            part.rstrip()
            out.print(Text.from_markup(head) + part)
            head = " " * (_COLUMN + 3)


def _lines(step: Step) -> Iterator[str]:
    device = (
        f"[bold]{_safe(step.device)}[/] "
        if step.kind in ("packet", "sent", "tunnel", "neighbour") and step.device
        else ""
    )
    where, colon, rule = step.text.partition(": ")
    if step.kind in ("nat", "nft") and colon:
        yield f"{_safe(where)}"
        yield f"[dim]{_safe(rule)}[/]"
    else:
        yield f"{device}{_safe(step.text)}"
    if step.before != step.after:
        yield f"[red]- {_safe(step.before)}[/]"
        yield f"[green]+ {_safe(step.after)}[/]"


def _print_short(out: Any, place: str, steps: list[Step]) -> None:
    """One line for each place of an answer, and one for each rewrite."""
    devices = list(dict.fromkeys(step.device for step in steps if step.device))
    out.print(f"  [blue]{_safe(place)}[/] [dim]{_safe(' '.join(devices))}[/]")
    for step in steps:
        if step.kind == "nat" and step.before != step.after:
            out.print(f"    [yellow]nat[/] now {_safe(step.after)}")
        elif step.kind == "route" and "fwmark" in step.text:
            out.print(f"    [cyan]steered[/] {_safe(step.text)}")


def _print_verdict(out: Any, trace: Trace) -> None:
    good = trace.outcome in ("answered", "refused")
    out.print(f"[bold {'green' if good else 'red'}]{_safe(trace.summary)}[/]")
    death = trace.death
    if death is not None and death.rule:
        out.print(f"  table {_safe(death.table)}, chain {_safe(death.chain)}:")
        out.print(f"  [bold]{_safe(death.rule)}[/]")
    elif death is not None and death.chain:
        out.print(f"  table {_safe(death.table)}, chain {_safe(death.chain)}: its policy")
    if good and trace.seen and trace.seen != trace.question.source:
        number = f" port {trace.seen_port}" if trace.seen_port else ""
        out.print(f"  seen there as {_safe(trace.seen)}{number}")
    if trace.advice:
        out.print(f"  {_safe(trace.advice)}")


def _print_live(out: Any, trace: Trace, live: Live) -> None:
    words = {
        "answered": f"{live.answered_from} answers after {live.milliseconds} ms",
        "refused": f"{live.answered_from} answers after {live.milliseconds} ms that nobody listens there",
        "silent": "nobody answers",
    }
    out.print(f"[bold]real packets:[/] {_safe(words[live.outcome])}")
    if live.agrees is None:
        out.print("  that says nothing against the model: only who listens answers UDP")
    elif live.agrees:
        out.print("  [green]as the model says[/]")
    else:
        out.print(
            f"  [bold red]the model says otherwise ({trace.outcome})[/]: a kernel has drifted (`onehop status` and "
            "`onehop plan` on the hosts above tell), something inside the instance is not configured, or the model is "
            "wrong"
        )


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(text)
