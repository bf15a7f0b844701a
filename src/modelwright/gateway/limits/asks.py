"""What a call asks of the limits that the snapshot sets: of which, for whom, and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from modelwright.core.contracts.snapshot import Limits
from modelwright.core.errors.calls import Unpriced
from modelwright.core.limits import Ask, rules_of, tokens_asked
from modelwright.core.wire.openai import RequestHead
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

    def _others(self, call: Call) -> Sequence[Lane]:
        """Lanes that may answer beside the one that was chosen."""
        route = self._routes[call.row.endpoint]
        return route.fallback if call.lane is not None else (*route.lanes, *route.fallback)

    def _tokens(self, call: Call, limit: int) -> int:
        """By the lane that may take the most."""
        head, lane = call.head, call.lane
        if head is None:
            return 0
        most = 0 if lane is None else _tokens(call, head, lane, limit=limit)
        for other in self._others(call):
            most = max(most, _tokens(call, head, other, limit=limit))
        return most

    def _cost(self, call: Call, currency: str) -> int:
        """Units that the call may cost, by the dearest of the variants that may answer it; raises Unpriced."""
        lane = call.lane
        most = 0 if lane is None else self._cost_of(call, lane, currency)
        for other in self._others(call):
            most = max(most, self._cost_of(call, other, currency))
        return most

    def _cost_of(self, call: Call, lane: Lane, currency: str) -> int:
        rates = lane.ceiling
        if rates is not None and rates.currency == currency:
            return reserved(call, lane)
        if self._refuses and not (lane.own and lane.price is None):
            raise Unpriced(
                f"what variant {lane.variant} of endpoint {call.row.endpoint!r} costs in {currency} is not known, "
                "and a budget limits this call",
                hint="give the variant a price, or set access.counting.unpriced: allow",
            )
        return 0


def _tokens(call: Call, head: RequestHead, lane: Lane, *, limit: int) -> int:
    stated = answer_tokens(call, lane)
    answer = lane.answer if stated is None else stated
    answers = head.answers if head.n is not None else 1
    size = len(call.body) if lane.preamble is None else prompt_size(call, lane)
    return tokens_asked(size, answer=answer * answers, limit=limit, stated=stated is not None)


def _user(call: Call) -> str:
    """Users of one tenant; a call that names none is its key's."""
    row = call.row
    return f"{row.tenant}\0{row.user or row.key}"
