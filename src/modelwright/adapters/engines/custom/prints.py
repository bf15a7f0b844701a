"""What the user's code prints becomes log lines, whole and in time; nothing else is done to it."""

from __future__ import annotations

import logging
import sys
import threading
from io import TextIOBase

LONGEST = 8192
"""Characters of one line; a longer one is cut into several."""


class Prints(TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr`; each thread's lines are its own."""

    encoding = "utf-8"
    errors = None

    def __init__(self, logger: logging.Logger, level: int = logging.INFO) -> None:
        self._logger = logger
        self._level = level
        self._own = threading.local()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For programs that are started with our output as theirs."""
        return 1 if self._level == logging.INFO else 2

    def write(self, text: str) -> int:
        """Lines that are complete go to the log."""
        rest = getattr(self._own, "rest", "") + text
        *lines, rest = rest.split("\n")
        while len(rest) > LONGEST:
            lines.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        self._own.rest = rest
        self._log([line for line in lines if line])
        return len(text)

    def flush(self) -> None:
        """What was printed without an end of line."""
        if getattr(self._own, "rest", ""):
            self.write("\n")

    def _log(self, lines: list[str]) -> None:
        if getattr(self._own, "logs", False):
            return  # logging complains about itself: that must not be logged
        self._own.logs = True
        try:
            for line in lines:
                self._logger.log(self._level, "%s", line)
        finally:
            self._own.logs = False


def catch_prints(name: str) -> None:
    """From now on what is printed is logged under this name; what goes to stderr as warnings."""
    if not isinstance(sys.stdout, Prints):
        sys.stdout = Prints(logging.getLogger(name))
    if not isinstance(sys.stderr, Prints):
        sys.stderr = Prints(logging.getLogger(name), logging.WARNING)
