"""The memory of an environment in one folder: journal, lease, releases, history, traffic, files by digest, a salt.

Every verb is safe on the disk when it returns, and is done alone, by however many processes; none of them waits for
anything but the disk and each other.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from modelwright.adapters.targets.folder import safe
from modelwright.adapters.targets.folder.files import Files
from modelwright.adapters.targets.folder.leases import LASTS, LeaseFile
from modelwright.adapters.targets.kept import (
    Adopt,
    Append,
    Deliver,
    Direct,
    Entries,
    Filled,
    Forget,
    History,
    Lacking,
    Leave,
    Listing,
    Look,
    Memory,
    Place,
    Record,
    Remembered,
    Renew,
    Take,
    discovered,
)
from modelwright.core.deploying.front import Front
from modelwright.core.deploying.journal import Begun, Entry
from modelwright.core.deploying.observed import Served
from modelwright.core.deploying.places import INSTANCES_FILE
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.deploying import DeployError
from modelwright.core.ports.clock import Clock

HISTORY = 1000
"""Entries of it that are kept at least."""
_ENTRY = msgspec.json.Decoder(Entry)
_SERVED = msgspec.json.Decoder(Served)


class State:
    """That of one environment; the folder is made when it is first used."""

    def __init__(self, folder: Path, *, clock: Clock, lasts: float = LASTS) -> None:
        """`lasts`: seconds that a lease lives on after its owner."""
        self._folder = folder
        self._clock = clock
        self._lease = LeaseFile(folder / "lease.json", clock=clock, lasts=lasts)
        self._journal = folder / "journal.jsonl"
        self._history = folder / "history.jsonl"
        self._releases = folder / "releases"
        self.files = Files(folder / "files")

    def answer(self, question: Remembered) -> Any:
        """Raises LeaseHeld, LeaseLost, and DeployError when the folder cannot be used."""
        with self._alone():
            match question:
                case Take(owner=owner):
                    return self._lease.take(owner)
                case Renew(lease=lease):
                    return self._lease.renew(lease)
                case Leave(lease=lease):
                    return self._lease.leave(lease)
                case Entries():
                    return self._entries()
                case Append(entry=entry):
                    return self._append(entry)
                case Look():
                    return self._look()
                case History():
                    return self._served()[::-1]
                case Lacking(files=files):
                    return self.files.lacking(files)
                case _:
                    self._lease.fence(question.epoch)
                    return self._change(question)

    def _change(self, question: Adopt | Place | Forget | Record | Direct | Filled | Listing | Deliver) -> None:
        match question:
            case Adopt(salt=salt):
                self._adopt(salt)
            case Place(release=release, desired=desired):
                safe.write(self._releases / f"{release}.json", msgspec.json.encode(desired))
            case Forget(releases=releases, unserved=unserved):
                served = {one.release for one in self._served()} if unserved else set[str]()
                for release in releases:
                    if release not in served:
                        (self._releases / f"{release}.json").unlink(missing_ok=True)
                self.files.keep(self._placed().values())
            case Record(served=served):
                self._record(msgspec.structs.replace(served, at=self._clock.now()))
            case Direct(front=front):
                safe.write(self._folder / "front.json", msgspec.json.encode(front))
            case Filled(volume=volume, digest=digest):
                filled = {name: held for name, held in {**self._filled(), volume: digest}.items() if held}
                safe.write(self._folder / "volumes.json", msgspec.json.encode(filled))
            case Listing(instances=instances):
                safe.write(self._folder / INSTANCES_FILE, discovered(instances))
            case Deliver():
                self.files.deliver(question)

    def _entries(self) -> list[Entry]:
        """One that cannot be read is passed over: its step is done once more."""
        found = list[Entry]()
        for line in safe.lines(self._journal):
            with suppress(msgspec.DecodeError):
                found.append(_ENTRY.decode(line))
        return found

    def _append(self, entry: Entry) -> None:
        self._lease.fence(entry.epoch)
        line = msgspec.json.encode(entry)
        if isinstance(entry, Begun):
            safe.write(self._journal, line + b"\n")
        else:
            safe.append(self._journal, line)

    def _look(self) -> Memory:
        return Memory(
            salt=self._salt(),
            releases=self._placed(),
            current=next((one.release for one in reversed(self._served()) if one.share == 100), ""),
            front=self.front(),
            volumes=self._filled(),
            disk=_free(self._folder),
            lease=self._lease.now(),
            now=self._clock.now(),
        )

    def fence(self, epoch: int) -> None:
        """Raises LeaseLost for whoever somebody has come after."""
        with self._alone():
            self._lease.fence(epoch)

    def front(self) -> Front:
        """How traffic is divided; nothing before the first time."""
        with suppress(FileNotFoundError):
            return msgspec.json.decode((self._folder / "front.json").read_bytes(), type=Front)
        return Front()

    def _record(self, served: Served) -> None:
        safe.append(self._history, msgspec.json.encode(served))
        with suppress(FileNotFoundError):
            os.utime(self._releases / f"{served.release}.json")
        kept = safe.lines(self._history)
        if len(kept) >= 2 * HISTORY:
            safe.write(self._history, b"\n".join(kept[-HISTORY:]) + b"\n")

    def _served(self) -> list[Served]:
        """Oldest first."""
        return [_SERVED.decode(line) for line in safe.lines(self._history)]

    def _placed(self) -> dict[str, Desired]:
        """The one first that was placed or served last."""
        files = sorted(self._releases.glob("*.json"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        return {file.stem: msgspec.json.decode(file.read_bytes(), type=Desired) for file in files}

    def _filled(self) -> dict[str, str]:
        with suppress(FileNotFoundError):
            return msgspec.json.decode((self._folder / "volumes.json").read_bytes(), type=dict[str, str])
        return {}

    def _salt(self) -> str:
        path = self._folder / "salt"
        with suppress(FileNotFoundError):
            return path.read_text("ascii")
        made = secrets.token_hex(32)
        safe.write(path, made.encode())
        return made

    def _adopt(self, salt: str) -> None:
        if self._placed() or self._served():
            problem = "what was deployed here has its passwords and keys from another salt"
            raise DeployError(problem, hint="put it back where nothing was ever deployed", place=str(self._folder))
        safe.write(self._folder / "salt", salt.encode("ascii"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._releases.mkdir(mode=0o700, parents=True, exist_ok=True)
            with safe.alone(self._folder / "lock"):
                yield
        except OSError as error:
            hint = "see that this user may write there, and that the disk has room"
            problem = f"the target's memory cannot be used: {error.strerror or error}"
            raise DeployError(problem, hint=hint, place=str(self._folder)) from error


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
