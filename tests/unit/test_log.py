"""Logging: one event is one line, whatever is in it."""

import io
import json
import logging

import pytest
import structlog

from onehop import log

FORGED = "fine\r\n2026-01-01 [info] admin logged in\x1b[2J\u2028end"


@pytest.fixture(autouse=True)
def restored() -> object:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield None
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_from_outside_can_forge_a_line(form: str) -> None:
    out = io.StringIO()
    log.setup(form, "info", out)
    log.logger("test").warning(FORGED, name=FORGED)
    logging.getLogger("library").error("%s", FORGED)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert all("\\r" in line and "\\n" in line for line in lines)
    assert not any("\x1b[2J" in line for line in lines)


def test_json_events_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    log.setup("json", "info", out)
    log.logger("stream", host="host-1").info("agent connected", session=3)
    event = json.loads(out.getvalue())
    assert event["event"] == "agent connected"
    assert event["area"] == "stream"
    assert (event["host"], event["session"], event["level"]) == ("host-1", 3, "info")


def test_what_is_less_severe_than_the_level_is_not_written() -> None:
    out = io.StringIO()
    log.setup("json", "warning", out)
    log.logger("test").info("quiet")
    assert out.getvalue() == ""
