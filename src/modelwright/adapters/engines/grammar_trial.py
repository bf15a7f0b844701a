"""Tries grammars in a process of its own, since some break a pipeline for good, crash their compiler or have no end.

What the compiler says does not depend on the model, but its time depends on the vocabulary: so the trial runs a blank
model with the tokens of the real one. What passes here costs the engine as much time once more, and no longer.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import IO

from modelwright.adapters.engines import grammar_child
from modelwright.core.ports.engines import Constraint

REMEMBERED = 1024
"""Grammars whose verdict is known; the one that was used longest ago goes first."""
IDLE = 600.0
"""Seconds after the last grammar for which the process is kept."""
_UNTRIED = "nobody could try it: "
"""How words begin that tell nothing of the grammar, and are not remembered."""
_TIMED_OUT = (-signal.SIGPROF, -signal.SIGALRM)
_Asked = queue.SimpleQueue[tuple[Constraint, Future[str]] | None]


class GrammarTrial:
    """Its process is started by the first grammar, and again after one that has ended it; no answer waits for it."""

    def __init__(self, tokens: Callable[[], Sequence[str]] = tuple) -> None:
        """`tokens` gives those of the real model, when the first grammar comes."""
        self._verdicts: OrderedDict[Constraint, Future[str]] = OrderedDict()
        self._asked: _Asked = queue.SimpleQueue()
        self._bench = _Bench(self._asked, tokens)
        self._started = False

    def verdict(self, grammar: Constraint) -> Future[str]:
        """What is wrong with it, in the compiler's words; empty when nothing is."""
        known = self._verdicts.get(grammar)
        if known is None or (known.done() and known.result().startswith(_UNTRIED)):
            known = self._verdicts[grammar] = Future()
            self._asked.put((grammar, known))
            if len(self._verdicts) > REMEMBERED:
                self._verdicts.popitem(last=False)
        self._verdicts.move_to_end(grammar)
        if not self._started:
            self._started = True
            weakref.finalize(self, self._asked.put, None)
            # Not one that the end of the worker would wait for.
            threading.Thread(target=self._bench.run, name="grammar-trial", daemon=True).start()
        return known


class _Bench:
    """The thread that asks the process, and waits for it."""

    def __init__(self, asked: _Asked, tokens: Callable[[], Sequence[str]]) -> None:
        self._asked = asked
        self._tokens = tokens
        self._child: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """Until nobody can ask any more."""
        while True:
            try:
                asked = self._asked.get(timeout=IDLE)
            except queue.Empty:
                self._end()
                continue
            if asked is None:
                self._end()
                return
            grammar, verdict = asked
            try:
                verdict.set_result(self._try(grammar))
            except Exception as error:  # noqa: BLE001 - others wait for this thread
                self._end()
                verdict.set_result(f"{_UNTRIED}{error}")

    def _try(self, grammar: Constraint) -> str:
        answer = self._said([grammar.kind, grammar.text]) if self._child or self._start() else ""
        if answer:
            return json.loads(answer)
        if self._end() in _TIMED_OUT:
            return f"it takes more than {grammar_child.SECONDS:g} seconds of processor time"
        return "it brings its compiler down"

    def _start(self) -> bool:
        self._child = subprocess.Popen(
            [sys.executable, "-m", grammar_child.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        if not self._said(list(self._tokens())):
            raise OSError(f"its process ended with status {self._end()} at the start")
        return True

    def _said(self, words: list[str]) -> str:
        """What the process says to these words; empty when it has ended."""
        asked, answers = _ends(self._child)
        try:
            print(json.dumps(words), file=asked, flush=True)
            return answers.readline()
        except BrokenPipeError:
            return ""

    def _end(self) -> int | None:
        """It ends when nobody can ask it; how it ended."""
        child, self._child = self._child, None
        if child is None:
            return None
        for end in _ends(child):
            try:
                end.close()
            except BrokenPipeError:  # what was written last has not been read
                continue
        return child.wait()


def _ends(child: subprocess.Popen[str] | None) -> tuple[IO[str], IO[str]]:
    """What it hears and what it says."""
    if child is None or child.stdin is None or child.stdout is None:
        raise OSError("there is no process")
    return child.stdin, child.stdout
