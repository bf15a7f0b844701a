"""Draws the questions and answers that train and test the example chat model; it holds no model and no small talk rows."""

import random
from typing import NamedTuple

import chat_talk
from chat_wordings import (
    CHINESE_DIGITS,
    DIFFERENCES,
    LEFT_OVER,
    ONES,
    OPENERS,
    OTHER_SUMS,
    SUMS,
    SYSTEMS,
    TENS,
    TOO_BIG,
    TOPICS,
    UNKNOWN,
    UNKNOWN_ASKS,
)

SEED = 20260101
SHARES = {"sum": 52, "difference": 21, "talk": 15, "unknown": 9, "too_big": 3}


class Turn(NamedTuple):
    """One question with the one answer that counts as right; kind is a key of SHARES."""

    kind: str
    question: str
    answer: str


class Split(NamedTuple):
    """Pairs and phrases that training never sees: sums unordered, differences ordered, one ask of each longer row."""

    sums: frozenset[tuple[int, int]]
    differences: frozenset[tuple[int, int]]
    asks: frozenset[str]
    topics: frozenset[str]


def held_out() -> Split:
    """A tenth of the pairs with at least one number of two digits, and some asks and topics; the same on every run."""
    rng = random.Random(SEED)
    sums = [(a, b) for a in range(100) for b in range(a, 100) if b > 9]
    differences = [(a, b) for a in range(100) for b in range(100) if max(a, b) > 9]
    asks = [talk.asks[-2] for talk in chat_talk.ENGLISH + chat_talk.CHINESE if len(talk.asks) > 6]
    topics = [*rng.sample(TOPICS["en"], 12), *rng.sample(TOPICS["zh"], 7)]
    return Split(
        frozenset(rng.sample(sums, len(sums) // 10)),
        frozenset(rng.sample(differences, len(differences) // 10)),
        frozenset(asks),
        frozenset(topics),
    )


class Source:
    """Draws training turns and conversations from a seeded generator, leaving out what `held_out` names."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.split = held_out()
        self.kinds, self.weights = list(SHARES), list(SHARES.values())
        self.talk = {
            "en": [(ask, row.answer) for row in chat_talk.ENGLISH for ask in row.asks if ask not in self.split.asks],
            "zh": [(ask, row.answer) for row in chat_talk.CHINESE for ask in row.asks if ask not in self.split.asks],
        }

    def turn(self) -> Turn:
        """One training turn, its kind drawn by SHARES, a quarter of them Chinese."""
        kind = self.rng.choices(self.kinds, self.weights)[0]
        language = "zh" if self.rng.random() < 0.25 else "en"
        match kind:
            case "sum":
                return sum_turn(self.rng, language, self._pair(self.split.sums, ordered=False))
            case "difference":
                return difference_turn(self.rng, language, self._pair(self.split.differences, ordered=True))
            case "talk":
                ask, answer = self.rng.choice(self.talk[language])
                return Turn("talk", reword(self.rng, language, ask), answer)
            case "unknown":
                return unknown_turn(self.rng, language, [t for t in TOPICS[language] if t not in self.split.topics])
            case _:
                return too_big_turn(self.rng, language)

    def conversation(self) -> tuple[str | None, list[Turn]]:
        """A system message (seldom) and one to a dozen turns (mostly few)."""
        system = self.rng.choice(SYSTEMS) if self.rng.random() < 0.1 else None
        turns = [self.turn()]
        while len(turns) < 12 and self.rng.random() < 0.55:
            turns.append(self.turn())
        return system, turns

    def _pair(self, without: frozenset[tuple[int, int]], *, ordered: bool) -> tuple[int, int]:
        while True:
            top = 100 if self.rng.random() < 0.85 else 21
            pair = self.rng.randrange(top), self.rng.randrange(top)
            if (pair if ordered else (min(pair), max(pair))) not in without:
                return pair


def test_turns() -> dict[str, list[Turn]]:
    """What training never saw, by group: every held-out pair in random wordings, held-out asks and topics; and seen asks."""
    rng = random.Random(SEED + 1)
    split = held_out()
    talk = [
        (lang, ask, row.answer)
        for lang, rows in (("en", chat_talk.ENGLISH), ("zh", chat_talk.CHINESE))
        for row in rows
        for ask in row.asks
    ]
    sums = [*split.sums, *((b, a) for a, b in split.sums)]
    return {
        "sums": [sum_turn(rng, _language(rng), pair) for pair in sorted(sums)],
        "differences": [difference_turn(rng, _language(rng), pair) for pair in sorted(split.differences)],
        "small_talk": [
            Turn("talk", reword(rng, lang, ask), answer) for lang, ask, answer in talk if ask not in split.asks
        ],
        "small_talk_new_phrases": [Turn("talk", ask, answer) for _, ask, answer in talk if ask in split.asks],
        "unknown_new_topics": [
            unknown_turn(rng, lang, [topic])
            for lang in ("en", "zh")
            for topic in sorted(split.topics & set(TOPICS[lang]))
            for _ in range(10)
        ],
    }


def sum_turn(rng: random.Random, language: str, pair: tuple[int, int]) -> Turn:
    """A question for a + b in one of the wordings, and its answer in one sentence."""
    a, b = pair
    question = _worded(rng, language, wording=rng.choice(SUMS[language]), pair=pair)
    answer = f"{a} plus {b} is {a + b}." if language == "en" else f"{a}加{b}等于{a + b}。"
    return Turn("sum", question, answer)


def difference_turn(rng: random.Random, language: str, pair: tuple[int, int]) -> Turn:
    """A question for a - b (which may be negative), and its answer in one sentence."""
    a, b = pair
    wordings = DIFFERENCES[language] + (LEFT_OVER[language] if a >= b else ())
    question = _worded(rng, language, wording=rng.choice(wordings), pair=pair)
    answer = f"{a} minus {b} is {a - b}." if language == "en" else f"{a}减{b}等于{a - b}。"
    return Turn("difference", question, answer)


def unknown_turn(rng: random.Random, language: str, topics: list[str]) -> Turn:
    """A question about something else, or mere noise."""
    if rng.random() < 0.15:
        question = _noise(rng, language, topics)
    else:
        wording = rng.choice(UNKNOWN_ASKS[language])
        question = wording.format(t=rng.choice(topics), u=rng.choice(topics))
    return Turn("unknown", reword(rng, language, question), UNKNOWN[language])


def too_big_turn(rng: random.Random, language: str) -> Turn:
    """A sum with a number above 99 or with another operation."""
    small = {name: rng.randrange(100) for name in "abd"}
    question = rng.choice(OTHER_SUMS[language]).format(**small, c=rng.randrange(100, 10 ** rng.randint(3, 6)))
    return Turn("too_big", reword(rng, language, question), TOO_BIG[language])


def reword(rng: random.Random, language: str, question: str) -> str:
    """The question as people type it: an opener, lower case, no end mark, half-width marks."""
    if rng.random() < 0.12:
        opener = rng.choice(OPENERS[language])
        question = opener + (question[0].lower() + question[1:] if rng.random() < 0.7 else question)
    if rng.random() < 0.2:
        question = question.lower()
    if rng.random() < 0.2:
        question = question.rstrip("?？.!")
    elif rng.random() < 0.06:
        question += rng.choice("?!.")
    if language == "zh" and rng.random() < 0.3:
        question = question.replace("？", "?").replace("，", ",")
    return question


def in_words(number: int, language: str) -> str:
    """A number from 0 to 99 in English words or Chinese numerals."""
    tens, ones = divmod(number, 10)
    if language == "zh":
        head = ("" if tens == 1 else CHINESE_DIGITS[tens]) + "十" if tens else ""
        return head + (CHINESE_DIGITS[ones] if ones or not tens else "")
    if number < 20:
        return ONES[number]
    return TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")


def _worded(rng: random.Random, language: str, *, wording: str, pair: tuple[int, int]) -> str:
    spelt = rng.random() < 0.12 and not any(mark in wording for mark in "+-−=")
    a, b = (in_words(n, language) if spelt else str(n) for n in pair)
    return reword(rng, language, wording.format(a=a, b=b))


def _noise(rng: random.Random, language: str, topics: list[str]) -> str:
    if rng.random() < 0.4:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 12)))
    joint = " " if language == "en" else ""
    return joint.join(rng.choice(topics) for _ in range(rng.randint(2, 5)))


def _language(rng: random.Random) -> str:
    return "zh" if rng.random() < 0.25 else "en"
