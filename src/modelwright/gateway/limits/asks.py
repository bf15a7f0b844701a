"""What a call asks of the limits that the snapshot sets: of which, for whom, and how much."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from modelwright.core.contracts.snapshot import Limits
from modelwright.core.limits import Ask, Rule, tokens_asked, zone_of
from modelwright.gateway.call import Call
from modelwright.gateway.limits.address import Addresses

Subject: TypeAlias = Callable[[Call], str]


class Asker:
    """Made once per snapshot."""

    def __init__(self, limits: Limits) -> None:
        zone = zone_of(limits.time_zone)
        addresses = Addresses(limits.trusted)
        subjects: dict[str, Subject] = {
            "tenant": lambda call: call.row.tenant,
            "key": lambda call: call.row.key,
            "user": _user,
            "address": lambda call: addresses.of(call.client, call.headers),
            "endpoint": lambda call: call.row.endpoint,
        }
        rules = [Rule(limit, zone) for limit in limits.each]
        self._groups = [
            (subject, [rule for rule in rules if rule.by == by])
            for by, subject in subjects.items()
            if any(rule.by == by for rule in rules)
        ]

    def asks(self, call: Call) -> list[Ask]:
        """One for each limit; a call without a tenant, key or user shares what the others without one have."""
        found: list[Ask] = []
        for subject_of, rules in self._groups:
            subject = subject_of(call)
            for rule in rules:
                amount = 1 if rule.of != "tokens" else _tokens(call, rule.amount)
                found.append(Ask(rule, subject, amount))
        return found


def _user(call: Call) -> str:
    """Users of one tenant; a call that names none is its key's."""
    row = call.row
    return f"{row.tenant}\0{row.user or row.key}"


def _tokens(call: Call, limit: int) -> int:
    head = call.head
    if head is None:
        return 0
    most = 0 if call.operation == "embeddings" else head.most_tokens
    return tokens_asked(call.body, limit=limit, most=most, answers=head.answers)
