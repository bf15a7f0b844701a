import io
import json

import msgspec
from rich.console import Console

from modelwright.cli.up_view import JsonLines, Plain, banner, picture
from modelwright.core.status import PartStatus, Status

READY = PartStatus(name="gateway-0", kind="gateway", state="ready", detail="snapshot 1", pid=7, since=100.0)
BROKEN = PartStatus(name="serving-chat-0", kind="serving", state="broken", detail="chat.gguf is cut", since=100.0)
OFF = PartStatus(name="openai", kind="provider", state="off", detail="set OPENAI_API_KEY")


def status(*parts: PartStatus, ready: bool = True) -> Status:
    return Status(
        name="quickstart", environment="development", version="0.1.0", pid=1, since=99.0,
        public="http://127.0.0.1:8000", admin="http://127.0.0.1:8001", ready=ready, parts=parts,
    )  # fmt: skip


def test_banner_of_a_ready_site() -> None:
    assert banner(status(READY, OFF), ["export KEY=k", "curl x"]) == [
        "quickstart is ready: http://127.0.0.1:8000 (admin http://127.0.0.1:8001)",
        "",
        "    export KEY=k",
        "    curl x",
        "",
    ]


def test_banner_says_what_is_not_ready() -> None:
    lines = banner(status(READY, BROKEN, ready=False), [])
    assert lines[0].startswith("quickstart runs, but not all of it: ")
    assert lines[1] == "  serving-chat-0 is broken: chat.gguf is cut"


def test_a_terminal_shows_every_part_and_state_however_long_a_detail_is() -> None:
    console = Console(file=io.StringIO(), width=60)
    console.print(picture([READY, msgspec.structs.replace(BROKEN, detail=80 * "模型 "), OFF], seconds=2))
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]
    assert lines[0] == "✓  gateway-0       ready   snapshot 1"
    assert lines[1].startswith("✗  serving-chat-0  broken  模型 模型")
    assert lines[1].endswith("…")
    assert lines[2] == "–  openai          off     set OPENAI_API_KEY"


def test_plain_lines_tell_each_change_of_state_once() -> None:
    out = io.StringIO()
    view = Plain(out)
    view.changed(READY)
    view.changed(READY)
    view.changed(BROKEN)
    view.said("stopping")
    assert out.getvalue().splitlines() == [
        "gateway-0 ready snapshot 1",
        "serving-chat-0 broken chat.gguf is cut",
        "stopping",
    ]


def test_json_lines_are_objects_all() -> None:
    out = io.StringIO()
    view = JsonLines(out)
    view.changed(READY)
    view.said("stopping")
    view.settled(status(READY), ["curl x"])
    changed, note, settled = map(json.loads, out.getvalue().splitlines())
    assert changed == {
        "event": "part_changed", "at": 100.0, "part": "gateway-0", "state": "ready", "pid": 7, "detail": "snapshot 1",
    }  # fmt: skip
    assert note == {"note": "stopping"}
    assert settled["ready"] is True
    assert settled["commands"] == ["curl x"]
