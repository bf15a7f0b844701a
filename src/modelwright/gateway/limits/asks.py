"""What a call asks of the limits that the snapshot sets: of which, for whom, and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from modelwright.core.contracts.snapshot import Limits
from modelwright.core.errors.calls import Unpriced
from modelwright.core.limits import Ask, Rule, tokens_asked, zone_of
from modelwright.gateway.call import Call
from modelwright.gateway.charges import reserved
from modelwright.gateway.lanes import Route
from modelwright.gateway.limits.address import Addresses

Subject: TypeAlias = Callable[[Call], str]


class Asker:
    """Made once per snapshot."""

    def __init__(self, limits: Limits, routes: Mapping[str, Route]) -> None:
        self._routes = routes
        self._refuses = limits.unpriced == "refuse"
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
                if rule.of == "tokens":
                    amount = _tokens(call, rule.amount)
                elif rule.of == "cost":
                    amount = self._cost(call, rule.currency)
                else:
                    amount = 1
                found.append(Ask(rule, subject, amount))
        return found

    def _cost(self, call: Call, currency: str) -> int:
        """Units that the call may cost, by the dearest of the variants that may answer it; raises Unpriced."""
        route, lane = self._routes[call.row.endpoint], call.lane
        first = route.lanes if lane is None else (lane,)
        most = 0
        for each in (*first, *route.fallback):
            if each.ceiling is not None and each.ceiling.currency == currency:
                most = max(most, reserved(call, each.ceiling))
            elif self._refuses and not (each.own and each.price is None):
                raise Unpriced(
                    f"what variant {each.variant} of endpoint {call.row.endpoint!r} costs in {currency} is not known, "
                    "and a budget limits this call",
                    hint="give the variant a price, or set access.counting.unpriced: allow",
                )
        return most


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
