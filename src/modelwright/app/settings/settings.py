"""The only place that reads the process's environment, `.env` files and secret files; it decides nothing about them.

A name is looked up in the environment, then in `.env.<environment>` beside the manifest, then in `.env`. A secret is,
after these, looked for as a file: `/run/secrets/NAME`, then `.modelwright/secrets/<environment>/NAME`. Files of another
environment are never opened. An empty value counts as missing. Last comes what was handed over of the manifest's secret
stores, which are read by `app/secret_stores/`, in the supervisor alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from modelwright.app.settings.references import NAME, BadReferenceError, Reference, fill, store_of
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import Fault, ManifestError, ModelwrightError

ENVIRONMENTS = ("development", "test", "production")
ENVIRONMENT_NAME = "MODELWRIGHT_ENV"
CA_BUNDLE_NAME = "MODELWRIGHT_CA_BUNDLE"
"""Names a PEM file of authorities that upstreams' certificates may be signed by, beside the system's own."""
PEPPER_NAME = "MODELWRIGHT_PEPPER"
STATE = ".modelwright"
RUN_SECRETS = Path("/run/secrets")
_MOST = 1 << 20
_DOUBLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[^\s=#]+)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^'"\s#](?:[^#]|(?<!\s)\#)*?|))
    \s*(?:(?<!\S)\#.*)?""",
    re.VERBOSE,
)


def process_environment() -> dict[str, str]:
    """A copy of this process's variables."""
    return dict(os.environ)


def without_secrets(env: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The variables without these, and without what our keys are made with."""
    hidden = {*names, PEPPER_NAME}
    return {name: value for name, value in env.items() if name not in hidden}


def chosen_environment(flag: str | None, env: Mapping[str, str]) -> str:
    """The flag, otherwise MODELWRIGHT_ENV, otherwise development; raises StartError for any other word."""
    name = flag or env.get(ENVIRONMENT_NAME) or ENVIRONMENTS[0]
    if name not in ENVIRONMENTS:
        place = "--env" if flag else ENVIRONMENT_NAME
        raise StartError(f"there is no environment {name!r}", hint=f"one of {', '.join(ENVIRONMENTS)}", place=place)
    return name


class Settings:
    """Named values and secrets, as one environment of one manifest may see them."""

    def __init__(
        self,
        base: Path,
        *,
        environment: str,
        env: Mapping[str, str] | None = None,
        state: Path | None = None,
        run_secrets: Path = RUN_SECRETS,
        handed: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """`base` is the manifest's directory, `handed` knows the secrets of stores.

        Raises ManifestError for an unreadable `.env` file.
        """
        if environment not in ENVIRONMENTS:
            raise StartError(f"there is no environment {environment!r}", hint=f"one of {', '.join(ENVIRONMENTS)}")
        self.environment = environment
        self._base = base
        self._state = state or base / STATE
        self._env = process_environment() if env is None else env
        self._env_files = (base / f".env.{environment}", base / ".env")
        self._files = [read_env_file(path) for path in self._env_files]
        self._folders = (run_secrets, self._state / "secrets" / environment)
        self._handed = handed

    def value(self, name: str) -> str | None:
        """The value of a variable; None when it is missing or empty."""
        for source in (self._env, *self._files):
            if source.get(name, "").strip():
                return source[name]
        return None

    def secret(self, name: str) -> str | None:
        """A secret, without the line end of a file; None when it is missing or empty. Raises StartError."""
        return self.value(name) or next((text for _, text in self._secret_files(name)), None) or self._handed(name)

    def source(self, name: str) -> str:
        """Where a secret is found: a word for people; empty when it is in no place that was looked at."""
        places = ("environment", *(path.name for path in self._env_files))
        for place, values in zip(places, (self._env, *self._files), strict=True):
            if values.get(name, "").strip():
                return place
        return next((f"file {path}" for path, _ in self._secret_files(name)), "")

    def resolve(self, text: str) -> str:
        """A text with its `${secret:NAME}` filled in; raises StartError, whose hint says what to set."""
        try:
            return fill(text, self._look_up)
        except BadReferenceError as error:
            raise StartError(error.problem, hint=error.remedy) from None

    def files(self, secrets: Sequence[str]) -> tuple[Path, ...]:
        """Every file that a variable or one of these secrets may be in, there or not."""
        names = [name for name in secrets if NAME.fullmatch(name)]
        return (*self._env_files, *(folder / name for folder in self._folders for name in names))

    def where(self, name: str) -> str:
        """What to do about a missing variable or secret, for an error's remedy."""
        store, within = store_of(name)
        if store:
            return f"put {within} into the store {store}"
        return f"set {name} in the environment or in .env.{self.environment}"

    def belongs_to_another(self, path: Path) -> str:
        """The environment whose settings file or secret this path is; empty when it is ours or nobody's."""
        real = path.resolve()
        for other in ENVIRONMENTS:
            if other == self.environment:
                continue
            theirs = (self._base / f".env.{other}").resolve()
            folder = (self._state / "secrets" / other).resolve()
            if real == theirs or real.is_relative_to(folder):
                return other
        return ""

    def _look_up(self, reference: Reference) -> str:
        if reference.kind != "secret":
            raise StartError(f"{reference} was not resolved when the manifest was read", hint="load it again")
        found = self.secret(reference.name)
        if found is None:
            store, name = store_of(reference.name)
            hint = f"put {name} into the store {store}" if store else f"set {name}"
            raise StartError(f"the secret {reference.name} is not set", hint=hint)
        return found

    def _secret_files(self, name: str) -> Iterator[tuple[Path, str]]:
        if NAME.fullmatch(name) is None:
            return
        for folder in self._folders:
            path = folder / name
            if path.is_file() and not self.belongs_to_another(path):
                text = _read(path).rstrip("\r\n")
                if text.strip():
                    yield path, text


class FreshSecrets:
    """Secrets as their files hold them at each look; while a file cannot be read, as they were before."""

    def __init__(self, read: Callable[[], Settings], *, first: Settings) -> None:
        self._read = read
        self._last = first

    def resolve(self, text: str) -> str:
        """As `Settings.resolve`."""
        with suppress(ModelwrightError):
            self._last = self._read()
        return self._last.resolve(text)


def read_env_file(path: Path) -> dict[str, str]:
    """`KEY=VALUE` lines: quotes, `# comments`, `export`; nothing is interpolated. No file, no values.

    Raises ManifestError with every line that cannot be read.
    """
    try:
        text = _read(path)
    except FileNotFoundError:
        return {}
    values: dict[str, str] = {}
    faults: list[Fault] = []
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or NAME.fullmatch(match["name"]) is None:
            faults.append(_bad_line(path, number))
            continue
        values[match["name"]] = _value(match)
    if faults:
        raise ManifestError(tuple(faults))
    return values


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda found: _DOUBLE.get(found[1], found[0]), match["double"])
    return match["plain"]


def _bad_line(path: Path, number: int) -> Fault:
    """Never the line itself: it may hold a secret."""
    return Fault(
        path=path.name,
        line=number,
        key="",
        problem="this is no KEY=VALUE line",
        remedy="write KEY=VALUE; a value with blanks at its ends, quotes or # stands in quotes, on one line",
    )


def _read(path: Path) -> str:
    """Raises FileNotFoundError, or StartError for what cannot be read as text."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}", hint="let this user read it") from error
    if len(content) > _MOST:
        raise StartError(f"{path} is larger than {_MOST >> 20} MiB", hint="a file of settings is small")
    if b"\0" in content:
        raise StartError(f"{path} holds a NUL byte", hint="write it as plain text")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise StartError(f"{path} is not UTF-8", hint="write it as plain text in UTF-8") from None
