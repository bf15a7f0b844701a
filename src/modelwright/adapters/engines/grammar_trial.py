"""Tries grammars in a pipeline of its own, since one that cannot be compiled breaks the pipeline for good.

What the compiler says does not depend on the model, so the trial runs a blank one, in its own thread.
"""

from __future__ import annotations

import re
import tempfile
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

from modelwright.adapters.engines.blank_gguf import write_blank_gguf
from modelwright.core.ports.engines import Constraint

REMEMBERED = 1024
"""Grammars whose verdict is known; the one that was used longest ago goes first."""
_SOURCE_LINE = re.compile(r"^\[[\d:]+\] \S+:\d+: ")
"""What the grammar compiler puts before its words: the time, and where it was built."""


class GrammarTrial:
    """Opened by the first grammar; after each bad one a new pipeline is opened, which no answer waits for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="grammar-trial")
        self._verdicts: OrderedDict[Constraint, Future[str]] = OrderedDict()
        self._pipeline: Any = None
        self._number = 0

    def verdict(self, grammar: Constraint) -> Future[str]:
        """What is wrong with it, in the compiler's words; empty when nothing is."""
        known = self._verdicts.get(grammar)
        if known is None:
            known = self._verdicts[grammar] = self._thread.submit(self._try, grammar)
            if len(self._verdicts) > REMEMBERED:
                self._verdicts.popitem(last=False)
        self._verdicts.move_to_end(grammar)
        return known

    def _try(self, grammar: Constraint) -> str:
        if self._pipeline is None:
            self._pipeline = _open()
        self._number += 1
        config = genai.GenerationConfig(max_new_tokens=1, structured_output_config=structured(grammar))
        try:
            # Without its handle a request is dropped unseen.
            handle = self._pipeline.add_request(self._number, ov.Tensor(np.asarray([[1]], dtype=np.int64)), config)
            while handle.get_status() == genai.GenerationStatus.RUNNING:
                self._pipeline.step()
        except (RuntimeError, ValueError) as error:
            self._pipeline = None
            return last_line(error)
        return ""


def structured(grammar: Constraint) -> Any:
    """The library's form of a grammar."""
    return genai.StructuredOutputConfig(**{grammar.kind: grammar.text})


def last_line(error: BaseException) -> str:
    """Of a library's error, without the place in its source."""
    return _SOURCE_LINE.sub("", str(error).strip().splitlines()[-1])[:300]


def _open() -> Any:
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = 4
    scheduler.max_num_seqs = 1
    scheduler.max_num_batched_tokens = 32
    with tempfile.TemporaryDirectory() as folder:
        path = write_blank_gguf(Path(folder, "blank.gguf"))
        return genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", {"INFERENCE_NUM_THREADS": 1})
