"""Prints what the guards find and miss on the labelled set, the upper 95 % bound of false alarms, and what they cost.

The set is by the same author as the rules. Two parts are held out: `held` was written before the rules were tried, and
was read when they were widened; `fresh` was written before that and is looked at only here, as sums. Both are still
kinder than what strangers send.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Callable

from bench.guards.labelled import PATH
from modelwright.core.contracts.guard import PII_KINDS, EndpointGuard, GuardSide
from modelwright.guards.detectors.checksums import is_card
from modelwright.guards.guard import RuleGuard
from modelwright.guards.injection.score import THRESHOLD, score
from modelwright.guards.side import Side, window
from modelwright.guards.verdicts import Verdicts

PROSE = "The gateway answered 17 calls in 2024, and the reviewer said that it was fine. "
PROSE_ZH = "网关在2024年回答了17次调用，审稿人说没有问题，大家都按时完成了任务。"
CHUNKS, CALLS = 4000, 500


def main() -> None:
    """All tables."""
    rows = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
    print(f"{len(rows)} cases, injection threshold {THRESHOLD}\n")
    print(f"{'':34} {'attacks found':>15} {'false alarms':>15} {'at most (95 %)':>15}")
    for part in ("open", "held", "fresh"):
        for name, wanted in (("English", False), ("Chinese", True)):
            some = [row for row in rows if row["part"] == part and _is_chinese(row["text"]) is wanted]
            _line(f"injection, {part} part, {name}", some, lambda text: score(text)[0] >= THRESHOLD)
        _line(
            f"injection, {part} part",
            [row for row in rows if row["part"] == part],
            lambda text: score(text)[0] >= THRESHOLD,
        )
    side = Side("input", GuardSide(pii="flag"))
    numbers = [{"text": text, "label": "attack"} for text in _personal()]
    _line(
        "personal data, made up",
        [*numbers, *(row for row in rows if row["label"] == "benign")],
        lambda text: _finds(side, text),
    )
    print()
    _costs()


def _costs() -> None:
    for language, text in (("English", PROSE * 200), ("Chinese", PROSE_ZH * 100)):
        size = len(text.encode()) / 1024
        for name, action in (
            *((kind, _finder(kind, text)) for kind in PII_KINDS),
            ("all personal data", _finder("", text)),
            ("injection", lambda text=text: score(text)),
        ):
            print(f"{name:34} {_cost(action) / size:10.1f} µs per KB of {language} prose")
    for size in (64, 1024):
        print(f"{f'a call of {size} characters, both ways':34} {_call_cost(size):10.1f} µs of the guard alone")
    print(f"{'a streamed chunk, masked':34} {_chunk_cost():10.1f} µs of the guard alone, 4 characters each")


def upper_bound(hits: int, of: int, *, level: float = 0.95) -> float:
    """Clopper and Pearson's one-sided bound: the rate at which so few hits would be seen in 1 - level of all runs."""
    low, high = hits / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        seen = sum(math.comb(of, k) * middle**k * (1 - middle) ** (of - k) for k in range(hits + 1))
        low, high = (middle, high) if seen > 1 - level else (low, middle)
    return high


def _line(name: str, rows: list[dict[str, str]], alarm: Callable[[str], bool]) -> None:
    attacks = [alarm(row["text"]) for row in rows if row["label"] == "attack"]
    benign = [alarm(row["text"]) for row in rows if row["label"] == "benign"]
    bound = f"{100 * upper_bound(sum(benign), len(benign)):.2f} %" if benign else ""
    print(
        f"{name:34} {f'{sum(attacks)}/{len(attacks)} {100 * sum(attacks) / len(attacks):.0f} %':>15} "
        f"{f'{sum(benign)}/{len(benign)}':>15} {bound:>15}"
    )


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def _finds(side: Side, text: str) -> bool:
    verdicts = Verdicts()
    window(side, verdicts, str).whole(text)
    return bool(verdicts.told)


def _personal() -> list[str]:
    """Made-up cards, telephones, addresses and keys in sentences."""
    draw = random.Random(7)
    frames = ("My number is {}.", "{}", "please use {} from now on", "请使用{}，谢谢", "({})", "id={};")

    def digits(count: int) -> str:
        return "".join(draw.choices("0123456789", k=count))

    def card() -> str:
        while not is_card(number := draw.choice(("4", "51", "62", "37"))[:2] + digits(14)):
            if is_card(number[:15]):
                return number[:15]
        return draw.choice((number, " ".join(number[at : at + 4] for at in range(0, len(number), 4))))

    makers: tuple[Callable[[], str], ...] = (
        card,
        lambda: f"+44 20 {digits(4)} {digits(4)}",
        lambda: f"13{digits(9)}",
        lambda: f"(4{digits(2)}) 5{digits(2)}-{digits(4)}",
        lambda: f"user{digits(3)}@mail{digits(2)}.example.com",
        lambda: "gh" + "p_" + "".join(draw.choices("abcXYZ019", k=36)),
        lambda: "AKIA" + "".join(draw.choices("ABCDEF234567", k=16)),
    )
    return [draw.choice(frames).format(draw.choice(makers)()) for _ in range(700)]


def _cost(action: Callable[[], object]) -> float:
    """Microseconds of the processor, the best of seven."""
    spent: list[float] = []
    for _ in range(7):
        before = time.process_time()
        action()
        spent.append(time.process_time() - before)
    return 1e6 * min(spent)


def _finder(kind: str, text: str) -> Callable[[], object]:
    side = Side("input", GuardSide(pii="flag", kinds=(kind,) if kind else PII_KINDS))
    return lambda: _finds(side, text)


def _call_cost(size: int) -> float:
    """Personal data both ways and injection, for a question and an answer of this size."""
    text = (PROSE * 20)[:size]
    guard = RuleGuard(EndpointGuard(input=GuardSide(pii="mask", injection="block"), output=GuardSide(pii="mask")))
    question = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    answer = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()

    async def calls() -> float:
        before = time.process_time()
        for _ in range(CALLS):
            watch = guard.watch("chat")
            await watch.question(question)
            await watch.answer(answer)
        return 1e6 * (time.process_time() - before) / CALLS

    return min(asyncio.run(calls()) for _ in range(7))


def _chunk_cost() -> float:
    text = PROSE * (4 * CHUNKS // len(PROSE) + 1)
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
    events = [
        b"data: "
        + json.dumps({**head, "choices": [{"index": 0, "delta": {"content": text[at : at + 4]}}]}).encode()
        + b"\n\n"
        for at in range(0, 4 * CHUNKS, 4)
    ]

    def stream() -> None:
        watch = RuleGuard(EndpointGuard(output=GuardSide(pii="mask", kinds=PII_KINDS))).watch("chat")
        for event in events:
            watch.events(event)

    return _cost(stream) / CHUNKS
