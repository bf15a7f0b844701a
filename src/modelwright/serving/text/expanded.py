"""How large a grammar becomes when its repetitions are written out, as its compiler does; it compiles nothing."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from modelwright.core.ports.engines import Constraint
from modelwright.core.wire.unreadable import UNREADABLE

MOST = 100_000
"""Signs of a grammar when it is written out: beyond, compiling it takes seconds, in which the worker answers nobody."""
_SIGN = re.compile(r"\\.?|\[\^?\]?(?:\\.?|[^\]\\])*(?:\]|\Z)|\{(\d+)(?:,(\d*))?\}|.", re.DOTALL)
_HUGE = 10**9


def expanded(grammar: Constraint) -> int:
    """The signs of a grammar, each as often as it is repeated; of a JSON schema, those of its largest pattern."""
    if grammar.kind != "json_schema":
        return _written_out(grammar.text)
    try:
        schema = msgspec.json.decode(grammar.text)
    except UNREADABLE:
        return 0  # its compiler says so
    return max((_written_out(pattern) for pattern in _patterns(schema)), default=0)


def _written_out(pattern: str) -> int:
    outer: list[int] = []
    total = last = 0
    for found in _SIGN.finditer(pattern):
        sign = found[0]
        if found[1] is not None:
            times = max(_number(found[1]), _number(found[2] or ""))
            total, last = total + last * max(times - 1, 0), last * times
        elif sign == "(":
            outer.append(total)
            total = last = 0
        elif sign == ")" and outer:
            total, last = outer.pop() + total, total
        elif sign not in {"*", "+", "?"}:
            total, last = total + 1, 1
        if total > _HUGE:
            return total
    return total + sum(outer)


def _number(digits: str) -> int:
    return min(int(digits), _HUGE) if 0 < len(digits) < 10 else _HUGE * bool(digits)


def _patterns(schema: Any) -> list[str]:
    found: list[str] = []
    left: list[Any] = [schema]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            fields = cast("dict[str, Any]", one)
            found += [pattern] if isinstance(pattern := fields.get("pattern"), str) else []
            found += cast("dict[str, Any]", named) if isinstance(named := fields.get("patternProperties"), dict) else []
            left += fields.values()
        elif isinstance(one, list):
            left += cast("list[Any]", one)
    return found
