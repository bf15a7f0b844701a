"""Plain processes that are kept: started again, taken over from a keeper that was killed, and nobody else's touched."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from modelwright.adapters.targets.folder import safe
from modelwright.adapters.targets.local import launching
from modelwright.adapters.targets.local.keeping import Keeping
from modelwright.adapters.targets.local.kernel import started
from modelwright.adapters.targets.processes import Begin, End, Process, Processes, Running, Said
from modelwright.core.errors.deploying import StepFailed
from tests.making.ports import free_port

SLEEP = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")
KEEPER = """
import asyncio, os, sys
from pathlib import Path
import msgspec
from modelwright.adapters.targets.local.keeping import Keeping
from modelwright.adapters.targets.processes import Begin, Process, Processes

async def main():
    keeping = Keeping(Path(sys.argv[1]), env=os.environ)
    await keeping.begin()
    await keeping.answer(Begin(epoch=1, process=Process(name="api", workload="api", command=tuple(sys.argv[2:]))))
    print(msgspec.json.encode((await keeping.answer(Processes()))[0]).decode(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
"""One that another process is."""


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[Keeping]:
    """Ended with all that it keeps."""
    keeping = Keeping(folder, env=os.environ)
    await keeping.begin()
    try:
        yield keeping
    finally:
        await keeping.leave(ended=True)


async def begin(keeping: Keeping, name: str = "api", **description: object) -> Running:
    process = msgspec.convert({"name": name, "workload": "api", "command": SLEEP, **description}, Process)
    await keeping.answer(Begin(epoch=1, process=process))
    return (await running(keeping))[name]


async def running(keeping: Keeping) -> dict[str, Running]:
    found = await keeping.answer(Processes())
    assert isinstance(found, list)
    return {one.process.name: one for one in found}


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await done():  # noqa: ASYNC110 - it is another program that gets there
            await asyncio.sleep(0.02)


async def said(keeping: Keeping, words: str, name: str = "api") -> bool:
    return words in str(await keeping.answer(Said(name=name)))


async def test_what_ends_is_started_again_and_what_is_not_wanted_is_gone(tmp_path: Path) -> None:
    async with kept(tmp_path) as keeping:
        first = await begin(keeping, ports=("PORT",))
        assert await begin(keeping, ports=("PORT",)) == first
        os.kill(first.pid, 9)

        async def again() -> bool:
            return (await running(keeping))["api"].pid not in {0, first.pid}

        await until(again)
        second = (await running(keeping))["api"]
        assert (second.restarts, second.status, second.ports) == (1, 137, first.ports)
        await keeping.answer(End(epoch=1, name="api", grace=30.0))
        assert await running(keeping) == {}
        assert started(second.pid) != second.started
        assert not [*tmp_path.rglob("api*")]


async def test_a_program_that_hears_nothing_is_ended_with_its_children(tmp_path: Path) -> None:
    deaf = "trap '' TERM; sleep 600 & echo child $!; wait; wait"
    async with kept(tmp_path) as keeping:
        one = await begin(keeping, command=("sh", "-c", deaf))
        await until(lambda: said(keeping, "child"))
        child = int(str(await keeping.answer(Said(name="api"))).split()[-1])
        assert started(child)
        await keeping.answer(End(epoch=1, name="api", grace=0.05))
        assert started(one.pid) != one.started
        await until(lambda: asyncio.sleep(0, not started(child)))


async def test_what_a_killed_keeper_has_left_goes_on_and_is_taken_over(tmp_path: Path) -> None:
    first = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPER, str(tmp_path), *SLEEP, stdout=asyncio.subprocess.PIPE
    )
    assert first.stdout is not None
    before = msgspec.json.decode(await first.stdout.readline(), type=Running)
    first.kill()
    await first.wait()
    async with kept(tmp_path) as second:
        assert (await running(second))["api"] == before
        os.kill(before.pid, 9)

        async def again() -> bool:
            return (await running(second))["api"].restarts == 1

        await until(again)


async def test_what_ended_with_its_keeper_comes_back(tmp_path: Path) -> None:
    async with kept(tmp_path) as keeping:
        before = await begin(keeping)
    assert started(before.pid) != before.started
    async with kept(tmp_path) as keeping:

        async def back() -> bool:
            return (await running(keeping))["api"].pid > 0

        await until(back)
        assert (await running(keeping))["api"].restarts == 0


async def test_a_pid_that_is_somebody_else_s_by_now_is_left_alone(tmp_path: Path) -> None:
    other = await asyncio.create_subprocess_exec(*SLEEP, stdout=asyncio.subprocess.DEVNULL)
    try:
        process = Process(name="api", workload="api", command=SLEEP)
        record = Running(process=process, pid=other.pid, started=f"{started(other.pid)}0")
        (tmp_path / "processes").mkdir()
        (tmp_path / "instances" / "api").mkdir(parents=True)
        (tmp_path / "processes" / "api.json").write_bytes(msgspec.json.encode(record))
        async with kept(tmp_path) as keeping:

            async def own() -> bool:
                return (await running(keeping))["api"].pid not in {0, other.pid}

            await until(own)
            await keeping.answer(End(epoch=1, name="api", grace=30.0))
        assert started(other.pid)
    finally:
        other.kill()
        await other.wait()


@pytest.mark.parametrize(("words", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
async def test_what_is_run_once_leaves_its_status(tmp_path: Path, words: str, status: int) -> None:
    async with kept(tmp_path) as keeping:
        await begin(keeping, "api.once", command=("sh", "-c", words), once=True)

        async def over() -> bool:
            return (await running(keeping))["api.once"].status is not None

        await until(over)
        found = (await running(keeping))["api.once"]
        assert (found.pid, found.status, found.restarts) == (0, status, 0)


async def test_a_program_finds_its_files_its_secrets_and_its_port(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("hunter ${port:gateway}\n")
    (tmp_path / "weights").mkdir()
    async with kept(tmp_path / "kept") as keeping:
        one = await begin(
            keeping,
            command=("sh", "-c", 'cat srv/x; echo "$WORD $AT $0 $1"; ls -d srv/weights; sleep 600', "$PORT", "$PORTAL"),
            env={"AT": "http://${port:gateway}"},
            secrets={"WORD": str(tmp_path / "word")},
            fills={"${port:gateway}": "1234"},
            ports=("PORT",),
            files={"srv/x": str(tmp_path / "word"), "srv/weights": str(tmp_path / "weights")},
        )
        await until(lambda: said(keeping, "srv/weights"))
        text = str(await keeping.answer(Said(name="api"))).splitlines()
        assert text[1:] == [f"hunter 1234 http://1234 {one.ports['PORT']} $PORTAL", "srv/weights"]
        assert "hunter" not in (tmp_path / "kept" / "processes" / "api.json").read_text()


async def test_what_cannot_be_started_says_so_and_is_tried_again(tmp_path: Path) -> None:
    async with kept(tmp_path) as keeping:
        await begin(keeping, "lost", folder=str(tmp_path / "nowhere"))
        await until(lambda: said(keeping, "it cannot be started", "lost"))
        await begin(keeping, "unknown", command=("no-such-program",))
        await until(lambda: said(keeping, "no-such-program", "unknown"))


@pytest.mark.parametrize("door", ["http", "https"])
async def test_an_address_that_is_another_program_s_is_not_published(tmp_path: Path, door: str) -> None:
    doors = {"http": f"127.0.0.1:{free_port()}", "https": f"127.0.0.1:{free_port()}"}
    async with kept(tmp_path) as keeping:
        keeping.published = lambda: (f"{doors['http']}>8080", f"{doors['https']}>8443")
        with socket.create_server(("127.0.0.1", int(doors[door].rpartition(":")[2]))):
            with pytest.raises(StepFailed, match=f"{doors[door]} is another program's"):
                await begin(keeping, "edge", address=doors["http"])
            assert await running(keeping) == {}
        assert (await begin(keeping, "edge", address=doors["http"])).pid


async def test_a_full_disk_ends_nobody_s_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    async with kept(tmp_path) as keeping:
        first = await begin(keeping)
        with monkeypatch.context() as patched:
            patched.setattr(safe, "write", full)
            os.kill(first.pid, 9)
            async with asyncio.timeout(30):
                assert not (await begin(keeping, "other")).pid
            await until(lambda: said(keeping, "No space left", "other"))
            await until(lambda: said(keeping, "No space left"))

        async def both() -> bool:
            return all(one.pid for one in (await running(keeping)).values())

        await until(both)


async def test_what_is_run_once_does_not_come_back(tmp_path: Path) -> None:
    async with kept(tmp_path) as keeping:
        await begin(keeping, "api.once", once=True)
    async with kept(tmp_path) as keeping:
        found = (await running(keeping))["api.once"]
        assert (found.pid, found.status) == (0, 125)


def test_keepers_give_out_ports_of_their_own_first() -> None:
    names = [str(number) for number in range(20)]
    assert {port % 32 for port in launching.free_ports(names, ()).values()} == {(30_000 + os.getpid() % 32) % 32}
    assert len(launching.free_ports([str(number) for number in range(200)], ())) == 200


def test_a_long_log_starts_anew(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("wb") as file:
        file.truncate(launching.LOGGED + 1)
    launching.trim(log)
    assert (log.stat().st_size, log.with_suffix(".old").stat().st_size) == (0, launching.LOGGED + 1)


def test_programs_get_no_variables_of_whoever_deploys() -> None:
    assert launching.handed({"PATH": "/bin", "HOME": "/h", "TOKEN": "planted"}).keys() == {"PATH", "HOME"}
