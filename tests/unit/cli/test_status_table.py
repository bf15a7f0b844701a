import io

import msgspec
import pytest
from rich.console import Console

from modelwright.cli.status import detail, duration, headline, table
from modelwright.core.resources.wants import Given
from modelwright.core.status import Busy, PartStatus, Status

NOW = 10_000.0
STATUS = Status(
    name="quickstart",
    environment="development",
    version="0.1.0",
    pid=100,
    since=NOW - 252,
    public="http://127.0.0.1:8000",
    admin="http://127.0.0.1:8001",
    ready=False,
    parts=(
        PartStatus(
            name="gateway-0",
            kind="gateway",
            state="ready",
            detail="snapshot 3",
            pid=101,
            since=NOW - 250,
            busy=Busy(calls=1204, in_flight=3, errors=2, memory_mb=61.4),
        ),
        PartStatus(
            name="serving-chat-0", kind="serving", state="waiting", detail="killed by SIGSEGV; next start in 2 s",
            since=NOW - 1, restarts=4,
        ),
        PartStatus(name="openai", kind="provider", state="off", detail="set OPENAI_API_KEY"),
    ),
)  # fmt: skip
TABLE = """\
part            state         for  pid  restarts  calls  in flight  errors  memory  detail
gateway-0       ready    4 m 10 s  101         0   1204          3       2   61 MB  snapshot 3
serving-chat-0  waiting       1 s              4                                    killed by SIGSEGV; next start in 2 s
openai          off                                                                 set OPENAI_API_KEY
"""
NARROW = """\
part            state         for  calls  in flight  errors  memory
gateway-0       ready    4 m 10 s   1204          3       2   61 MB
serving-chat-0  waiting       1 s
openai          off
gateway-0: snapshot 3
serving-chat-0: killed by SIGSEGV; next start in 2 s
openai: set OPENAI_API_KEY
"""


def drawn(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(STATUS, now=NOW, width=width))
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


@pytest.mark.parametrize(("width", "text"), [(140, TABLE), (80, NARROW)])
def test_table_has_a_row_per_part_and_numbers_where_they_are_known(width: int, text: str) -> None:
    assert drawn(width) == text


def test_details_without_room_are_told_below_and_whole() -> None:
    lines = drawn(112).splitlines()
    assert "restarts" in lines[0]
    assert lines[4:] == NARROW.splitlines()[4:]
    assert max(map(len, lines)) <= 112


def test_words_in_brackets_and_wide_letters_are_shown_as_they_are() -> None:
    part = PartStatus(name="serving-m-0", kind="serving", state="broken", detail="模型.py: list[int] is no [/tensor]")
    console = Console(file=io.StringIO(), width=140)
    console.print(table(msgspec.structs.replace(STATUS, parts=(part,)), now=NOW, width=140))
    assert isinstance(console.file, io.StringIO)
    assert part.detail in console.file.getvalue()


def test_headline_says_where_and_whether_all_is_well() -> None:
    assert headline(STATUS, NOW) == (
        "quickstart (development): not all of it is ready, up 4 m 12 s, pid 100, "
        "public http://127.0.0.1:8000, admin http://127.0.0.1:8001"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 m 0 s"), (3700, "1 h 1 m"), (90_000, "1 d 1 h")],
)
def test_duration_shows_the_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_gateway_says_whom_it_leaves_alone() -> None:
    part = PartStatus(
        name="gateway-0", kind="gateway", state="ready", detail="snapshot 3", busy=Busy(left_alone=("openai", "pool"))
    )
    assert detail(part) == "snapshot 3; leaves openai, pool alone, which failed too often"
    assert detail(msgspec.structs.replace(part, busy=None)) == "snapshot 3"


def test_a_model_says_what_it_has_of_the_machine() -> None:
    given = Given(cpus=(0, 1), memory=1 << 30)
    part = PartStatus(name="serving-m-0", kind="serving", state="ready", detail="m by onnxruntime", given=given)
    assert detail(part) == "m by onnxruntime; CPUs 0-1, up to 1.0 GiB"
