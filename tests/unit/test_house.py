"""Rules of the house that no linter knows: each test is a rule, and names the file and line that breaks it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "benchmarks", "scripts")
PURE = ("compiler", "model", "net", "objects", "reconciler", "verify", "wire")
LONGEST = 400
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "hash", "id", "breakpoint", "__import__"}
INDEX = re.compile(r"https?:|--(?:extra-)?index|--find-links|--trusted-host|file://|/simple", re.IGNORECASE)
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+) \\$", re.MULTILINE)


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(_tree(path))


def with_words(words: re.Pattern[str], *folders: str) -> list[Path]:
    """Modules whose text has one of the words: reading costs a hundredth of parsing."""
    return [path for path in modules(*folders) if words.search(path.read_text(encoding="utf-8"))]


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules(*FOLDERS)}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.slow
def test_no_exception_is_passed_over_in_silence() -> None:
    silent = [
        at(path, node.lineno)
        for path in modules(*FOLDERS)
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and all(_does_nothing(statement) for statement in node.body)
    ]
    assert silent == []


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or constant


def test_no_test_patches_skips_or_sleeps() -> None:
    forbidden = re.compile(r"(?:^|\.)(?:mock(?:\.|$)|patch$|time\.sleep$|skip$|skipif$|xfail$|importorskip$)")
    words = re.compile(r"\b(?:mock|patch|sleep|skip|skipif|xfail|importorskip)\b")
    found = [
        f"{at(path, node.lineno)}: {name}"
        for path in with_words(words, "tests")
        for node in nodes(path)
        if isinstance(node, ast.Call | ast.ImportFrom | ast.Import | ast.Attribute)
        for name in _names(node)
        if forbidden.search(name)
    ]
    assert found == []


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return [node.func.id]
    if isinstance(node, ast.Attribute):
        return [f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else node.attr]
    return []


@pytest.mark.parametrize(
    ("mark", "form"),
    [
        ("# type: ignore", re.compile(r"# type: ignore\[[\w, -]+\]  # \S")),
        ("# noqa", re.compile(r"# noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*(?:  # | - |: | — |  )\S")),
    ],
)
def test_every_ignore_has_a_code_and_a_reason_on_its_line(mark: str, form: re.Pattern[str]) -> None:
    bare = [
        at(path, number)
        for path in modules(*FOLDERS)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if mark in line and not form.search(line)
    ]
    assert bare == []


def test_below_the_line_nothing_is_opened_printed_or_hashed_with_a_seed() -> None:
    """`hash` of a text differs from process to process, `id` always: no output may depend on them."""
    called = re.compile(rf"\b(?:{'|'.join(IMPURE_BUILTINS)})\s*\(")
    pure = [f"src/onehop/{package}" for package in PURE]
    calls = [
        f"{at(path, node.lineno)}: {node.func.id}"
        for path in with_words(called, *pure)
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS
    ]
    assert modules(*pure) != []
    assert calls == []


@pytest.mark.parametrize("name", ["build", "runtime", "dev"])
def test_a_lock_has_hashes_and_no_index_address(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    assert [line for line in text.splitlines() if INDEX.search(line)] == []
    pins = PIN.findall(text)
    assert len(pins) == len(re.findall(r"^\S+==", text, re.MULTILINE)) > 0
    blocks = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_what_is_tested_is_what_is_shipped() -> None:
    locks = {name: dict(PIN.findall((ROOT / f"requirements/{name}.txt").read_text())) for name in ("runtime", "dev")}
    assert locks["runtime"].items() <= locks["dev"].items()
