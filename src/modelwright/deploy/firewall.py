"""Which ports of a host lead where, and a firewall that lets nothing else in; rules are text, and nobody loads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address

import msgspec

from modelwright.core.addresses import is_loopback, split_address
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.deploying import DeployError

SSH = 22
_ALL = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A port of the host that leads to a workload; everything else is reached from inside alone."""

    host: str
    """Address of the host; `0.0.0.0` and `::` are all of them."""
    port: int
    """0: the host chooses one."""
    workload: str
    """Empty: something of the host's own, such as SSH."""

    @property
    def anybody(self) -> bool:
        """Whether other machines reach it, as far as the host goes."""
        return not is_loopback(self.host)

    def __str__(self) -> str:
        where = "anybody who reaches the host" if self.anybody else "this host alone"
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{shown}:{self.port} leads to {self.workload}, for {where}"


def openings(desired: Desired) -> tuple[Opening, ...]:
    """By workload. Raises DeployError for what is no address."""
    return tuple(
        opening(address, workload=workload.name) for workload in desired.workloads for address in workload.publish
    )


def opening(published: str, *, workload: str) -> Opening:
    """Of `0.0.0.0:80>8080`."""
    try:
        host, port = split_address(published.partition(">")[0])
    except ValueError as error:
        raise DeployError(str(error), hint="mend the addresses of `publish`", place=workload) from None
    if not _is_ip(host):
        raise DeployError(f"{published!r} is no address and port", hint="write such as 0.0.0.0:443", place=workload)
    return Opening(host=host, port=port, workload=workload)


def nftables(found: Sequence[Opening], *, also: Sequence[int] = (SSH,), peers: Sequence[str] = ()) -> str:
    """A table for `nft -f`: from outside only these ports, and `also`, lead in; it replaces itself.

    `peers` are the addresses of the target's other hosts: what joins the engines is let in from there alone. It looks
    before addresses are translated, so what Docker publishes beside its own chains is held back, too. Raises
    DeployError for a peer that is no address.
    """
    open_to_all = sorted({*also, *(one.port for one in found if one.port and one.host in _ALL)})
    return "\n".join([*_head(), *_joined(peers), *_accepted(found, open_to_all), *_TAIL, ""])


_TAIL = (
    "        fib daddr type local meta l4proto { tcp, udp } counter drop",
    "    }",
    "}",
)


def _head() -> Iterator[str]:
    yield from ("table inet modelwright", "delete table inet modelwright", "table inet modelwright {")
    yield from ("    chain outside {", "        type filter hook prerouting priority -150; policy accept;")
    yield from ('        iifname { "lo", "docker0", "docker_gwbridge" } accept', '        iifname "br-*" accept')
    yield "        ct state established,related accept"
    yield '        udp dport { 68, 546 } accept comment "the host\'s own address"'


def _joined(peers: Sequence[str]) -> Iterator[str]:
    for peer in peers:
        if not _is_ip(peer):
            raise DeployError(f"{peer!r} is no address", hint="write such as 10.0.0.2", place="--peer")
        kind = "ip6" if ":" in peer else "ip"
        yield f"        {kind} saddr {peer} meta l4proto {{ tcp, udp }} th dport {{ 2377, 7946, 4789 }} accept"


def _accepted(found: Sequence[Opening], open_to_all: Sequence[int]) -> Iterator[str]:
    if open_to_all:
        yield f"        fib daddr type local tcp dport {{ {', '.join(map(str, open_to_all))} }} accept"
    for one in found:
        if one.anybody and one.port and one.port not in open_to_all:
            kind = "ip6" if ":" in one.host else "ip"
            yield f"        {kind} daddr {one.host} tcp dport {one.port} accept"


def _is_ip(host: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(host))
    return False
