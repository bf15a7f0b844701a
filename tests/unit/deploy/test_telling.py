"""What a person reads of a plan, and while it is carried out."""

from __future__ import annotations

import asyncio

import msgspec

from modelwright.core.deploying.journal import Begun, Entry, Failed, Turned
from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Mount, Route, Workload
from modelwright.deploy.carrying import Author, Carrier
from modelwright.deploy.planning import planned
from modelwright.deploy.telling import Told, plan_lines
from tests.unit.deploy.place import Place
from tests.unit.deploy.test_carrying import Ticking
from tests.unit.deploy.test_planning import deployed, site
from tests.unit.deploy.world import World

SECRET = "sha256:" + "5e" * 32
FIRST = """\
kb, production: r1

  + web: new
      image  web:1

  + api: new
      image  api:1

  + gateway: new
      image  gateway:1

  + db: new
      image  db:1

  + route front: new
      traffic  r1 100 %

  + route back: new
      traffic  r1 100 %

13 steps, 4 instances to start, traffic moves 100 %"""
SECOND = """\
kb, production: r2

  ~ web: new instances, beside the old ones until they are proven
      image                    web:1 → web:2
      replicas                 1 → 2
      env LOG_LEVEL            debug
      secret /run/secrets/KEY  ***

  ~ gateway: new instances, beside the old ones until they are proven
      image  gateway:1 → gateway:2

  ! db: stopped and started again
      image  db:1 → db:2

  - api: goes

  > route front
      prefix   / → /kb
      traffic  r1 100 % → r2 100 %

  - route back: goes

19 steps, 4 instances to start, traffic moves 20 % then 100 %, watched for 10 min
! db is stopped and started again: what needs it waits meanwhile"""


def changed() -> Desired:
    web, _, *others = site(web="2", gateway="2", db="2").workloads
    mounts = (Mount(path="/run/secrets/KEY", digest=SECRET, secret=True),)
    now: Workload = msgspec.structs.replace(web, replicas=2, env={"LOG_LEVEL": "debug"}, mounts=mounts)
    routes = (Route(name="front", workload="web", prefix="/kb"),)
    return msgspec.structs.replace(site(), workloads=(now, *others), routes=routes)


def lines(desired: Desired, seen: Observed, *, release: str, rise: Rise | None = None) -> str:
    return "\n".join(plan_lines(planned(desired, seen, release=release, rise=rise or Rise())))


def test_the_first_plan() -> None:
    assert lines(site(), Observed(), release="r1") == FIRST


def test_a_plan_tells_field_by_field_and_no_secret() -> None:
    told = lines(changed(), deployed(site()).observed, release="r2", rise=Rise(steps=(20, 100), pause=600))
    assert told == SECOND
    assert SECRET[7:20] not in told


def test_a_plan_with_nothing_to_do_says_so() -> None:
    assert lines(site(), deployed(site()).observed, release="r1") == "kb, production: nothing to do, r1 serves"


def test_what_went_wrong_is_said_once() -> None:
    told, begun = Told(), planned(site(), Observed(), release="r1", rise=Rise())
    entries = (
        Begun(at=0.0, epoch=1, plan=begun, who="ada", where="here"),
        Failed(at=1.0, epoch=1, number=0, problem="bring web:1: no such image"),
        Turned(at=1.0, epoch=1, reason="bring web:1: no such image"),
        Turned(at=2.0, epoch=1, reason="bob asked to"),
        Failed(at=3.0, epoch=1, number=1, problem="bring api:1: it ended; its last lines:\na\nb"),
    )
    assert [told.line(entry) for entry in entries] == [
        "",
        "[ 1/13] failed: bring web:1: no such image",
        "going back",
        "going back: bob asked to",
        "[ 2/13] failed: bring api:1: it ended",
    ]


def test_each_step_has_its_line() -> None:
    place, heard, told = Place(World(site(), deployed(site()).observed)), list[Entry](), Told()
    plan = planned(site(api="2"), place.world.observed, release="r2", rise=Rise())
    carrier = Carrier(
        place.target,
        Author(who="ada", where="here"),
        clock=Ticking(),
        tell=lambda entry: heard.append(entry) if not isinstance(entry, Exception) else None,
    )
    asyncio.run(carrier.deploy(plan))
    said = [line for entry in heard if (line := told.line(entry))]
    assert said == [
        "[1/8] done: bring api:2",
        "[2/8] done: place r2",
        "[3/8] done: run api in r2",
        "[4/8] done: start api in r2",
        "[5/8] done: move traffic, 100 %",
        "[6/8] done: record r2",
        "[7/8] done: drain api in r1",
        "[8/8] done: retire api in r1",
        "deployed",
    ]
