"""Free-text logs and exceptions as JSON lines like the events; it knows no room and no event."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

QUIET = {"uvicorn.error": logging.WARNING, "asyncio": logging.WARNING}
"""Loggers of libraries that would tell of their own ordinary life."""


def configure_logging(part: str, *, write: Callable[[bytes], None], level: str = "info") -> None:
    """Send everything that is logged through the standard library to `write`, one JSON object per line.

    Exceptions carry their traceback as text, without the values of variables: those may hold secrets.
    """
    handler = _Handler(write)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.TimeStamper(fmt=None, key="at"),
                structlog.processors.format_exc_info,
                _Ordered(part),
                structlog.processors.JSONRenderer(serializer=_serialize),
            ],
        )
    )
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


class _Ordered:
    """Puts part and level first, as in the lines of events."""

    def __init__(self, part: str) -> None:
        self._part = part

    def __call__(self, _logger: Any, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        message = fields.pop("event", "")
        level = fields.pop("level", "info")
        return {"part": self._part, "level": level, "event": "log", "message": message, **fields}


def _serialize(fields: Any, **_: Any) -> str:
    return msgspec.json.encode(fields, enc_hook=repr).decode()


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logging.getLogger("modelwright").critical("uncaught exception", exc_info=(kind, error, trace))
