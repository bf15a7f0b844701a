"""Checks the locks: exact, hashed, from no named place, without the heavy packages, and in step with pyproject.toml."""

import re
import tomllib

import pytest

from tests.house.files import ROOT

LOCKS = {"run": ("serving", "llm"), "dev": ("serving", "llm", "dev")}
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==[\w.!+]+(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


@pytest.mark.parametrize("lock", [*LOCKS, "kserve"])
def test_lock_is_pins_and_hashes_only(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").splitlines()
    assert not [line for line in lines if not PIN.match(line) and not HASH.match(line)]
    names = {match[1] for line in lines if (match := PIN.match(line))}
    assert not names & {"torch", "transformers", "nncf", "tiktoken"}


@pytest.mark.parametrize(("lock", "extras"), LOCKS.items())
def test_lock_names_every_dependency(lock: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(name for extra in extras for name in project["optional-dependencies"][extra])]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", name, maxsplit=1)[0]).lower() for name in wanted}
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").splitlines()
    locked = {match[1] for line in lines if (match := PIN.match(line))}
    assert names - locked == set(), "run: make lock"


def test_development_uses_the_versions_that_users_run() -> None:
    run, dev = ((ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").splitlines() for lock in ("run", "dev"))
    pins = {line for line in run if PIN.match(line)}
    assert pins <= set(dev)
