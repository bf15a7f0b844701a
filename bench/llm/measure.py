"""Asks the raw loop and a serving worker by turns, at 1, 4 and 16 streams, and prints tokens per second of both.

Each stream asks again when it was answered. Both are processes of their own with the same settings of the same engine;
while one works the other sleeps. The worker is asked over TCP, streamed, without a gateway. A figure is the best of
several turns, since a machine may be busy; the processor's time per token, of the whole process, is of all turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from bench.llm.model import parameters, write_model
from bench.llm.prompts import ANSWER, ANSWERS, PROMPT, prompt
from bench.process import resident_mb, scratch, with_cpu
from bench.worker import worker
from modelwright.app.parts import ModelPart

STREAMS = (1, 4, 16)
TURNS = 2
PRECISION = "f32"


def main() -> None:
    """Print the table."""
    threads = os.cpu_count() or 1
    with scratch() as folder:
        path = write_model(folder / "model.gguf")
        size = path.stat().st_size / 1e6
        print(f"random Llama, {parameters() / 1e6:.0f} M parameters, q8_0 ({size:.0f} MB), computed in {PRECISION},")
        asked = f"prompts of {PROMPT} tokens, {ANSWERS} answers of {ANSWER} in a row"
        print(f"{threads} threads; {asked}, greedy, streamed\n")
        with _raw(path, threads) as raw, worker(folder, _model(path, threads), pinned=False) as (port, pid):
            names = ("raw tokens/s", "ours", "of raw", "raw CPU ms/token", "ours", "TTFT p50 ms")
            print(f"{'streams':>8} " + " ".join(f"{name:>16}" for name in names))
            number = 0
            for streams in STREAMS:
                best, used, made = {"raw": 0.0, "ours": 0.0}, {"raw": 0.0, "ours": 0.0}, 0
                first: list[float] = []
                for _ in range(TURNS):
                    rate, cpu = with_cpu(partial(_ask, raw, streams), [raw.pid])
                    best["raw"], used["raw"] = max(best["raw"], rate), used["raw"] + cpu
                    number += streams * ANSWERS
                    told, cpu = with_cpu(partial(_turn, port, streams, 100_000 + number), [pid])
                    best["ours"], used["ours"] = max(best["ours"], told[0]), used["ours"] + cpu
                    first += told[1]
                    made += streams * ANSWERS * ANSWER
                figures = (
                    *(best["raw"], best["ours"], best["ours"] / best["raw"]),
                    *(1000 * used["raw"] / made, 1000 * used["ours"] / made, 1000 * sorted(first)[len(first) // 2]),
                )
                print(f"{streams:8} " + " ".join(f"{figure:16.2f}" for figure in figures), flush=True)
            print(f"\nworker: {resident_mb(pid):.0f} MB after the load")


@contextmanager
def _raw(path: Path, threads: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.llm.raw", str(path), PRECISION, str(threads)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _ask(process, 1)
        yield process
    finally:
        process.kill()
        process.wait()


def _ask(raw: subprocess.Popen[str], streams: int) -> float:
    """Tokens per second."""
    if raw.stdin is None or raw.stdout is None:
        raise RuntimeError("it has no pipes")
    raw.stdin.write(f"{streams}\n")
    raw.stdin.flush()
    told = json.loads(raw.stdout.readline())
    return told["tokens"] / told["seconds"]


def _turn(port: int, streams: int, number: int) -> tuple[float, list[float]]:
    return asyncio.run(_ours(port, streams, number))


async def _ours(port: int, streams: int, number: int) -> tuple[float, list[float]]:
    """Tokens per second of all streams together, and the seconds to each one's first token."""
    begun = time.perf_counter()
    answers = await asyncio.gather(*(_in_turn(port, number + at * ANSWERS) for at in range(streams)))
    seconds = time.perf_counter() - begun
    each = [answer for stream in answers for answer in stream]
    return sum(tokens for tokens, _ in each) / seconds, [first for _, first in each]


async def _in_turn(port: int, number: int) -> list[tuple[int, float]]:
    """One stream, which asks again when it is answered."""
    return [await _stream(port, number + at) for at in range(ANSWERS)]


async def _stream(port: int, number: int) -> tuple[int, float]:
    content = {
        "model": "m",
        "prompt": prompt(number),
        "max_tokens": ANSWER,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body = msgspec.json.encode(content)
    head = f"POST /v1/completions HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n\r\n"
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(head.encode() + body)
    first, last = 0.0, b""
    while not last.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
        piece = await reader.read(65536)
        if not piece:
            raise RuntimeError(f"the stream broke: {last!r}")
        last = (last + piece)[-2000:]
        if not first and b"data: " in piece:
            first = time.perf_counter() - begun
    writer.close()
    return int(last.rpartition(b'"completion_tokens":')[2].partition(b",")[0]), first


def _model(path: Path, threads: int) -> ModelPart:
    return ModelPart(
        model="m",
        engine="openvino-llm",
        wire="openai",
        path=str(path),
        threads=threads,
        precision=PRECISION,
        options={"context": 1024, "cache": 1 << 30, "max_sequences": 16},
    )
