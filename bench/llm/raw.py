"""The raw loop, as a process of its own: OpenVINO GenAI's continuous batching without any server around it.

Reads a number of streams per line, answers `{"tokens": …, "seconds": …}` per line.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

from bench.llm.prompts import ANSWER, ANSWERS, EOS, prompt


def main(path: str, precision: str, threads: str) -> None:
    """Until its input ends."""
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = 600
    scheduler.max_num_seqs = 16
    scheduler.max_num_batched_tokens = 1024
    scheduler.dynamic_split_fuse = True
    scheduler.enable_prefix_caching = True
    properties = {
        "INFERENCE_PRECISION_HINT": precision,
        "KV_CACHE_PRECISION": precision,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "INFERENCE_NUM_THREADS": int(threads),
    }
    pipeline = genai.ContinuousBatchingPipeline(path, scheduler, "CPU", properties)
    number = 0
    for line in sys.stdin:
        streams = int(line)
        tokens, seconds = _run(pipeline, streams, number)
        number += streams * ANSWERS
        print(json.dumps({"tokens": tokens, "seconds": seconds}), flush=True)


def _run(pipeline: Any, streams: int, number: int) -> tuple[int, float]:
    """Each stream asks again when it is answered, as often as it has to."""
    config = genai.GenerationConfig(max_new_tokens=ANSWER, eos_token_id=EOS, stop_token_ids={EOS})
    waiting = iter(range(number, number + streams * ANSWERS))

    def asked() -> Any:
        mine = next(waiting, None)
        if mine is None:
            return None
        return pipeline.add_request(mine, ov.Tensor(np.asarray([prompt(mine)], np.int64)), config)

    begun = time.perf_counter()
    handles = [asked() for _ in range(streams)]
    tokens = 0
    while pipeline.has_non_finished_requests():
        pipeline.step()
        for at, handle in enumerate(handles):
            if handle is None:
                continue
            while handle.can_read():
                tokens += sum(len(output.generated_ids) for output in handle.read().values())
            if handle.get_status() == genai.GenerationStatus.FINISHED:
                handles[at] = asked()
    return tokens, time.perf_counter() - begun


if __name__ == "__main__":
    main(*sys.argv[1:])
