"""`modelwright up` and `modelwright status` with the real gateway, serving workers and control."""

import os
import pty
import signal
import socket
import subprocess
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest

from modelwright.app.supervise.look import look
from modelwright.core.errors.starting import NotRunning
from modelwright.core.status import PartStatus
from tests.e2e.clients import Hammer, ask, patient
from tests.e2e.running import Site, alive, modelwright, program, running

pytestmark = pytest.mark.e2e
TOYS = """
schema: 1
name: toys
models:
  sums: {source: ./sums.json, engine: {kind: toy-tensor}}
  echo: {source: ./echo.txt, engine: {kind: toy-text, options: {delay: 0.02}}}
"""
INFER = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}'
LONG = "drain me " * 15


def toys(folder: Path, text: str = TOYS) -> Path:
    """The toy models, whose files are made here."""
    (folder / "sums.json").write_text('{"toy": 1, "columns": 4}')
    (folder / "echo.txt").write_text("toy")
    path = folder / "modelwright.yaml"
    path.write_text(text)
    return path


def stream_of(site: Site, text: str) -> HTTPConnection:
    """An open chat stream of one token per byte of the text."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=60)
    body = msgspec.json.encode({"model": "echo", "stream": True, "messages": [{"role": "user", "content": text}]})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {site.key}"})
    return connection


def words_of(stream: bytes) -> str:
    """The text of a whole stream; it must have ended as the wire wants."""
    events = [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: ")]
    assert events[-1] == b"[DONE]"
    chunks = [msgspec.json.decode(event) for event in events[:-1]]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def sums_answer(site: Site) -> bool:
    return site.call("POST", "/v2/models/sums/infer", INFER).status == 200


def test_what_is_printed_works_and_works_again_on_the_second_run(manifest: Path) -> None:
    keys: list[str] = []
    for _ in range(2):
        with running(manifest) as site:
            export, chat, infer, status = site.commands
            keys.append(export.removeprefix("export KEY="))
            said = shell(f"{export}\n{chat}")
            assert "7" in words_of(said)
            assert b'"data":[7]' in shell(f"{export}\n{infer}")
            table = shell(status).decode()
            parts, secrets = table.split("\n\n")[1:]
            assert [line.split()[:2] for line in parts.splitlines()[1:]] == [
                ["gateway-0", "ready"],
                ["serving-digits-0", "ready"],
                ["serving-chat-0", "ready"],
                ["control", "ready"],
                ["openai", "off"],
            ]
            assert "set OPENAI_API_KEY" in parts
            assert secrets == "secret OPENAI_API_KEY: missing\n"
            assert site.stop() == 0
    assert keys[0] == keys[1]


def shell(script: str) -> bytes:
    """Run what was printed, as a user pastes it: in the folder where `up` was called, which is ours."""
    done = subprocess.run(["sh", "-ec", script], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_tells_what_runs_and_how_busy_it_is(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site:
        for _ in range(5):
            assert sums_answer(site)
        patient(lambda: all(part.busy for part in site.status().parts), waiting_for="everybody's numbers")
        status = site.status()
        assert (status.name, status.environment, status.pid, status.ready) == ("toys", "development", site.pid, True)
        assert (status.public, status.admin) == (site.public, site.admin)
        parts = {part.name: part for part in status.parts}
        assert list(parts) == ["gateway-0", "serving-sums-0", "serving-echo-0", "control"]
        gateway = parts["gateway-0"]
        details = [site.public, "sums by toy-tensor", "echo by toy-text", site.admin]
        assert [part.detail for part in parts.values()] == details
        assert gateway.busy is not None
        assert gateway.busy.calls == 5
        assert gateway.busy.memory_mb > 10
        os.kill(parts["control"].pid, signal.SIGSTOP)
        try:
            fallback: dict[str, PartStatus] = {}

            def told() -> bool:
                fallback.update({part.name: part for part in site.status().parts})
                return fallback["gateway-0"].busy is not None

            patient(told, waiting_for="the gateway's own numbers")
            assert fallback["gateway-0"].busy
            assert fallback["gateway-0"].busy.calls == 5
            assert fallback["control"].busy is None
        finally:
            os.kill(parts["control"].pid, signal.SIGCONT)


def test_status_of_what_does_not_run(tmp_path: Path) -> None:
    manifest = toys(tmp_path)
    never = modelwright("status", "-f", str(manifest))
    assert never.returncode == 8
    assert "modelwright up" in never.stderr
    with running(manifest) as site:
        workers = [part.pid for part in site.watch().parts]
        site.process.kill()
        site.end()
        assert (site.state / "run.json").exists()
        assert modelwright("status", "-f", str(manifest), "--json").returncode == 8
        patient(lambda: not any(alive(pid) for pid in workers), waiting_for="the orphans' end")


def test_second_up_of_the_same_manifest_is_refused(tmp_path: Path) -> None:
    manifest = toys(tmp_path)
    with running(manifest) as site:
        second = modelwright("up", "-f", str(manifest))
        assert second.returncode == 7
        assert f"pid {site.pid}" in second.stderr
        assert sums_answer(site)


@pytest.mark.parametrize(("option", "place"), [("--port", "gateway.listen"), ("--admin-port", "gateway.admin")])
def test_port_in_use_is_named_with_its_holder_and_nothing_is_started(tmp_path: Path, option: str, place: str) -> None:
    manifest = toys(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        options = {"--port": "0", "--admin-port": "0", option: str(port)}
        refused = modelwright("up", "-f", str(manifest), *[word for pair in options.items() for word in pair])
    assert refused.returncode == 4
    assert f"{place}: port {port} on 127.0.0.1 is in use by" in refused.stderr
    assert f"(pid {os.getpid()})" in refused.stderr
    assert refused.stdout == ""
    assert not (tmp_path / ".modelwright" / "run.json").exists()


def test_all_faults_of_a_manifest_are_told_at_once(tmp_path: Path) -> None:
    manifest = toys(tmp_path, TOYS + "  more: {source: ./none.onnx}\ngatway: {workers: 0}\n")
    refused = modelwright("up", "-f", str(manifest))
    assert refused.returncode == 3
    assert "none.onnx" in refused.stderr
    assert "gatway" in refused.stderr
    assert not (tmp_path / ".modelwright" / "run.json").exists()


def test_missing_library_is_named_with_the_extra_that_brings_it(manifest: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "openvino_genai.py").write_text("")
    (blocker / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'openvino_genai': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    refused = modelwright("up", "-f", str(manifest), env={**os.environ, "PYTHONPATH": str(blocker)})
    assert refused.returncode == 5
    assert "pip install 'modelwright[llm]'" in refused.stderr


def test_model_that_cannot_be_loaded_is_broken_while_its_neighbours_serve(tmp_path: Path) -> None:
    manifest = toys(tmp_path)
    (tmp_path / "sums.json").write_text('{"toy": 1, "columns": -4}')
    with running(manifest, ready=False) as site:
        part = site.part("serving-sums-0")
        assert (part.state, part.restarts) == ("broken", 0)
        assert "columns is -4" in part.detail
        assert site.call("POST", "/v2/models/sums/infer", INFER).status in {502, 503}
        with closing(stream_of(site, "still here")) as stream:
            assert words_of(stream.getresponse().read()) == "still here"
        assert site.stop() == 0


def test_nothing_to_serve_ends_the_start_with_a_status_of_its_own(tmp_path: Path) -> None:
    manifest = toys(
        tmp_path, "schema: 1\nname: one\nmodels: {sums: {source: ./sums.json, engine: {kind: toy-tensor}}}\n"
    )
    (tmp_path / "sums.json").write_text("{")
    refused = modelwright("up", "-f", str(manifest), "--port", "0", "--admin-port", "0")
    assert refused.returncode == 6
    assert "no model can be served" in refused.stderr
    assert not (tmp_path / ".modelwright" / "run.json").exists()


def test_drain_loses_no_request_and_finishes_the_stream(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site, closing(stream_of(site, LONG)) as stream:
        answer = stream.getresponse()
        headers = {"Authorization": f"Bearer {site.key}"}
        with Hammer(site.port, "/v2/models/sums/infer", body=INFER, connections=6, **headers) as hammer:
            hammer.wait_for(200)
            site.process.send_signal(signal.SIGTERM)
            hammer.join()
        assert hammer.lost == []
        assert words_of(answer.read()) == LONG
        assert site.end() == 0
        assert not (site.state / "run.json").exists()
    with running(site.manifest) as again:
        assert outcomes(again) == {"ok": hammer.answered + 1}


def outcomes(site: Site) -> dict[str, int]:
    """Calls by outcome, as control knows them."""
    rows = msgspec.json.decode(ask(site.runtime / "control.sock", "/ledger/summary").body)
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row["outcome"]] += row["calls"]
    return dict(counted)


def test_killed_gateway_is_back_and_waiting_connections_are_answered(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site:
        os.kill(site.part("gateway-0").pid, signal.SIGKILL)
        assert sums_answer(site)
        assert site.wait_for("gateway-0", "ready", restarts=1).restarts == 1
        assert all(part.restarts == 0 for part in site.watch().parts if part.name != "gateway-0")


def test_killed_gateway_costs_what_was_in_flight_and_the_ledger_says_so(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site:
        headers = {"Authorization": f"Bearer {site.key}"}
        with Hammer(site.port, "/v2/models/sums/infer", body=INFER, connections=4, **headers) as hammer:
            hammer.wait_for(100)
            os.kill(site.part("gateway-0").pid, signal.SIGKILL)
            site.wait_for("gateway-0", "ready", restarts=1)
            hammer.wait_for(hammer.answered + 100)
        assert len(hammer.lost) <= 4
        assert not [loss for loss in hammer.lost if loss.startswith("status") and loss != "status 503"]
        patient(lambda: outcomes(site).get("ok", 0) >= hammer.answered, waiting_for="the ledger")
        counted = outcomes(site)
        # A call may be written as ok though its answer died on the way to the client.
        assert hammer.answered <= counted["ok"] <= hammer.answered + len(hammer.lost)
        assert counted.get("unresolved", 0) <= len(hammer.lost)


def test_killed_model_is_back_and_its_neighbour_did_not_notice(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site, closing(stream_of(site, LONG)) as stream:
        answer = stream.getresponse()
        headers = {"Authorization": f"Bearer {site.key}"}
        with Hammer(site.port, "/v2/models/sums/infer", body=INFER, connections=4, **headers) as hammer:
            hammer.wait_for(50)
            os.kill(site.part("serving-sums-0").pid, signal.SIGKILL)
            assert site.wait_for("serving-sums-0", "ready", restarts=1).restarts == 1
            hammer.wait_for(hammer.answered + 50)
        assert set(hammer.lost) <= {"status 503"}
        assert words_of(answer.read()) == LONG


def test_one_of_two_gateways_may_die(tmp_path: Path) -> None:
    with running(toys(tmp_path, TOYS + "gateway: {workers: 2}\n")) as site:
        os.kill(site.part("gateway-1").pid, signal.SIGKILL)
        for _ in range(20):
            assert sums_answer(site)
        assert site.wait_for("gateway-1", "ready", restarts=1).restarts == 1
        assert site.part("gateway-0").restarts == 0


def test_calls_go_on_while_control_is_killed(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site:
        headers = {"Authorization": f"Bearer {site.key}"}
        with Hammer(site.port, "/v2/models/sums/infer", body=INFER, connections=2, **headers) as hammer:
            os.kill(site.part("control").pid, signal.SIGKILL)
            site.wait_for("control", "ready", restarts=1)
            hammer.wait_for(50)
        assert hammer.lost == []
        assert site.stop() == 0


def test_killed_supervisor_leaves_no_orphan_and_the_next_run_takes_over(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site, closing(stream_of(site, LONG)) as stream:
        answer = stream.getresponse()
        workers = [part.pid for part in site.watch().parts]
        site.process.kill()
        site.process.wait()
        assert words_of(answer.read()) == LONG
        patient(lambda: not any(alive(pid) for pid in workers), waiting_for="the orphans' end")
        with running(site.manifest) as again:
            assert sums_answer(again)
            assert again.key == site.key


def test_interrupt_drains_as_well(tmp_path: Path) -> None:
    with running(toys(tmp_path)) as site:
        assert site.stop(signal.SIGINT) == 0
        assert '{"note":"stopping: calls that run are finished (once more: at once)"}\n' in site.lines


def test_production_makes_no_key_and_says_how_to_get_one(tmp_path: Path) -> None:
    with running(toys(tmp_path), options=("--env", "production")) as site:
        assert not (site.state / "keys").exists()
        assert "keys create NAME" in site.commands[0]


def test_without_a_terminal_lines_are_plain(tmp_path: Path) -> None:
    manifest = toys(tmp_path)
    command = [*program(), "up", "-f", str(manifest), "--port", "0", "--admin-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.strip())
            if lines[-1].startswith("toys is ready: http://127.0.0.1:"):
                break
        process.terminate()
        lines += [line.strip() for line in process.stdout]
    assert process.returncode == 0
    assert any(line.startswith("serving-sums-0 ready") for line in lines)
    assert lines[-2:] == ["control stopped", "stopped"]


def test_closed_pipe_is_no_reason_to_stop(tmp_path: Path) -> None:
    manifest = toys(tmp_path, "schema: 1\nname: one\nmodels: {echo: {source: ./echo.txt, engine: {kind: toy-text}}}\n")
    command = [*program(), "up", "-f", str(manifest), "--port", "0", "--admin-port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert b"starting" in process.stdout.readline()
        process.stdout.close()
        patient(lambda: part_of(manifest, "serving-echo-0").state == "ready", waiting_for="the start")
        os.kill(part_of(manifest, "serving-echo-0").pid, signal.SIGKILL)
        patient(lambda: part_of(manifest, "serving-echo-0").restarts == 1, waiting_for="the restart")
        patient(lambda: part_of(manifest, "serving-echo-0").state == "ready", waiting_for="the model's return")
        process.terminate()
    assert process.returncode == 0


def part_of(manifest: Path, name: str) -> PartStatus:
    """A part of what runs; one that is not there yet is starting."""
    try:
        parts = look(manifest.parent / ".modelwright").parts
    except NotRunning:
        parts = ()
    nothing = PartStatus(name=name, kind="", state="starting")
    return next((part for part in parts if part.name == name), nothing)


def test_on_a_terminal_the_status_stays_readable_and_logs_go_to_files(tmp_path: Path) -> None:
    manifest = toys(tmp_path)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    command = [*program(), "up", "-f", str(manifest), "--port", "0", "--admin-port", "0"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = until(ours, b"Ctrl-C stops.")
        process.send_signal(signal.SIGINT)
        shown += until(ours, b"stopped")
    os.close(ours)
    assert process.returncode == 0
    assert b"toys is ready: http://127.0.0.1:" in shown
    assert b"export KEY=mw-" in shown
    assert b'{"part"' not in shown, "no worker's line"
    names = {path.name for path in (tmp_path / ".modelwright" / "logs").iterdir()}
    assert names == {"gateway-0.log", "serving-sums-0.log", "serving-echo-0.log", "control.log"}


def until(terminal: int, words: bytes) -> bytes:
    """What a terminal has shown, up to these words."""
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 65536)
    return shown


def test_workers_that_run_models_see_no_secret(tmp_path: Path) -> None:
    text = TOYS + 'providers: {vendor: {kind: openai, keys: ["${secret:VENDOR_KEY}"]}}\n'
    with running(toys(tmp_path, text), env={"VENDOR_KEY": "sk-planted", "PLAIN": "seen"}) as site:
        seen = {part.name: Path(f"/proc/{part.pid}/environ").read_bytes() for part in site.watch().parts if part.pid}
        assert b"sk-planted" in seen["gateway-0"], "it asks the provider"
        assert b"sk-planted" not in seen["serving-sums-0"]
        assert b"PLAIN=seen" in seen["serving-sums-0"]
