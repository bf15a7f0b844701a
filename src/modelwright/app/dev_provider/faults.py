"""The dev provider's fault script: reads `cut@3x2` and says what happens to the next request; it sends nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from modelwright.core.quantities import parse_duration


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of faults."""

    argument: str = ""
    """What follows the `@`: tokens | seconds | bytes; empty when nothing may follow."""
    default: float | None = None
    """The argument when none is given; None: it must be given."""
    joins: bool = False
    """It changes how an answer is sent and joins any other fault; the others apply one at a time, in order."""
    says: str


KINDS: dict[str, Kind] = {
    "cut": Kind(argument="tokens", says="close the connection after that many tokens; without stream: in mid-body"),
    "stall": Kind(argument="tokens", says="send nothing more after that many tokens, and keep the connection open"),
    "hold": Kind(
        argument="tokens",
        default=0,
        joins=True,
        says="wait after that many tokens until the faults are set anew, then go on; without stream: before the head",
    ),
    "error": Kind(argument="tokens", says="an error event after that many tokens, then the end; without stream: 500"),
    "slow": Kind(argument="seconds", joins=True, says="wait before the head of the answer"),
    "split": Kind(argument="bytes", default=3, joins=True, says="send pieces of so many bytes, one HTTP chunk each"),
    "lump": Kind(joins=True, says="send a whole stream in one write, when its last token is due"),
    "garbage": Kind(says="answer with bytes that are not HTTP, and close"),
    "refuse": Kind(says="close the connection without an answer"),
    "empty": Kind(says="answer 200 with an empty body"),
}
STATUS = Kind(argument="seconds", default=1, says="answer with this status (400 to 599); 429 and 503 say Retry-After")

_SPEC = re.compile(r"(?P<kind>[a-z]+|\d{3})(@(?P<argument>[^x]*))?(x(?P<times>\d+))?")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of the script."""

    spec: str
    """As it was written, without its count."""
    kind: str
    """A key of KINDS, or `status`."""
    argument: float = 0
    status: int = 0
    times: int | None = None
    """Requests it still applies to; None: all."""

    @property
    def joins(self) -> bool:
        """Whether it joins other faults."""
        return self.kind in KINDS and KINDS[self.kind].joins


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one request."""

    wait: float = 0.0
    """Seconds before the head."""
    split: int = 0
    lump: bool = False
    hold: int | None = None
    """Tokens after which the answer waits until it is let go."""
    fault: Fault | None = None
    """The one fault that does not join others."""
    specs: tuple[str, ...] = ()

    @property
    def stop(self) -> int | None:
        """After so many tokens cut, stall or error begins."""
        return int(self.fault.argument) if self.fault and self.fault.kind in {"cut", "stall", "error"} else None


CALM = Effects()


def parse_fault(text: str) -> Fault:
    """The fault of one spec, such as `cut@3`, `slow@2s`, `429x2`; ValueError that names problem and remedy."""
    match = _SPEC.fullmatch(text.strip())
    kind = _kind(match["kind"]) if match else None
    if match is None or kind is None:
        raise ValueError(
            f"{text!r} is no fault: write one of {', '.join(KINDS)} or a status such as 429, like cut@3 or 429x2"
        )
    times = int(match["times"]) if match["times"] else None
    if times == 0:
        raise ValueError(f"{text!r} applies to no request: the count after the x begins at 1")
    is_status = match["kind"].isdigit()
    return Fault(
        spec=text.strip().removesuffix(f"x{match['times']}"),
        kind="status" if is_status else match["kind"],
        argument=_argument(text, kind, match["argument"]),
        status=int(match["kind"]) if is_status else 0,
        times=times,
    )


def parse_faults(texts: Sequence[str]) -> tuple[Fault, ...]:
    """All specs; ValueError also when two of them cannot be had together."""
    faults = tuple(parse_fault(text) for text in texts)
    if {"split", "lump"} <= {fault.kind for fault in faults}:
        raise ValueError("split and lump exclude each other: choose one")
    return faults


class FaultScript:
    """Hands out effects, request by request, and counts down."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._faults = list(faults)

    def next(self) -> Effects:
        """What happens to the next request."""
        if not self._faults:
            return CALM
        joining = [fault for fault in self._faults if fault.joins]
        alone = next((fault for fault in self._faults if not fault.joins), None)
        chosen = [*joining, alone] if alone else joining
        self._faults = [left for fault in self._faults if (left := _used(fault) if fault in chosen else fault)]
        return Effects(
            wait=sum(fault.argument for fault in joining if fault.kind == "slow"),
            split=next((int(fault.argument) for fault in joining if fault.kind == "split"), 0),
            lump=any(fault.kind == "lump" for fault in joining),
            hold=next((int(fault.argument) for fault in joining if fault.kind == "hold"), None),
            fault=alone,
            specs=tuple(fault.spec for fault in chosen),
        )

    def left(self) -> list[str]:
        """The script from here on, as specs."""
        return [fault.spec + (f"x{fault.times}" if fault.times else "") for fault in self._faults]


def _kind(name: str) -> Kind | None:
    if name.isdigit():
        return STATUS if 400 <= int(name) <= 599 else None
    return KINDS.get(name)


def _argument(text: str, kind: Kind, written: str | None) -> float:
    if written is None:
        if kind.argument and kind.default is None:
            raise ValueError(f"{text!r} lacks its {kind.argument}: write it like {text}@{_example(kind)}")
        return kind.default or 0
    if not kind.argument:
        raise ValueError(f"{text!r} takes nothing after its name: leave out @{written}")
    if kind.argument == "seconds":
        return parse_duration(written)
    if not written.isdigit() or (kind.argument == "bytes" and int(written) == 0):
        raise ValueError(f"{text!r}: {written!r} is no number of {kind.argument}: write it like @{_example(kind)}")
    return int(written)


def _example(kind: Kind) -> str:
    return "2s" if kind.argument == "seconds" else "3"


def _used(fault: Fault) -> Fault | None:
    if fault.times is None:
        return fault
    return msgspec.structs.replace(fault, times=fault.times - 1) if fault.times > 1 else None
