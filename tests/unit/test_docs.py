"""Pages that are derived from code are current, and no link between pages is broken."""

import re
from pathlib import Path

import pytest

from onehop.audit import PILLARS
from onehop.cli.root import COMMANDS
from scripts import docs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", docs.derived(), ids=lambda page: page.name)
def test_a_derived_page_is_as_make_docs_writes_it(page: Path) -> None:
    assert page.read_text() == docs.derived()[page], "run `make docs` and commit what it writes"


def test_no_link_is_broken() -> None:
    assert docs.broken_links() == []


def test_every_test_that_the_page_on_security_names_exists() -> None:
    text = (ROOT / "docs/security.md").read_text()
    modules = {str(path.relative_to(ROOT / "tests")): path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    there = {
        name for source in modules.values() for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)
    }
    named = set(re.findall(r"\b(test_\w+)\b(?!\.py)", text))
    files = {found.removeprefix("tests/") for found in re.findall(r"`([\w/]+\.py)`", text) if "test_" in found}
    assert len(named) > 100
    assert named - there == set()
    assert files - modules.keys() == set()


def test_the_page_on_security_names_tests_for_each_pillar() -> None:
    text = (ROOT / "docs/security.md").read_text()
    rows = dict(re.findall(r"^\| (CWE-\d+) [a-z ]+ \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE))
    assert rows.keys() == PILLARS.keys()
    assert all(len(re.findall(r"`test_\w+`", tests)) >= 3 for tests in rows.values())


def test_the_page_on_security_has_a_line_for_every_row_of_what_happened_to_others() -> None:
    """Letters are pillars; the numbers of a letter that nothing happened under are left out."""
    text = (ROOT / "docs/security.md").read_text()
    said = {
        row for cell in re.findall(r"^\| ([A-J]\d+(?:, [A-J]\d+)*) \|", text, re.MULTILINE) for row in cell.split(", ")
    }
    said |= set(re.findall(r"\(([A-J]\d+)\)", text))
    without = {"A": {6}, "B": {3, 6, 9, 12}, "C": {3, 6, 9, 12, 15, 21, 24}, "D": {3, 6}, "E": {3, 6, 9, 12}}
    without |= {"F": {6, 9}, "G": {3, 6}, "H": {6, 9, 12, 15}, "I": {3}, "J": {3, 6}}
    last = {"A": 8, "B": 13, "C": 26, "D": 7, "E": 17, "F": 11, "G": 8, "H": 17, "I": 5, "J": 8}
    rows = {f"{letter}{n}" for letter, end in last.items() for n in range(1, end + 1) if n not in without[letter]}
    assert rows - said == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_pages_name_only_commands_that_exist() -> None:
    known = {command.name for command in COMMANDS}
    said = re.compile(r"`(?:sudo )?onehop ([a-z]+)\b(?![/.])|^(?:sudo )?onehop ([a-z]+)\b", re.MULTILINE)
    named = set()
    for page in docs.pages():
        text = page.read_text()
        fenced = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        named |= {(page.name, match[1]) for match in said.finditer(prose) if match[1]}
        named |= {(page.name, match[2]) for match in said.finditer(fenced) if match[2]}
    assert {(page, word) for page, word in named if word not in known} == set()


def test_pages_name_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for page in docs.pages() for word in re.findall(r"`(?:sudo )?make ([a-z]+)", page.read_text())}
    assert named <= targets
