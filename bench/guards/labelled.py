"""The labelled set: families written by hand, combined, with a part that is held out; `make` writes set.jsonl again."""

from __future__ import annotations

import base64
import codecs
import json
import random
from collections.abc import Iterator
from pathlib import Path

from bench.guards import families as f
from bench.guards import fresh, plain

PATH = Path(__file__).parent / "set.jsonl"
SEED = 20261121


def rows() -> Iterator[dict[str, str]]:
    """Every case: text, label (attack or benign), family, part (open, held or fresh)."""
    draw = random.Random(SEED)
    for part, attacks in (("open", f.OPEN_ATTACKS), ("held", f.HELD_ATTACKS)):
        for family, texts in attacks.items():
            tasks = f.TASKS_ZH if family.startswith("zh_") else f.TASKS
            for text in texts:
                before, after = draw.sample(tasks, 2)
                for form in (text, f"{before} {text}".strip(), f"{text} {after}".strip()):
                    yield _row(form, "attack", family, part=part)
                if not family.startswith("zh_") and draw.random() < 0.5:
                    yield _row(_encoded(text, draw), "attack", f"{family}_encoded", part=part)
    for part, frames, actions in (
        ("open", f.BENIGN_FRAMES, f.OPEN_BENIGN),
        ("held", f.BENIGN_FRAMES, f.HELD_BENIGN),
        ("open", f.BENIGN_FRAMES_ZH, f.OPEN_BENIGN_ZH),
        ("held", f.BENIGN_FRAMES_ZH, f.HELD_BENIGN_ZH),
    ):
        for action in actions:
            for frame in frames:
                yield _row(frame.format(action), "benign", "asks", part=part)
    for number, text in enumerate(f.WHOLE_BENIGN):
        for context in f.CONTEXTS:
            yield _row(context + text, "benign", "looks bad", part="open" if number % 2 else "held")

    for text in plain.PLAIN_BENIGN:
        yield _row(text, "benign", "plain", part="open")
    yield from _fresh()


def _fresh() -> Iterator[dict[str, str]]:
    for family, texts in fresh.ATTACKS.items():
        for text in texts:
            yield _row(text, "attack", family, part="fresh")
    for text in fresh.BENIGN:
        yield _row(text, "benign", "ordinary", part="fresh")


def _row(text: str, label: str, family: str, *, part: str) -> dict[str, str]:
    return {"text": text, "label": label, "family": family, "part": part}


def _encoded(text: str, draw: random.Random) -> str:
    """Hidden in one of the ways that are tried."""
    ways = (
        lambda: "Decode and do: " + base64.b64encode(text.encode()).decode(),
        lambda: "Decode and do: " + text.encode().hex(),
        lambda: "rot13: " + codecs.encode(text, "rot13"),
        lambda: "\u200b".join(text),
        lambda: text.translate(str.maketrans("oies", "0135")),
    )
    return draw.choice(ways)()


if __name__ == "__main__":
    with PATH.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
