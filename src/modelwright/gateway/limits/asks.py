"""What a call asks of the limits that the snapshot sets: of which, for whom, and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from modelwright.core.contracts.snapshot import Limits
from modelwright.core.errors.calls import Unpriced
from modelwright.core.limits import Ask, rules_of, tokens_asked
from modelwright.gateway.call import Call
from modelwright.gateway.charges import answer_tokens, reserved
from modelwright.gateway.lanes import Lane, Route
from modelwright.gateway.limits.address import Addresses
from modelwright.gateway.prompting.filling import prompt_size

Subject: TypeAlias = Callable[[Call], str]


class Asker:
    """Made once per snapshot."""

    def __init__(self, limits: Limits, routes: Mapping[str, Route]) -> None:
        self._routes = routes
        self._refuses = limits.unpriced == "refuse"
        addresses = Addresses(limits.trusted)
        subjects: dict[str, Subject] = {
            "tenant": lambda call: call.row.tenant,
            "key": lambda call: call.row.key,
            "user": _user,
            "address": lambda call: addresses.of(call.client, call.headers),
            "endpoint": lambda call: call.row.endpoint,
        }
        rules = rules_of(limits)
        self._groups = [(subject, rules[by].each, rules[by].named) for by, subject in subjects.items() if by in rules]

    def asks(self, call: Call) -> list[Ask]:
        """One for each limit; a call without a tenant, key or user shares what the others without one have."""
        found: list[Ask] = []
        for subject_of, each, named in self._groups:
            subject = subject_of(call)
            for rule in named.get(subject, each) if named else each:
                if rule.of == "tokens":
                    amount = self._tokens(call, rule.amount)
                elif rule.of == "cost":
                    amount = self._cost(call, rule.currency)
                else:
                    amount = 1
                found.append(Ask(rule, subject, amount))
        return found

    def _lanes(self, call: Call) -> tuple[Lane, ...]:
        """Those that may answer the call."""
        route = self._routes[call.row.endpoint]
        return (*(route.lanes if call.lane is None else (call.lane,)), *route.fallback)

    def _tokens(self, call: Call, limit: int) -> int:
        """By the lane that may take the most."""
        head = call.head
        if head is None:
            return 0
        most = 0
        for lane in self._lanes(call):
            stated = answer_tokens(call, lane)
            answer = (lane.answer if stated is None else stated) * head.answers
            size = prompt_size(call, lane)
            most = max(most, tokens_asked(size, answer=answer, limit=limit, stated=stated is not None))
        return most

    def _cost(self, call: Call, currency: str) -> int:
        """Units that the call may cost, by the dearest of the variants that may answer it; raises Unpriced."""
        most = 0
        for lane in self._lanes(call):
            if lane.ceiling is not None and lane.ceiling.currency == currency:
                most = max(most, reserved(call, lane))
            elif self._refuses and not (lane.own and lane.price is None):
                raise Unpriced(
                    f"what variant {lane.variant} of endpoint {call.row.endpoint!r} costs in {currency} is not known, "
                    "and a budget limits this call",
                    hint="give the variant a price, or set access.counting.unpriced: allow",
                )
        return most


def _user(call: Call) -> str:
    """Users of one tenant; a call that names none is its key's."""
    row = call.row
    return f"{row.tenant}\0{row.user or row.key}"
