"""A supervisor over fake workers, as a program: `fake_site.py FOLDER [GRACE [STUCK]]` prints a JSON line per change."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.app.supervise.devices.doors import TcpDoor
from modelwright.app.supervise.devices.runtime import claim
from modelwright.app.supervise.site import Site
from modelwright.app.supervise.supervisor import Supervisor
from modelwright.core.status import PartStatus, Status

PARTS = ("gateway-0", "serving-digits-0", "control")


class SystemTime:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Lines:
    """Prints what an audience is told."""

    def changed(self, part: PartStatus) -> None:
        tell(part=msgspec.to_builtins(part))

    def settled(self, status: Status, lines: Sequence[str]) -> None:
        tell(settled=msgspec.to_builtins(status), lines=list(lines))

    def said(self, line: str) -> None:
        tell(said=line)


class Silent:
    """Nothing to prepare."""

    async def prepare(self) -> None:
        return

    async def lines(self, status: Status) -> Sequence[str]:
        return (f"see {status.public}",)


def tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def command(_: PartSpec, file: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("fake_worker.py")), str(file)]


def main(folder: Path, grace: float, stuck: float) -> int:
    held = claim(folder / ".modelwright", PARTS, say=lambda line: tell(said=line))
    specs = tuple(
        PartSpec(
            name=name,
            kind=name.split("-", maxsplit=1)[0],
            runtime=str(held.runtime),
            state=str(held.state),
            base=str(folder),
            environment="development",
            grace=grace,
        )
        for name in PARTS
    )
    supervisor = Supervisor(
        Site(name="fake", environment="development", version="0", specs=specs),
        held,
        public=TcpDoor("gateway.listen", "127.0.0.1", 0),
        admin=TcpDoor("gateway.admin", "127.0.0.1", 0),
        audience=Lines(),
        greeter=Silent(),
        clock=SystemTime(),
        pid=os.getpid(),
        command=command,
        stuck=stuck,
    )
    supervisor.open_doors()
    by_itself = asyncio.run(supervisor.run())
    tell(ended=by_itself, verdict=msgspec.to_builtins(supervisor.verdict))
    held.release()
    return 0


if __name__ == "__main__":
    numbers = [float(argument) for argument in sys.argv[2:]]
    sys.exit(main(Path(sys.argv[1]), *numbers, *(5.0, 0.0)[len(numbers) :]))
