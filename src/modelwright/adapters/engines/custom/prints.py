"""What the user's code prints becomes log lines, whole and in time; nothing else is done to it."""

from __future__ import annotations

import logging
import sys
import threading
from io import TextIOBase

LONGEST = 8192
"""Characters of one line; a longer one is cut into several."""


class Prints(TextIOBase):
    """Stands in for `sys.stdout`; each thread's lines are its own."""

    encoding = "utf-8"
    errors = None

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._own = threading.local()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For programs that are started with our output as theirs."""
        return sys.__stdout__.fileno() if sys.__stdout__ else 1

    def write(self, text: str) -> int:
        """Lines that are complete go to the log."""
        rest = getattr(self._own, "rest", "") + text
        *lines, rest = rest.split("\n")
        while len(rest) > LONGEST:
            lines.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        for line in lines:
            if line:
                self._logger.info("%s", line)
        self._own.rest = rest
        return len(text)

    def flush(self) -> None:
        """What was printed without an end of line."""
        if getattr(self._own, "rest", ""):
            self.write("\n")


def catch_prints(name: str) -> None:
    """From now on what is printed is logged under this name."""
    if not isinstance(sys.stdout, Prints):
        sys.stdout = Prints(logging.getLogger(name))
