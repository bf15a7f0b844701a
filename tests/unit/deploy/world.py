"""A target in memory: does steps, can be cut off at any moment, and says who would answer a client."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.journal import Begun, Ended, Entry, Settled, Taken, Turned
from modelwright.core.deploying.observed import Instance, Observed, Stored
from modelwright.core.deploying.steps import (
    Bring,
    Fill,
    Keep,
    Place,
    Plan,
    Prove,
    Prune,
    Record,
    Retire,
    Shift,
    Start,
    Step,
)
from modelwright.core.deploying.workloads import Desired, Route
from modelwright.deploy.homes import description, identities
from modelwright.deploy.progress import Do, Over, Undo, progress


class CutOffError(Exception):
    """Whoever did the deploy is gone."""


class World:
    """What `Hands`, `Observer` and `Journal` of a target do, without waiting."""

    def __init__(self, desired: Desired, observed: Observed | None = None) -> None:
        self.desired = desired
        self.observed = observed or Observed()
        self.entries: list[Entry] = []
        self.cut_after = -1
        """Acts until whoever does them is gone; negative: never."""
        self.unhealthy: set[str] = set()
        """Releases that never pass a gate."""
        current = description(self.observed, self.observed.current)
        self.routes: tuple[Route, ...] = current.routes if current else ()
        """As the edge has them."""
        self.started: list[tuple[str, str]] = []
        """Workloads and releases, in the order in which their instances were started."""
        self.unserved = 0
        """Moments at which a route led to nothing that was ready, after something had served."""

    def write(self, entry: Entry) -> None:
        self._act()
        self.entries.append(entry)

    def do(self, step: Step) -> None:
        self._act()
        match step:
            case Bring(image=image):
                self._see(images=self.observed.images | {image})
                self._have(step.hosts, image=image)
            case Fill(volume=volume, digest=digest):
                self._see(volumes={**self.observed.volumes, volume: digest})
                self._have(step.hosts, volume=(volume, digest))
            case Keep() | Start() | Prove() | Retire():
                self._run(step)
            case _:
                self._remember(step)
        self._look()

    def _run(self, step: Step) -> None:
        now = self.observed
        match step:
            case Keep(workload=name, digest=digest):
                rest = tuple(one for one in now.instances if one.workload != name)
                first = next((one.name for one in now.hosts), "")
                kept = Instance(name=name, workload=name, release="", digest=digest, state="ready", host=first)
                self._see(instances=(*rest, kept))
            case Start(workload=name, release=release, replicas=replicas, digest=digest, peers=peers, hosts=hosts):
                self._without(name, release)
                self.started.append((name, release))
                started = (
                    Instance(
                        name=f"{name}-{release}-{number}",
                        workload=name,
                        release=release,
                        digest=digest,
                        state="ready",
                        peers=peers,
                        index=number,
                        host=hosts[number] if hosts else "",
                    )
                    for number in range(replicas)
                )
                self._see(instances=(*self.observed.instances, *started))
            case Prove(release=release):
                if release in self.unhealthy:
                    raise RuntimeError("not ready")
            case Retire(workload=name, release=release):
                self._without(name, release)
            case _:
                pass

    def _remember(self, step: Step) -> None:
        now = self.observed
        match step:
            case Place(release=release, desired=desired):
                known = tuple(one for one in now.releases if one.name != release)
                self._see(releases=(Stored(name=release, desired=desired), *known))
            case Shift(routes=routes, shares=shares):
                self.routes = routes
                self._see(traffic=shares)
            case Record(release=release, share=100):
                self._see(current=release)
            case Prune(releases=gone):
                self._see(releases=tuple(one for one in now.releases if one.name not in gone))
            case _:
                pass

    def undo(self, step: Step) -> None:
        self._act()
        match step:
            case Start(workload=name, release=release, known=False):
                self._without(name, release)
            case Keep(workload=name, before=before):
                rest = tuple(one for one in self.observed.instances if one.workload != name)
                old = Instance(name=name, workload=name, release="", digest=before, state="ready")
                self._see(instances=(*rest, old) if before else rest)
            case Shift(old_routes=routes, old_shares=shares):
                self.routes = routes
                self._see(traffic=shares)
            case Place(release=release, known=False):
                self._see(releases=tuple(one for one in self.observed.releases if one.name != release))
            case _:
                pass
        self._look()

    def carry_out(self, plan: Plan | None = None, *, abort: bool = False) -> str:
        """As a deploy does: begin, or go on with what was begun; `deployed`, `undone`."""
        if plan is not None:
            self.write(Begun(at=0.0, epoch=1, plan=plan, who="ada", where="here"))
        while True:
            now = progress(self.entries)
            assert now is not None
            if now.ended:
                return now.ended
            if abort and not now.back and not now.recorded:
                self.write(Turned(at=0.0, epoch=1, reason="asked to"))
                continue
            match now.next:
                case Over(deployed=deployed):
                    self.write(Ended(at=0.0, epoch=1, outcome="deployed" if deployed else "undone"))
                case Do(number, step):
                    self.write(Taken(at=0.0, epoch=1, number=number))
                    try:
                        self.do(step)
                    except RuntimeError as error:
                        self.write(Turned(at=0.0, epoch=1, reason=str(error)))
                        continue
                    self.write(Settled(at=0.0, epoch=1, number=number))
                case Undo(number, step):
                    self.write(Taken(at=0.0, epoch=1, number=number, undo=True))
                    self.undo(step)
                    self.write(Settled(at=0.0, epoch=1, number=number, undo=True))

    def whole(self, release: str) -> bool:
        """Whether exactly this release serves, each workload by its own description and by peers that run."""
        seen = self.observed
        desired = next((one.desired for one in seen.releases if one.name == release), None)
        if desired is None:
            return not seen.current and not seen.traffic and not seen.instances
        names = {(one.workload, one.release) for one in seen.instances}
        digests = {(one.workload, one.digest) for one in seen.instances}
        at = {one.workload: one.release for one in seen.instances}
        return (
            seen.current == release
            and digests == {*identities(desired).items()}
            and len(names) == len(desired.workloads)
            and all(
                len([one for one in seen.instances if one.workload == each.name]) == each.replicas
                for each in desired.workloads
            )
            and seen.traffic == {route.name: {at[route.workload]: 100} for route in desired.routes}
            and self.routes == desired.routes
            and all((peer, home) in names for one in seen.instances for peer, home in one.peers.items())
        )

    def _act(self) -> None:
        if self.cut_after == 0:
            raise CutOffError
        self.cut_after -= 1

    def _see(self, **changes: object) -> None:
        self.observed = msgspec.structs.replace(self.observed, **changes)

    def _have(self, names: Sequence[str], *, image: str = "", volume: tuple[str, str] = ("", "")) -> None:
        hosts = tuple(
            msgspec.structs.replace(
                one,
                images=one.images | ({image} - {""}),
                volumes=one.volumes | ({volume[0]: volume[1]} if volume[0] else {}),
            )
            if one.name in names
            else one
            for one in self.observed.hosts
        )
        self._see(hosts=hosts)

    def _without(self, workload: str, release: str) -> None:
        rest = [one for one in self.observed.instances if (one.workload, one.release) != (workload, release)]
        self._see(instances=tuple(rest))

    def _look(self) -> None:
        ready = {(one.workload, one.release) for one in self.observed.instances if one.state == "ready"}
        for route in self.routes:
            for release, share in self.observed.traffic.get(route.name, {}).items():
                self.unserved += share > 0 and (route.workload, release) not in ready
        for one in self.observed.instances:
            self.unserved += any(peer not in ready for peer in one.peers.items())
