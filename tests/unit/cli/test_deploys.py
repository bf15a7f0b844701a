"""What somebody at a terminal, or a pipeline, sees of a deploy."""

from __future__ import annotations

import pytest
import typer

from modelwright.cli.deploys import INTERRUPTED, View, agreed
from modelwright.cli.releases import notes
from modelwright.core.deploying.journal import Begun, Ended, Settled, Taken
from modelwright.core.errors.deploying import LeaseHeld
from modelwright.deploy.planning import planned
from tests.unit.app.deploying.test_journeys import Host, cut_off, deploy, journeys
from tests.unit.deploy.test_planning import Rise, site
from tests.unit.deploy.world import Observed

PLAN = planned(site(), Observed(), release="r1", rise=Rise())
BEGUN = Begun(at=1.0, epoch=1, plan=PLAN, who="ada", where="here")


def test_a_line_for_each_step_and_for_whoever_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.hear(LeaseHeld("bob on his machine is changing it"))
    for entry in (BEGUN, Taken(at=1.0, epoch=1, number=0), Settled(at=3.0, epoch=1, number=0)):
        view.hear(entry)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["waiting: bob on his machine is changing it", f"[ 1/{len(PLAN.steps)}] done: bring web:1 (2.0 s)"]


def test_whoever_stops_it_is_told_where_it_stands_and_how_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.hear(BEGUN)
    view.hear(Taken(at=1.0, epoch=1, number=0))
    assert view.interrupted() == INTERRUPTED
    told = capsys.readouterr().err
    assert "bring web:1: go on with `modelwright resume`, or back with `modelwright abort`" in told


def test_whoever_loses_the_target_is_told_so_too_unless_all_had_ended(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    assert not view.cut_off()
    for entry in (BEGUN, Taken(at=1.0, epoch=1, number=0), Settled(at=3.0, epoch=1, number=0)):
        view.hear(entry)
    assert view.cut_off()
    assert "stopped between two steps: go on with `modelwright resume`" in capsys.readouterr().err
    view.hear(Ended(at=4.0, epoch=1, outcome="deployed"))
    assert not view.cut_off()


def test_where_nobody_can_be_asked_a_plan_needs_a_yes() -> None:
    assert agreed(PLAN, yes=True)
    assert agreed(planned(site(), Observed(), release="r1", rise=Rise()), yes=True)
    with pytest.raises(typer.BadParameter, match="nobody can be asked here"):
        agreed(PLAN, yes=False)


async def test_the_list_of_releases_says_what_is_open_and_what_is_not_as_it_should_be() -> None:
    host = Host()
    await deploy(host, site())
    assert notes(await journeys(host, site()).standing()) == []
    await cut_off(host, site(api="2"), 9)
    told = notes(await journeys(host, site()).standing())
    assert told == ["a deploy of r2 by ada on here has not ended: modelwright resume, or abort"]
