"""`make docs`: writes the pages that are derived from code, then checks every link between pages.

usage: python -m scripts.docs
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from onehop.settings import AgentSettings, ControllerSettings
from scripts import alerts, dashboard, metrics

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^    (\w+(?:, \w+)*): (.*(?:\n {8,}\S.*)*)", re.MULTILINE)

CONFIGURATION = """\
# Configuration

<!-- Written by `make docs` from src/onehop/settings.py: edit there. -->

Controller and agent each read one TOML file. A key that is not in these tables, or whose value has the wrong type, is
refused at start with file, line and key, and with the key that was probably meant. Paths are not created.
"""


def configuration() -> str:
    """docs/configuration.md."""
    parts = [CONFIGURATION]
    for title, default, type_ in (
        ("Controller", "/etc/onehop/controller.toml", ControllerSettings),
        ("Agent", "/etc/onehop/agent.toml", AgentSettings),
    ):
        parts.append(f"## {title}\n\n`onehop {title.lower()} --config FILE`; without it, `{default}`.\n")
        parts.append("| key | type | default | meaning |\n| --- | --- | --- | --- |")
        parts[-1] += "".join(f"\n{row}" for row in _rows(type_)) + "\n"
    return "\n".join(parts)


def _rows(type_: type[msgspec.Struct]) -> Iterator[str]:
    meanings = _attributes(type_.__doc__ or "")
    hints = get_type_hints(type_)
    for field in msgspec.structs.fields(type_):
        meaning = meanings[field.name].replace("``", "`").replace("|", "\\|")
        default = "**required**" if field.required else f"`{_toml(_default(field))}`"
        if field.default is None:
            default = "none"
        yield f"| `{field.name}` | {_type(hints[field.name])} | {default} | {meaning[:1].upper()}{meaning[1:]} |"


def _attributes(docstring: str) -> dict[str, str]:
    """Name → meaning, of the Attributes section of a docstring."""
    section = textwrap.dedent(docstring.partition("\n")[2]).partition("Attributes:\n")[2]
    found = {}
    for names, meaning in _ATTRIBUTE.findall(section):
        for name in names.split(", "):
            found[name] = " ".join(meaning.split())
    return found


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type(hint: Any) -> str:
    """A type as an operator says it."""
    choices = [choice for choice in getattr(hint, "__args__", ()) if choice is not type(None)]
    if str(hint).startswith("typing.Literal"):
        return ", ".join(f"`{_toml(choice)}`" for choice in choices)
    if hint in (str, int, float):
        return {str: "text", int: "integer", float: "number"}[hint]
    if str(hint).startswith("tuple"):
        return f"list of {_type(choices[0])}"
    if str(hint).startswith("dict"):
        return f"table of {_type(choices[1])}"
    return " or ".join(map(_type, choices))


def decisions() -> str:
    """docs/decisions/README.md: the index of the decision records."""
    lines = ["# Decisions", "", "<!-- Written by `make docs` from the records' headings and status lines. -->", ""]
    lines += ["One record for each decision that would be asked about again: what was chosen, why, and what would make"]
    lines += ["us choose anew. A record is not rewritten; a later one supersedes it.", ""]
    lines += ["| number | decision | status |", "| --- | --- | --- |"]
    for record in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        text = record.read_text()
        title = re.search(r"^# (?:\d+[.:]? ?)?(.+)$", text, re.MULTILINE)
        status = re.search(r"^[*-]? ?\**Status\**:?\**:? *(.+)$", text, re.MULTILINE | re.IGNORECASE)
        name = title[1].strip() if title else record.stem
        lines.append(f"| [{record.name[:4]}]({record.name}) | {name} | {status[1].strip() if status else 'accepted'} |")
    return "\n".join(lines) + "\n"


def derived() -> dict[Path, str]:
    """Every derived page, and other file, with what should be in it."""
    return {
        ROOT / "docs/configuration.md": configuration(),
        ROOT / "docs/decisions/README.md": decisions(),
        ROOT / "docs/metrics.md": metrics.page(),
        ROOT / "packaging/grafana/onehop.json": dashboard.dashboard(),
        ROOT / "packaging/prometheus/onehop.rules.yml": alerts.rules(),
    }


def pages() -> list[Path]:
    """Every Markdown page of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def broken_links() -> list[str]:
    """Links to files or headings of ours that are not there, as ``page: target``."""
    broken = []
    for page in pages():
        for match in _LINK.finditer(_FENCE.sub("", page.read_text())):
            target = match[1] or match[2]
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and anchor not in _anchors(file)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    return broken


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-") for heading in headings}


def main() -> int:
    """Write and check; the exit status."""
    for path, text in derived().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    broken = broken_links()
    for link in broken:
        print(f"broken link: {link}", file=sys.stderr)
    print(f"{len(pages())} pages, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
