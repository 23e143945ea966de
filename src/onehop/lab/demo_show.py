"""How the demo looks: progress lines with the time, and tables."""

import sys
import time
from collections.abc import Sequence

import msgspec

from onehop.lab.measure import Path


class Screen:
    """Where the demo is shown; `quiet` shows nothing but the JSON document."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, emoji=False, quiet=quiet)
        self._begin = time.monotonic()

    def line(self, text: str) -> None:
        """A line of progress."""
        from rich.markup import escape

        self._console.print(f"[dim]{time.monotonic() - self._begin:5.1f} s[/]  {escape(text)}", soft_wrap=True)

    def paths(self, title: str, paths: Sequence[Path]) -> None:
        """A table of paths: one row for both IP versions of each."""
        from rich.table import Table

        table = Table(title=title, title_justify="left")
        # On a narrow terminal the words give way, never the numbers.
        table.add_column("path")
        for column in ("from", "to"):
            table.add_column(column, no_wrap=True)
        for column in ("hops", "IPv4", "IPv6"):
            table.add_column(column, justify="right", no_wrap=True)
        rows: dict[tuple[str, str, str], dict[int, Path]] = {}
        for path in paths:
            rows.setdefault((path.title, path.source, path.sink), {})[path.version] = path
        for key, versions in rows.items():
            hops = sorted({str(path.hops) for path in versions.values() if path.hops is not None})
            table.add_row(*key, " ".join(hops) or "-", *(_cell(versions.get(version)) for version in (4, 6)))
        self._console.print(table)

    def text(self, title: str, text: str) -> None:
        """What a command printed."""
        from rich.panel import Panel
        from rich.text import Text

        self._console.print(Panel(Text(text.strip()), title=title, title_align="left", expand=False))

    def move(self, name: str, target: str, sent: int, lost: int) -> None:
        """What a move cost."""
        self._console.print(
            f"moved [bold]{name}[/] to [bold]{target}[/] under {sent} probes, one each millisecond: "
            f"[bold]{lost}[/] lost, about {lost} ms",
            soft_wrap=True,
        )

    def failover(self, heir: str, packets: float, stream: float, error: str) -> None:
        """What the loss of an owner cost."""
        verdict = f"[red]the stream broke: {error}[/]" if error else f"the stream went on after [bold]{stream:.1f} s[/]"
        self._console.print(
            f"[bold]{heir}[/] took over; packets were lost for [bold]{packets:.1f} s[/]; {verdict}", soft_wrap=True
        )

    def end(self, good: bool, seconds: float) -> None:
        """The last line."""
        verdict = "[green]everything was as it should be[/]" if good else "[red]something was not as it should be[/]"
        self._console.print(f"{verdict}; {seconds:.0f} s; nothing is left on this machine")

    def json(self, value: msgspec.Struct) -> None:
        """The document, whether quiet or not."""
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _cell(path: Path | None) -> str:
    if path is None:
        return "-"
    if not path.arrived:
        return "[red]lost[/]" if path.wanted else "[green]no answer[/]"
    shown = f"{path.milliseconds:.3f} ms" if path.milliseconds is not None else "answers"
    return f"[green]{shown}[/]" if path.wanted else f"[red]{shown}[/]"
