"""The command line: quick, one sentence for errors, the right exit status."""

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import typer

from onehop.cli.root import COMMANDS, run


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys; from onehop.cli.root import run; status = run(['--help']);"
        "heavy = {'typer', 'rich', 'msgspec', 'sqlalchemy', 'websockets'} & set(sys.modules);"
        "sys.exit(f'{status} {heavy}' if status or heavy else 0)"
    )
    begin = time.process_time()
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert time.process_time() - begin < 0.3
    assert ran.returncode == 0, ran.stderr
    for command in COMMANDS:
        assert command.name in ran.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.name  # type: ignore[attr-defined]  # a Command
    assert run([name, "--help"]) == 0
    assert f"onehop {name}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_module_has_an_app(command: object) -> None:
    assert isinstance(import_module(command.module).app, typer.Typer)  # type: ignore[attr-defined]  # a Command


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["plug"], ["plug", "--nonsense"], ["host", "nonsense"], ["pki", "nonsense"]]
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err


def test_a_failure_is_one_sentence_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--config", str(tmp_path / "none.toml")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "--config" in captured.err


def test_plug_needs_to_know_where_the_instance_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'host = "h"\ncontroller = "127.0.0.1:1"\nvtep = "192.0.2.1"\nrun_dir = "{tmp_path}"\n')
    port = "00000000-0000-4000-8000-000000000000"
    assert run(["plug", port, "--config", str(config)]) == 2
    assert run(["plug", port, "--tap", "--netns", "x", "--config", str(config)]) == 2
    capsys.readouterr()
    assert run(["plug", port, "--tap", "--config", str(config)]) == 1
    assert "onehop-agent" in capsys.readouterr().err
