"""How an environment stands, in words."""

import io

import msgspec
from rich.console import Console

from modelwright.app.deploying.status import Ran, Told
from modelwright.cli.standing import headline, table, traffic, trouble
from modelwright.core.deploying.steps import Change, Edit
from modelwright.deploy.standing.strays import Stray

NOW = 1.7e9
TOLD = Told(
    project="kb",
    environment="production",
    release="r7",
    since=NOW - 3600,
    who="ada",
    where="desk",
    why="new page",
    trial="r8",
    open="",
    edge="haproxy",
    traffic={"front": {"r7": 90, "r8": 10}, "charts": {"": 100}},
    instances=(
        Ran(name="edge", kind="edge", state="ready", since=NOW - 7200, restarts=0, release="", image="haproxy:3.2"),
        Ran(
            name="web.r7.0", kind="app", state="failed", since=0.0, restarts=4, release="r7", image=f"sha256:{'0' * 64}"
        ),
    ),
    drift=(),
    strays=(Stray(name="toy", problem="no release has a workload toy"),),
    ahead=(
        Change(act="replace", kind="workload", name="web", edits=(Edit(field="image", before="web:1", after="web:2"),)),
        Change(act="create", kind="workload", name="api"),
    ),
)
TABLE = """\
instance  kind  state     for  restarts  release  image
edge      edge  ready   2 h 0 m       0           haproxy:3.2
web.r7.0  app   failed                4  r7       sha256:000000000000
"""


def test_the_headline_says_who_and_why() -> None:
    assert headline(TOLD) == "kb (production): r7 serves since 2023-11-14 21:13:20 UTC, by ada on desk: new page"


def test_a_row_for_each_instance() -> None:
    out = io.StringIO()
    Console(file=out, width=120, markup=False, highlight=False).print(table(TOLD, now=NOW))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert rows == [line.split() for line in TABLE.splitlines()]


def test_where_there_are_several_hosts_each_row_names_one() -> None:
    out = io.StringIO()
    placed = tuple(msgspec.structs.replace(one, host="box.example.com") for one in TOLD.instances)
    told = msgspec.structs.replace(TOLD, instances=placed)
    Console(file=out, width=120, markup=False, highlight=False).print(table(told, now=NOW))
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["host", "box.example.com", "box.example.com"]


def test_what_lasts_has_no_release_in_its_share() -> None:
    assert [*traffic(TOLD)] == ["route front (haproxy): r7 90 %, r8 10 %", "route charts (haproxy): 100 %"]


def test_what_is_not_as_it_should_be_has_a_line_each() -> None:
    assert [*trouble(TOLD)] == [
        "! toy is none of ours: no release has a workload toy; remove it by hand",
        "a deploy of this manifest would change:",
        "  ~ web: new instances, beside the old ones until they are proven",
        "  + api: new",
    ]
    same = msgspec.structs.replace(TOLD, strays=(), ahead=())
    assert [*trouble(same)] == ["a deploy of this manifest has nothing to do"]
    unknown = msgspec.structs.replace(same, ahead=None, trouble="the secret KEY is not set")
    assert [*trouble(unknown)] == [
        "what a deploy of this manifest would change cannot be told: the secret KEY is not set"
    ]
