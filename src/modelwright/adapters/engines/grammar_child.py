"""The process that tries grammars: one that has no end, or crashes its compiler, takes nothing else with it.

It hears lines of JSON, first the tokens of the model, then grammars, and answers each with one: that it is ready, what
is wrong with the grammar. The system ends it when one takes more than its share of time.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

from modelwright.adapters.engines.blank_gguf import write_blank_gguf

SECONDS = 2.0
"""Processor time of one grammar, over all threads."""
_WAIT = 60.0
"""Likewise, of the clock, on a machine that does other things; to open the model, several of them."""
_MEMORY = 1 << 30
"""Bytes that one may take beside what the process has when it is ready."""
_STACK = 4 << 20
"""Bytes: half of what the engine's thread has, so that what passes here does not go too deep there."""
_SOURCE_LINE = re.compile(r"^\[[\d:]+\] \S+:\d+: ")
"""What the grammar compiler puts before its words: the time, and where it was built."""
_DATA = re.compile(r"VmData:\s+(\d+) kB")


class _Trial:
    """A pipeline of the blank model; one that was broken by a grammar is opened anew."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._number = 0
        self._pipeline: Any = None
        self.open()

    def open(self) -> None:
        if self._pipeline is None:
            scheduler = genai.SchedulerConfig()
            scheduler.num_kv_blocks = 4
            scheduler.max_num_seqs = 1
            scheduler.max_num_batched_tokens = 32
            with tempfile.TemporaryDirectory() as folder:
                path = write_blank_gguf(Path(folder, "blank.gguf"), self._tokens)
                properties = {"INFERENCE_NUM_THREADS": 1}
                self._pipeline = genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)

    def words(self, kind: str, text: str) -> str:
        """What is wrong with a grammar, in the compiler's words; empty when nothing is."""
        self._number += 1
        config = genai.GenerationConfig(max_new_tokens=1, structured_output_config=structured(kind, text))
        try:
            # Without its handle a request is dropped unseen.
            handle = self._pipeline.add_request(self._number, ov.Tensor(np.asarray([[1]], dtype=np.int64)), config)
            while handle.get_status() == genai.GenerationStatus.RUNNING:
                self._pipeline.step()
        except (RuntimeError, ValueError, MemoryError) as error:
            self._pipeline = None
            return last_line(error) or type(error).__name__
        return ""


def structured(kind: str, text: str) -> Any:
    """The library's form of a grammar."""
    return genai.StructuredOutputConfig(**{kind: text})


def last_line(error: BaseException) -> str:
    """Of a library's error, without the place in its source."""
    return _SOURCE_LINE.sub("", (str(error).strip().splitlines() or [""])[-1])[:300]


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who has started it decides when it ends
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries write where they like
    signal.setitimer(signal.ITIMER_REAL, 5 * _WAIT)
    trial = _Trial(json.loads(sys.stdin.readline()))
    _bound_memory()
    signal.setitimer(signal.ITIMER_REAL, 0)
    threading.stack_size(_STACK)
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_timed(trial, *json.loads(line))), file=answers, flush=True)
        trial.open()


def _timed(trial: _Trial, kind: str, text: str) -> str:
    """The words, unless the system ends the process before: native code heeds no other deadline."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(trial.words(kind, text)))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, _WAIT)
    thread.start()
    thread.join()
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return found[0]


def _bound_memory() -> None:
    status = Path("/proc/self/status")
    if status.is_file() and (held := _DATA.search(status.read_text("utf-8"))):
        most = int(held[1]) * 1024 + _MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    main()
