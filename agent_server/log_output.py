"""Where log lines go: standard error, readable on a terminal or as JSON. Never a query string, body or secret."""

import logging
import sys
from typing import Any, Final

import structlog

MANY_LINES: Final = frozenset({"traceback"})


def printable(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Write out what could command the terminal or begin a line of its own; a traceback keeps its lines."""
    return {name: _written_out(name, value) if isinstance(value, str) else value for name, value in event.items()}


def _written_out(name: str, text: str) -> str:
    if text.isprintable():
        return text
    kept = "\n" if name in MANY_LINES else ""
    return "".join(
        letter if letter.isprintable() or letter in kept else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def configure(log_format: str, *, quiet: bool = False) -> None:
    """Set up structlog for the process; call once at start. `quiet` keeps warnings and errors only."""
    rendering: list[structlog.typing.Processor] = (
        [
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
        if log_format == "json"
        else [printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=not quiet,
    )
