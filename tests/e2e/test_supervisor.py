"""The supervisor over real processes that only pretend to serve: deaths, drains, doors and orphans."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from modelwright.app.supervise.supervisor import ECHO
from tests.e2e.clients import Hammer, patient

pytestmark = pytest.mark.e2e
PARTS = ("gateway-0", "serving-digits-0", "control")


class FakeSite:
    """A running `fake_site.py` and what it has printed."""

    def __init__(self, folder: Path, *numbers: float) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fake_site.py")), str(folder), *map(str, numbers)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(json.loads(line))

    def end(self) -> int:
        status = self.process.wait(timeout=60)
        self._reader.join()
        return status

    def facts(self, key: str) -> list[Any]:
        return [line[key] for line in list(self.lines) if key in line]

    def settled(self) -> dict[str, Any]:
        patient(lambda: bool(self.facts("settled")), waiting_for="the start")
        return self.facts("settled")[0]

    def port(self) -> int:
        return int(self.settled()["public"].rpartition(":")[2])

    def states(self, name: str) -> list[str]:
        return [part["state"] for part in self.facts("part") if part["name"] == name]

    def last(self, name: str) -> dict[str, Any]:
        nothing = {"state": "", "restarts": 0, "detail": "", "pid": 0}
        return next((part for part in reversed(self.facts("part")) if part["name"] == name), nothing)

    def wait_for(self, name: str, *states: str, restarts: int = 0) -> dict[str, Any]:
        patient(
            lambda: self.last(name)["state"] in states and self.last(name)["restarts"] >= restarts,
            waiting_for=f"{name} {states}",
        )
        return self.last(name)

    def pids(self) -> list[int]:
        return [part["pid"] for part in self.facts("part") if part["pid"]]


@contextmanager
def open_stream(port: int, path: str = "/stream") -> Iterator[HTTPResponse]:
    """A stream, of two seconds unless the path says otherwise, whose first piece has arrived."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.read(2) == b"0\n"
        yield answer


@contextmanager
def fake_site(
    folder: Path, *, grace: float = 60.0, stuck: float = 0.0, **behaviour: dict[str, Any]
) -> Iterator[FakeSite]:
    named = {name.replace("_", "-"): value for name, value in behaviour.items()}
    (folder / "behaviour.json").write_text(json.dumps(named))
    site = FakeSite(folder, grace, stuck)
    try:
        yield site
    finally:
        if site.process.poll() is None:
            site.process.kill()
        site.end()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_parts_start_together_and_stop_in_the_order_of_a_drain(tmp_path: Path) -> None:
    with fake_site(tmp_path) as site:
        assert site.settled()["ready"]
        site.process.send_signal(signal.SIGTERM)
        assert site.end() == 0
        assert site.facts("ended") == [True]
        stopped = [part["name"] for part in site.facts("part") if part["state"] == "stopped"]
        assert stopped == list(PARTS)
        assert {path.name for path in tmp_path.glob("*.stopped")} == {f"{name}.stopped" for name in PARTS}
        assert not [pid for pid in site.pids() if alive(pid)]
        assert not (tmp_path / ".modelwright" / "run.json").exists()
        assert not Path(site.last("control")["socket"]).parent.exists()


@pytest.mark.parametrize("victim", PARTS)
def test_killed_part_is_back_at_once_and_loses_no_waiting_connection(tmp_path: Path, victim: str) -> None:
    with fake_site(tmp_path) as site:
        port = site.port()
        os.kill(site.last(victim)["pid"], signal.SIGKILL)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        back = site.wait_for(victim, "ready", restarts=1)
        assert back["restarts"] == 1
        assert "died" in site.states(victim)
        assert all(site.last(name)["restarts"] == 0 for name in PARTS if name != victim)


def test_part_that_lives_but_answers_nothing_is_started_again(tmp_path: Path) -> None:
    with fake_site(tmp_path, stuck=4.0) as site:
        port = site.port()
        os.kill(site.last("gateway-0")["pid"], signal.SIGSTOP)
        with socket.socket(socket.AF_UNIX) as caller, socket.create_connection(("127.0.0.1", port)) as client:
            caller.connect(site.last("serving-digits-0")["socket"])
            caller.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
            client.settimeout(60)
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            for name in ("gateway-0", "serving-digits-0"):
                site.wait_for(name, "ready", restarts=1)
                reasons = [part["detail"] for part in site.facts("part") if part["name"] == name]
                assert "gave no answer for 4 s and was killed; starting again" in reasons
            assert client.recv(100).startswith(b"HTTP/1.1 200"), "who waited for it is answered by the next"
        assert site.last("control")["restarts"] == 0


def test_failure_that_may_pass_is_tried_again_while_the_rest_goes_on(tmp_path: Path) -> None:
    with fake_site(tmp_path, control={"fail": "the database is locked"}) as site:
        assert site.wait_for("control", "waiting")["detail"].startswith("the database is locked; next start in")
        assert site.wait_for("gateway-0", "ready")["restarts"] == 0


def test_start_ends_when_nothing_can_be_served(tmp_path: Path) -> None:
    with fake_site(tmp_path, serving_digits_0={"fail": "digits.onnx is cut", "fatal": True}) as site:
        broken = site.wait_for("serving-digits-0", "broken")
        assert (broken["detail"], broken["restarts"]) == ("digits.onnx is cut", 0)
        assert site.end() == 0
        assert site.lines[-1]["verdict"] == {
            "code": "bad_model_file",
            "reason": "no model can be served; serving-digits-0: digits.onnx is cut",
        }
        assert not Path(broken["socket"]).exists()


def test_error_of_a_worker_is_told_in_its_words(tmp_path: Path) -> None:
    with fake_site(tmp_path, serving_digits_0={"raise": "no luck"}) as site:
        patient(lambda: "waiting" in site.states("serving-digits-0"))
        assert site.wait_for("serving-digits-0", "waiting")["detail"].startswith("RuntimeError: no luck; next start in")


def test_crash_loop_opens_the_breaker_and_refuses_callers(tmp_path: Path) -> None:
    with fake_site(tmp_path, serving_digits_0={"die": 3}) as site:
        patient(lambda: "next start in 60 s" in site.last("serving-digits-0")["detail"])
        part = site.last("serving-digits-0")
        assert part["detail"] == "ended with status 3; keeps dying, next start in 60 s"
        assert part["restarts"] == 5
        assert not Path(part["socket"]).exists()
        assert not site.settled()["ready"]
        site.process.send_signal(signal.SIGTERM)
        assert site.end() == 0


def test_drain_answers_every_request_and_finishes_an_open_stream(tmp_path: Path) -> None:
    with fake_site(tmp_path) as site, open_stream(site.port()) as answer:
        with Hammer(site.port()) as fast, Hammer(site.port(), "/slow", connections=4) as slow:
            fast.wait_for(500)
            slow.wait_for(4)
            site.process.send_signal(signal.SIGTERM)
            fast.join()
            slow.join()
        assert fast.lost + slow.lost == []
        assert fast.refused + slow.refused == 12
        assert answer.read().splitlines()[-1] == b"end"
        assert site.end() == 0
        assert site.facts("ended") == [True]


def test_worker_that_does_not_end_is_killed_and_it_is_said(tmp_path: Path) -> None:
    with fake_site(tmp_path, gateway_0={"stubborn": True}) as site:
        site.settled()
        pid = site.last("gateway-0")["pid"]
        site.process.send_signal(signal.SIGINT)
        patient(lambda: site.last("gateway-0")["state"] == "draining")
        time.sleep(ECHO)
        site.process.send_signal(signal.SIGINT)
        assert site.end() == 0
        assert site.facts("ended") == [False]
        assert f"gateway-0 did not end by itself and is killed (pid {pid})" in site.facts("said")
        assert not [pid for pid in site.pids() if alive(pid)]


def test_a_signal_that_arrives_twice_counts_once(tmp_path: Path) -> None:
    with fake_site(tmp_path) as site, open_stream(site.port()) as answer:
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            site.process.send_signal(number)
        assert answer.read().splitlines()[-1] == b"end"
        assert site.end() == 0
        assert site.facts("ended") == [True]
        assert "stopping at once" not in site.facts("said")


def test_killed_supervisor_leaves_no_orphan_and_cuts_no_stream(tmp_path: Path) -> None:
    with fake_site(tmp_path) as site, open_stream(site.port()) as answer:
        site.process.kill()
        site.process.wait()
        assert answer.read().splitlines()[-1] == b"end"
        patient(lambda: not [pid for pid in site.pids() if alive(pid)], waiting_for="the orphans' end")
        assert {path.name for path in tmp_path.glob("*.stopped")} == {f"{name}.stopped" for name in PARTS}
        assert not Path(site.last("control")["socket"]).parent.exists()


def test_next_run_waits_for_what_a_killed_one_left_and_takes_its_folder_over(tmp_path: Path) -> None:
    with fake_site(tmp_path) as first, open_stream(first.port(), "/held") as answer:
        first.process.kill()
        with fake_site(tmp_path) as second:
            patient(lambda: second.facts("said") == ["processes of an earlier run finish their calls"])
            (tmp_path / "go").touch()
            assert second.settled()["ready"]
            assert second.last("control")["socket"] == first.last("control")["socket"]
            assert answer.read().splitlines()[-1] == b"end"
            second.process.send_signal(signal.SIGTERM)
            assert second.end() == 0
