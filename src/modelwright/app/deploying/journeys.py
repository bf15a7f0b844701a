"""What can be done with one environment: plan, deploy, go on, give up, go back, decide, look; each under one roof.

Every journey asks the target what is there, has a rule make the plan, and a carrier carry it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from modelwright.app.deploying.reach import Reached
from modelwright.app.deploying.supplies import Supplies
from modelwright.core.deploying.journal import Begun, Entry, Turned
from modelwright.core.deploying.observed import Observed, Served
from modelwright.core.deploying.steps import Place, Plan, Watch
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, digest_of
from modelwright.core.errors.deploying import LeaseHeld, NothingOpen, OnTrial, Undone
from modelwright.core.ports.clock import Clock
from modelwright.deploy.carrying import Author, Carrier, Outcome
from modelwright.deploy.homes import description, on_trial
from modelwright.deploy.planning import planned
from modelwright.deploy.progress import Progress, progress
from modelwright.deploy.releases import name_of, way_back
from modelwright.deploy.standing.costs import Rates, priced


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an environment stands."""

    observed: Observed
    trial: str
    """The release on trial; empty: none."""
    open: Progress | None
    """What was begun and has not ended."""
    begun: Begun | None
    """By whom."""
    drift: Plan | None
    """What a deploy of the current release would mend; None: nothing, or there is none."""


class Journeys:
    """Of one environment, by one person."""

    def __init__(
        self,
        reached: Reached,
        supplies: Supplies,
        author: Author,
        *,
        rise: Rise,
        clock: Clock,
        tell: Callable[[Entry | LeaseHeld], None],
        rates: Rates | None = None,
    ) -> None:
        """`rise`: how traffic goes over; `tell` hears what goes on; `rates`: what the target costs."""
        supplies.salted_by(reached.salt)
        self._reached, self._supplies, self._author = reached, supplies, author
        self._rise, self._clock, self._heard = rise, clock, tell
        self._turned: Turned | None = None
        self._rates = rates

    async def plan(self, *, exact: bool = False) -> Plan:
        """From what runs to what the manifest says. `exact`: as it will be carried out, which prepares the target."""
        described = await self._supplies.described()
        if exact and not await self._reached.salt():
            await self._reached.prepare(described.keeper)
            described = await self._supplies.described()
        observed = await self._observed()
        desired = described.desired
        plan = planned(desired, observed, release=name_of(desired, observed), rise=self._rise)
        return priced(plan, desired, observed, rates=self._rates)

    async def settle(self) -> None:
        """End what somebody has left open, so that a plan can begin: forward if it is what is wanted, else back.

        Raises Undone and OnTrial when it is what is wanted, and ends so.
        """
        now = await self._open()
        if now is None:
            return
        wanted = (await self._supplies.described()).desired
        if now.back or not any(digest_of(one) == digest_of(wanted) for one in _placed(now.plan)):
            await self._carrier().abort()
        else:
            self._ended(await self._carrier().resume(), "")

    async def deploy(self, plan: Plan) -> None:
        """This plan, or nothing when it has no steps. Raises Undone, OnTrial, and what Carrier.deploy raises."""
        if not plan.steps:
            return
        described = await self._supplies.described()
        await self._reached.prepare(described.keeper)
        await self._carry(plan)

    async def resume(self) -> None:
        """Go on with what was begun; raises NothingOpen."""
        outcome = await self._carrier().resume() if await self._open() is not None else None
        self._ended(outcome, "nothing was begun that has not ended")

    async def abort(self) -> str:
        """Undo what was begun, or end a trial; what serves then. Raises NothingOpen."""
        if await self.end() is None:
            observed = await self._observed()
            desired = description(observed, observed.current)
            if not on_trial(observed) or desired is None:
                raise NothingOpen("nothing was begun that has not ended, and nothing is on trial")
            await self._carry(planned(desired, observed, release=observed.current, rise=Rise()))
        return (await self._observed()).current

    async def promote(self) -> str:
        """Take the trial for passed: all traffic to it; its name. Raises NothingOpen."""
        now = await self._open()
        passed = now is not None and not now.back and any(isinstance(step, Watch) for step in now.plan.steps)
        if passed:
            self._ended(await self._carrier().resume(judged=False), "")
        observed = await self._observed()
        trial = on_trial(observed)
        if passed and not trial:
            return observed.current
        desired = description(observed, trial)
        if desired is None:
            raise NothingOpen("nothing is on trial", hint="see `modelwright releases`")
        await self._carry(planned(desired, observed, release=trial, rise=Rise()))
        return trial

    async def back(self, release: str = "") -> Plan:
        """The plan of a rollback; raises NoWayBack, and nothing was touched."""
        observed = await self._observed()
        stored = way_back(observed, await self.history(), release=release)
        plan = planned(stored.desired, observed, release=stored.name, rise=Rise())
        return priced(plan, stored.desired, observed, rates=self._rates)

    async def roll_back(self, plan: Plan) -> None:
        """Carry it out; what another deploy has left open is undone before, so ask for the plan afterwards."""
        await self._carry(plan)

    async def end(self) -> Outcome | None:
        """Undo what is open, or finish it when it is too late; None: nothing is."""
        return await self._carrier().abort() if await self._open() is not None else None

    async def history(self) -> Sequence[Served]:
        """Newest first."""
        return await self._reached.target.observer.history() if await self._reached.salt() else ()

    async def standing(self) -> Standing:
        """How it stands, with what is not as its release says."""
        observed = await self._observed()
        desired: Desired | None = description(observed, observed.current)
        now, trial = await self._open(), on_trial(observed)
        drift = None
        if desired is not None and now is None and not trial:
            mending = planned(desired, observed, release=observed.current, rise=Rise())
            drift = mending if mending.steps else None
        entries = await self._reached.target.journal.entries() if now is not None else ()
        begun = next((one for one in entries if isinstance(one, Begun)), None)
        return Standing(observed=observed, trial=trial, open=now, begun=begun, drift=drift)

    async def _carry(self, plan: Plan) -> None:
        if plan.steps:
            self._ended(await self._carrier().deploy(plan), "")

    async def _observed(self) -> Observed:
        return await self._reached.target.observer.observe()

    async def _open(self) -> Progress | None:
        if not await self._reached.salt():
            return None
        now = progress(await self._reached.target.journal.entries())
        return None if now is None or now.ended else now

    def _carrier(self) -> Carrier:
        return Carrier(self._reached.target, self._author, clock=self._clock, tell=self._tell)

    def _tell(self, entry: Entry | LeaseHeld) -> None:
        if isinstance(entry, Turned):
            self._turned = entry
        self._heard(entry)

    def _ended(self, outcome: Outcome | None, nothing: str) -> None:
        if outcome is None:
            raise NothingOpen(nothing)
        if outcome == "undone":
            why, hint = (self._turned.reason, self._turned.hint) if self._turned else ("somebody asked to", "")
            raise Undone(f"it was undone, and what served before serves: {why}", hint=hint)
        if outcome == "held":
            hint = "`modelwright promote` gives it all traffic, `modelwright abort` none"
            raise OnTrial("it stays on trial: too little was seen to judge it by", hint=hint)


def _placed(plan: Plan) -> list[Desired]:
    return [step.desired for step in plan.steps if isinstance(step, Place)]
