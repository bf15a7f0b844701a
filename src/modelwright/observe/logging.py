"""Free-text logs and exceptions as JSON lines like the events; it knows no room and no event."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import msgspec

QUIET = {"uvicorn.error": logging.WARNING, "asyncio": logging.WARNING}
"""Loggers of libraries that would tell of their own ordinary life."""


def configure_logging(part: str, *, write: Callable[[bytes], None], level: str = "info") -> None:
    """Send everything that is logged through the standard library to `write`, one JSON object per line.

    Exceptions carry their traceback as text, without the values of variables: those may hold secrets.
    """
    handler = _Handler(write)
    handler.setFormatter(_Lines(part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)
    sys.excepthook = _log_uncaught


class _Handler(logging.Handler):
    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record).encode(errors="backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001 - logging must not fail the code that logs
            self.handleError(record)


class _Lines(logging.Formatter):
    """Part and level first, as in the lines of events."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "part": self._part,
            "level": record.levelname.lower(),
            "event": "log",
            "message": record.getMessage(),
            "logger": record.name,
            "at": record.created,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logging.getLogger("modelwright").critical("uncaught exception", exc_info=(kind, error, trace))
