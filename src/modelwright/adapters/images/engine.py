"""A Docker engine that builds, by the user's own `docker` program: it knows his contexts, hosts and registries."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelwright.adapters.images.program import Ended, run
from modelwright.core.errors.deploying import BuildFailed

PATIENCE = 60.0
"""Seconds that an engine may take for what is no work."""
LONG = 1800.0
"""For a build, a pull or a push."""
_WITH_BUILDX = 23
"""From this version on `docker build` has BuildKit by its plugin buildx alone."""
_MOST = 24
"""Lines of a build that failed."""
_FAILED = re.compile(r"^#(\d+) ERROR", re.MULTILINE)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A `docker` that builds with BuildKit."""

    program: str
    buildx: bool


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """An image that an engine has."""

    id: str
    size: int
    digests: tuple[str, ...] = ()
    """`repository@sha256:…` of the registries that it came from or went to."""
    tags: tuple[str, ...] = ()


async def find(env: Mapping[str, str]) -> Found:
    """The first `docker` on the path that can build; raises BuildFailed, with what each lacks."""
    lacks: list[str] = []
    for program in _programs(env):
        version = await _client(program, env)
        if (await _ended(program, "buildx", "version", env=env)).status == 0:
            return Found(program=program, buildx=True)
        if 0 < version < _WITH_BUILDX:
            return Found(program=program, buildx=False)
        lacks.append(f"{program} has no buildx")
    problem = "; ".join(lacks) or "there is no `docker` on the path"
    raise BuildFailed(f"nothing here builds images: {problem}", hint="install docker with its plugin buildx")


def _programs(env: Mapping[str, str]) -> Iterator[str]:
    for folder in dict.fromkeys(env.get("PATH", "").split(":")):
        program = Path(folder or ".") / "docker"
        if program.is_file():
            yield str(program)


class Engine:
    """The engine that `docker` leads to; one that builds is only looked for when something is to be built."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """`env` are the variables that `docker` is run with, DOCKER_HOST among them."""
        self._env = {**env, "DOCKER_BUILDKIT": "1"}
        self._found: Found | None = None

    async def facts(self, reference: str) -> Facts | None:
        """None when the engine has no such image."""
        ended = await self._run("image", "inspect", reference)
        if ended.status:
            if "No such image" in ended.err:
                return None
            raise _unreachable(ended)
        told: Any = json.loads(ended.out)[0]
        return Facts(
            id=told["Id"],
            size=told["Size"],
            digests=tuple(told.get("RepoDigests") or ()),
            tags=tuple(told.get("RepoTags") or ()),
        )

    async def labelled(self, label: str) -> str:
        """Id of an image with this `name=value`; empty when there is none."""
        ended = await self._run("image", "ls", "--no-trunc", "--quiet", "--filter", f"label={label}")
        if ended.status:
            raise _unreachable(ended)
        return ended.out.decode().strip().rpartition("\n")[2]  # the oldest: what is made from it bears its labels, too

    async def pull(self, reference: str) -> None:
        """Raises BuildFailed."""
        ended = await self._run("pull", "--quiet", reference, seconds=LONG)
        if ended.status:
            hint = "check its name, and that the registry can be reached"
            raise BuildFailed(f"{reference} cannot be pulled: {ended.last_words(3)}", hint=hint)

    async def build(
        self,
        archive: Path,
        *,
        labels: Mapping[str, str],
        secrets: Mapping[str, Path],
        network: str = "",
        time: int | None = None,
        cache: str = "",
    ) -> str:
        """The id; raises BuildFailed with the last lines of the build. `time`: what files are stamped with; `cache`:
        reference in a registry with the layers of earlier builds, and of this one afterwards.
        """
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "id"
            found = await self._builder()
            words = _build_words(found, labels, secrets, network=network, time=time, cache=cache)
            words += ["--load"] if found.buildx else []
            words += ["--iidfile", str(told), "-"]
            ended = await _ended(found.program, *words, env=self._env, seconds=LONG, stdin=archive)
            if ended.status:
                raise _failed(ended)
            return told.read_text("utf-8").strip()

    async def build_all(
        self,
        archive: Path,
        *,
        platforms: Sequence[str],
        tags: Sequence[str],
        labels: Mapping[str, str],
        secrets: Mapping[str, Path],
        network: str = "",
        time: int | None = None,
        cache: str = "",
    ) -> str:
        """Build for several platforms into a registry; the digest there. Raises BuildFailed."""
        found = await self._builder()
        if not found.buildx:
            hint = "install docker's plugin buildx, or remove build.platforms"
            raise BuildFailed("several platforms need buildx, which is not here", hint=hint)
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "metadata.json"
            words = _build_words(found, labels, secrets, network=network, time=time, cache=cache)
            words += [word for tag in tags for word in ("--tag", tag)]
            words += ["--platform", ",".join(platforms), "--push", "--metadata-file", str(told), "-"]
            ended = await _ended(found.program, *words, env=self._env, seconds=LONG, stdin=archive)
            if ended.status:
                raise _failed(ended)
            return json.loads(told.read_text("utf-8"))["containerimage.digest"]

    async def tag(self, image: str, names: Sequence[str]) -> None:
        """Give it these names."""
        for name in names:
            ended = await self._run("tag", image, name)
            if ended.status:
                raise BuildFailed(f"{name} is no name for an image: {ended.last_words(2)}", hint="see build.registry")

    async def push(self, name: str) -> str:
        """`repository@sha256:…`, as the registry has it now; raises BuildFailed."""
        ended = await self._run("push", name, seconds=LONG)
        if ended.status:
            hint = "check build.registry, and log in with `docker login`"
            raise BuildFailed(f"{name} cannot be pushed: {ended.last_words(3)}", hint=hint)
        repository = name.rpartition(":")[0]
        found = await self.facts(name)
        pushed = [one for one in (found.digests if found else ()) if one.startswith(f"{repository}@")]
        if not pushed:
            raise BuildFailed(f"the registry told no digest of {name}", hint="push it again")
        return pushed[-1]

    async def read(self, image: str, command: Sequence[str]) -> bytes | None:
        """What a program of the image prints, without a network; None when there is none or it fails."""
        ended = await self._run(
            *("run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", command[0], image, *command[1:]),
        )
        return ended.out if ended.status == 0 else None

    async def _builder(self) -> Found:
        """Raises BuildFailed."""
        if self._found is None:
            self._found = await find(self._env)
        return self._found

    async def _run(self, *words: str, seconds: float = PATIENCE) -> Ended:
        """By whatever `docker` comes first: for all but a build they are alike."""
        program = next(_programs(self._env), None) or (await self._builder()).program
        return await _ended(program, *words, env=self._env, seconds=seconds)


def _build_words(
    found: Found,
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
    *,
    network: str,
    time: int | None,
    cache: str,
) -> list[str]:
    if cache and not found.buildx:
        hint = "install docker's plugin buildx, or leave the cache out"
        raise BuildFailed("layers in a registry need buildx, which is not here", hint=hint)
    words = ["buildx", "build"] if found.buildx else ["build"]
    words += ["--progress", "plain"]
    words += [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    words += [word for name, path in secrets.items() for word in ("--secret", f"id={name},src={path}")]
    words += ["--network", network] if network else []
    words += ["--cache-from", f"type=registry,ref={cache}"] if cache else []
    words += ["--cache-to", f"type=registry,ref={cache},mode=max"] if cache else []
    words += ["--build-arg", f"SOURCE_DATE_EPOCH={time}"] if time is not None and found.buildx else []
    return words


async def _client(program: str, env: Mapping[str, str]) -> int:
    """The first number of its version; 0 when it tells none. It tells it also where no engine answers."""
    ended = await _ended(program, "version", "--format", "{{.Client.Version}}", env=env)
    first = ended.out.decode("utf-8", "replace").strip().partition(".")[0]
    return int(first) if first.isdigit() else 0


async def _ended(
    program: str, *words: str, env: Mapping[str, str], seconds: float = PATIENCE, stdin: Path | None = None
) -> Ended:
    try:
        return await run((program, *words), env=env, seconds=seconds, stdin=stdin)
    except TimeoutError:
        hint = "see whether the engine answers: `docker info`"
        raise BuildFailed(f"`docker {words[0]}` took longer than {seconds:.0f} s", hint=hint) from None
    except OSError as error:
        raise BuildFailed(f"{program} cannot be run: {error.strerror}", hint="install docker again") from error


def _unreachable(ended: Ended) -> BuildFailed:
    return BuildFailed(f"the engine does not answer: {ended.last_words(3)}", hint="start it, or set DOCKER_HOST")


def _failed(ended: Ended) -> BuildFailed:
    said = told_of(ended.err or ended.out.decode("utf-8", "replace"))
    return BuildFailed(f"the build failed:\n{said}\n", hint="the lines above say which step, and why")


def told_of(said: str) -> str:
    """What the step that failed has said: first what it calls an error, then its end; without what opens indexes."""
    failed = _FAILED.search(said)
    of_step = re.compile(rf"^#{failed[1] if failed else ''}(?: [0-9.]+)? (.*)$", re.MULTILINE)
    lines = of_step.findall(said) if failed else said.strip().splitlines()
    if len(lines) > _MOST:
        first = [line for line in lines[: -_MOST // 2] if "error" in line.lower()][: _MOST // 2]
        lines = [*first, "…", *lines[-_MOST // 2 :]]
    return _CREDENTIALS.sub("***@", "\n".join(line.rstrip() for line in lines))
