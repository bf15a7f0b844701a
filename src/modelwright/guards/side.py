"""What is looked for on one side of an endpoint, in requests or in answers; made once, used by every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from modelwright.core.contracts.guard import GuardSide
from modelwright.core.errors.calls import GuardBlocked
from modelwright.guards.detectors.addresses import EMAIL, Emails
from modelwright.guards.detectors.numbers import CARD, CN_ID, IBAN, PHONE, Numbers
from modelwright.guards.detectors.phrases import Phrases
from modelwright.guards.detectors.secrets import SECRET, Secrets
from modelwright.guards.injection.rules import rules as injection_rules
from modelwright.guards.injection.score import Score
from modelwright.guards.judging.judge import Judge
from modelwright.guards.span import Detector, Span
from modelwright.guards.texts import Text, shown
from modelwright.guards.verdicts import Verdicts
from modelwright.guards.window import ALLOW, BLOCK, MASK, Window

OFF = "off"
_NUMBERS = frozenset({CARD, IBAN, PHONE, CN_ID})


class Side:
    """`name` is input or output."""

    def __init__(self, name: str, rules: GuardSide) -> None:
        self.name = name
        self.actions: dict[str, str] = {}
        """By kind of finding."""
        detectors: list[Detector] = []
        if rules.pii != OFF:
            kinds = frozenset(rules.kinds)
            self.actions |= dict.fromkeys(rules.kinds, rules.pii)
            if kinds & _NUMBERS:
                detectors.append(Numbers(kinds))
            if EMAIL in kinds:
                detectors.append(Emails())
            if SECRET in kinds:
                detectors.append(Secrets())
        for rule in rules.rules:
            kind = f"rule.{rule.name}"
            self.actions[kind] = rule.action
            detectors.append(Phrases(kind, words=rule.words, shapes=rule.shapes))
        self.injection = rules.injection
        if self.injection != OFF:
            injection_rules()  # made now, not by the first call
        self.threshold = rules.threshold
        self.leak = rules.leak
        self.max_chars = rules.max_chars
        self.detectors: tuple[Detector, ...] = tuple(detectors)
        self.judge = Judge(name, rules.judge) if rules.judge is not None else None
        judged = OFF if rules.judge is None else rules.judge.action
        self.looks = bool(detectors) or {rules.injection, rules.leak, judged} != {OFF} or rules.max_chars > 0
        self.intervenes = bool({MASK, BLOCK} & {*self.actions.values(), rules.leak, judged}) or rules.max_chars > 0
        """Whether it may change or stop anything; otherwise it only counts."""


def window(side: Side, verdicts: Verdicts, place: Callable[[], str], *, json: bool = False) -> Window:
    """For one text; `place` names it in errors."""
    actions: Mapping[str, str] = side.actions

    def tell(span: Span, at: int) -> None:
        action = actions[span.kind]
        if action == ALLOW:
            return
        verdicts.note(f"{side.name}.{span.kind}", action)
        if action == BLOCK:
            raise blocked(side, span.kind, place(), at=at)

    return Window(side.detectors, tell, actions=actions, json=json)


def check_size(side: Side, verdicts: Verdicts, size: int) -> None:
    """Raises GuardBlocked when there are more characters than the side lets through."""
    if side.max_chars and size > side.max_chars:
        verdicts.note(f"{side.name}.size", BLOCK)
        what, hint = ("request", "send less") if side.name == "input" else ("answer", "ask for less")
        raise GuardBlocked(f"the {what} holds more than {side.max_chars} characters", hint=hint)


def check_injection(side: Side, verdicts: Verdicts, *, text: Text, scored: Score) -> None:
    """Raises GuardBlocked when a text looks like an attempt to take the model over, and such ones are blocked.

    `scored`: its score, and what it is for.
    """
    total, names = scored
    if total < side.threshold:
        return
    verdicts.note(f"{side.name}.injection", side.injection)
    if side.injection == BLOCK:
        place = shown(text.path)
        raise GuardBlocked(
            f"{place} looks like an attempt to take the model over ({', '.join(names)}; score {total})",
            hint="say it in another way",
            param=place,
        )


def check_leak(side: Side, verdicts: Verdicts, *, place: str) -> None:
    """The system message was told; raises GuardBlocked when that is blocked."""
    verdicts.note(f"{side.name}.leak", side.leak)
    if side.leak == BLOCK:
        raise GuardBlocked(f"the answer tells its system message, at {place}", hint="ask for something else")


def blocked(side: Side, kind: str, place: str, *, at: int) -> GuardBlocked:
    """Names what and where, never the value."""
    what, hint = ("request", "leave it out") if side.name == "input" else ("answer", "ask for something else")
    return GuardBlocked(
        f"the {what} holds what this endpoint does not let through: {kind}, at character {at} of {place}",
        hint=hint,
        param=place,
    )
