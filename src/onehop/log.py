"""Logging: one event a line, for a person on a terminal or as JSON for a machine.

What comes from outside (names, descriptions, reasons) cannot forge a line: carriage returns, line feeds and other
control characters are escaped in every text, JSON or not.
"""

import logging
import re
import sys
from typing import Any, TextIO

_RICH = sys.modules.get("rich")
try:
    # structlog would import rich for tracebacks, which `format_exc_info` writes here: 4 MiB of each daemon.
    sys.modules["rich"] = None  # type: ignore[assignment]  # says that there is none
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger
finally:
    del sys.modules["rich"]
    if _RICH is not None:
        sys.modules["rich"] = _RICH

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def setup(format_: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logging, the standard library's too, to `stream` (standard error) in one form.

    Args:
        format_: ``json``, ``console``, or ``auto``: ``console`` if `stream` is a terminal.
        level: least severe level that is written.
        stream: where to.
    """
    out = stream if stream is not None else sys.stderr
    console = format_ == "console" or (format_ == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _escape,
    ]
    render = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(sort_keys=True, default=str)
    )
    number = logging.getLevelName(level.upper())
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def logger(area: str, **context: object) -> FilteringBoundLogger:
    """A logger whose events carry `area` and `context`."""
    bound: FilteringBoundLogger = structlog.get_logger(area=area, **context)
    return bound


def requested(*requests: str) -> None:
    """All that this task or thread logs from now on says which requests to the API it is about; none: about none."""
    if requests:
        structlog.contextvars.bind_contextvars(requests=list(requests))
    else:
        structlog.contextvars.unbind_contextvars("requests")


def request_id() -> str:
    """The id of the one request that this task or thread is about, or ""."""
    requests = structlog.contextvars.get_contextvars().get("requests", ())
    return str(requests[0]) if len(requests) == 1 else ""


def escape(text: str) -> str:
    """`text` on one line: control characters as backslash escapes."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def _escape(_logger: object, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escape(value)
    return event
