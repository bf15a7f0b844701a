"""Replaces `${env:…}` and `${file:…}` in the tree and checks that secrets exist; a secret's value is never put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from modelwright.app.document.tree import Node, Path, Scalar, as_mapping, dotted, mapped
from modelwright.app.manifest.shape import typed
from modelwright.app.settings.references import (
    ON_TARGET,
    BadReferenceError,
    Reference,
    escaped,
    fill,
    references,
    split_text,
    store_of,
)
from modelwright.app.settings.settings import Settings
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import Fault
from modelwright.core.nearest import nearest

MAX_FILE = 64 << 10
"""Bytes of a file that stands for one value."""
_VARIABLE = 5
"""Steps to models.NAME.engine.env.VARIABLE."""
_OF_APP = 4
"""Steps to apps.NAME.env.VARIABLE."""
ELSEWHERE = frozenset({"apps", "services", "routes", "targets", "rollout"})
"""Sections of what runs on a target alone."""
OUTSIDE = frozenset({"backup"})
"""Sections of what is done from outside: nothing that runs knows them."""
_KEYS = {("services", "url"), ("services", "webhook"), ("routes", "tls", "key")}
_FILE_WORD = "the file "
_STORES = "secrets"
_OPTIONAL = {"providers": "provider", _STORES: "store"}
"""Sections whose entries are off while something is missing, if they are optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A secret that is neither in the environment nor in a file: a store has to hold it."""

    name: str
    """As the reference says: NAME, store/name or store/name#field."""
    place: str
    """Dotted."""
    line: int
    required: bool
    """Of a provider that is not optional, or of something that is none."""


@dataclass(slots=True)
class Resolved:
    """The tree as one environment sees it."""

    tree: Node
    faults: list[Fault] = field(default_factory=list)
    unknown: set[Path] = field(default_factory=set)
    """Places whose value is not known; the tree holds None there."""
    masked: set[Path] = field(default_factory=set)
    """Places whose value came from outside and must not be shown."""
    off: dict[str, list[str]] = field(default_factory=dict)
    """Optional providers, and what each of them lacks."""
    secrets: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    """Where a secret was found, by name."""
    awaited: list[Awaited] = field(default_factory=list)
    stores_off: dict[str, list[str]] = field(default_factory=dict)
    """Optional stores of secrets, and what each of them lacks."""
    credentials: list[str] = field(default_factory=list)
    """Variables with what opens stores."""
    credential_files: list[FilePath] = field(default_factory=list)
    """Likewise, files."""


class Resolver:
    """Resolves one file for one environment."""

    def __init__(
        self, tree: Node, *, path: str, settings: Settings | None, base: FilePath, deploying: bool = False
    ) -> None:
        """Without settings nothing is looked up: values that come from outside stay unknown. Those of what runs on a
        target alone are looked up when it is deployed, and otherwise stay unknown, too.
        """
        self._tree = tree
        self._path = path
        self._all = settings
        self._settings = settings
        self._base = base
        self._deploying = deploying
        self._result = Resolved(tree)
        self._not_here: list[tuple[Path, Node, Reference]] = []
        """Secrets that are neither in the environment nor in files."""

    def run(self) -> Resolved:
        """The tree without references, and what is wrong with them."""
        self._result.tree = mapped(self._tree, self._leaf)
        self._settings = self._all
        for path, node, reference in self._not_here:
            self._from_stores(path, node, reference=reference)
        return self._result

    def _leaf(self, path: Path, node: Node) -> Scalar:
        text = node.value
        if isinstance(text, dict | list):
            return None
        if not isinstance(text, str) or "${" not in text:
            return text
        try:
            pieces = split_text(text)
        except BadReferenceError as error:
            return self._blame(path, node, problem=error.problem, remedy=error.remedy)
        found = [piece for piece in pieces if isinstance(piece, Reference)]
        if not found:
            return text if is_key(path) else fill(text, str)
        self._result.masked.add(path)
        self._settings = None if path[0] in ELSEWHERE and not self._deploying else self._all
        if is_key(path):
            return self._key(path, node, text=text, found=found)
        return self._value(path, node, pieces=pieces)

    def _value(self, path: Path, node: Node, *, pieces: list[str | Reference]) -> Scalar:
        values: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                values.append(piece)
                continue
            if piece.kind in ON_TARGET:
                return self._only_on_target(path, node, reference=piece)
            if piece.kind == "secret":
                places = "a provider's key, a variable of a model's `engine.env`, `store.database` or `store.redis`"
                problem = f"`{piece}` cannot stand here; a secret may be {places}"
                remedy = f"write `${{env:{store_of(piece.name)[1]}}}` if the value is no secret"
                if path[0] == _STORES:
                    remedy = "a store is opened by what is outside of stores: write `${env:NAME}` or `${file:path}`"
                return self._blame(path, node, problem=problem, remedy=remedy)
            if path[0] == _STORES and piece.kind == "env":
                self._result.credentials.append(piece.name)
            value = self._look_up(path, node, reference=piece)
            if value is None:
                return None
            values.append(value)
        return typed(values[0], path) if len(pieces) == 1 else "".join(values)

    def _key(self, path: Path, node: Node, *, text: str, found: list[Reference]) -> Scalar:
        """Secrets stay references; their existence is all that is asked. So do those to what a target has."""
        for reference in found:
            if reference.kind in ON_TARGET and not _is_of_app(path):
                elsewhere = self._address(path, node, reference=reference)
                if elsewhere is None:
                    return None
                text = text.replace(str(reference), elsewhere)
            elif reference.kind in ON_TARGET:
                continue
            elif reference.kind == "secret":
                self._secret(path, node, reference=reference)
            elif self._settings is not None:
                value = self._look_up(path, node, reference=reference)
                if value is None:
                    return None
                text = text.replace(str(reference), escaped(value))
        return text

    def _address(self, path: Path, node: Node, *, reference: Reference) -> str | None:
        """For `store`: on a target the reference stays; here a service is known when it runs elsewhere."""
        if reference.kind != "service" or path[0] != "store":
            return self._only_on_target(path, node, reference=reference)
        service, _, part = reference.name.partition(".")
        url = self._tree.at(("services", service, "url"))
        if part == "url" and url is not None and isinstance(url.value, str):
            return self._elsewhere(path, url, text=url.value)
        if self._deploying or self._settings is None:
            return str(reference)
        problem = f"`{reference}` is there on a target alone; here no service is run"
        remedy = "deploy it with `modelwright deploy`, or name another address for this environment"
        return self._blame(path, node, problem=problem, remedy=remedy)

    def _elsewhere(self, path: Path, node: Node, *, text: str) -> str | None:
        """The address of a service that runs elsewhere; what is wrong with it is told at its own place."""
        try:
            found = [*references(text)]
        except BadReferenceError:
            return None
        if any(reference.kind in ON_TARGET for reference in found):
            return None
        address = self._key(path, node, text=text, found=found)
        return address if isinstance(address, str) else None

    def _only_on_target(self, path: Path, node: Node, *, reference: Reference) -> None:
        places = "a variable of an app" + (", `store.database` or `store.redis`" if reference.kind == "service" else "")
        problem = f"`{reference}` cannot stand here; it may be in {places}"
        self._blame(path, node, problem=problem, remedy="write the value itself, or `${env:NAME}`")

    def _secret(self, path: Path, node: Node, *, reference: Reference) -> None:
        store = store_of(reference.name)[0]
        if store and store not in self._stores:
            self._no_store(path, node, store)
            return
        if path[0] in ELSEWHERE and not self._deploying:
            return
        if reference.name not in self._result.secrets:
            self._result.secrets.append(reference.name)
        if self._settings is None:
            return
        try:
            source = "" if store else self._settings.source(reference.name)
        except StartError as error:
            self._blame(path, node, problem=error.message, remedy=error.hint)
            return
        if source:
            self._result.sources[reference.name] = source
        else:
            self._not_here.append((path, node, reference))

    @property
    def _stores(self) -> Mapping[str, Node]:
        return as_mapping(self._tree.at((_STORES,)))

    def _no_store(self, path: Path, node: Node, store: str) -> None:
        close = nearest(store, self._stores)
        known = ", ".join(self._stores) or "none"
        remedy = f"did you mean {close}?" if close else f"known: {known}"
        self._blame(path, node, problem=f"there is no store {store!r} under `{_STORES}`", remedy=remedy)

    def _from_stores(self, path: Path, node: Node, *, reference: Reference) -> None:
        """What no store that is on can hold is missing."""
        settings, store = self._settings, store_of(reference.name)[0]
        asked = {store} if store else {*self._stores}
        if asked - self._result.stores_off.keys():
            required = path[0] != "providers" or not self._is_optional(path)
            self._result.awaited.append(
                Awaited(name=reference.name, place=dotted(path), line=node.line, required=required)
            )
        elif settings is not None:
            self._missing(path, node, reference=reference, settings=settings)

    def _look_up(self, path: Path, node: Node, *, reference: Reference) -> str | None:
        settings = self._settings
        if settings is None:
            self._result.unknown.add(path)
            return None
        if reference.kind == "file":
            return self._file(path, node, reference=reference, settings=settings)
        value = settings.value(reference.name)
        return value if value is not None else self._missing(path, node, reference=reference, settings=settings)

    def _file(self, path: Path, node: Node, *, reference: Reference, settings: Settings) -> str | None:
        file = self._base / reference.name
        if path[0] == _STORES:
            self._result.credential_files.append(file)
        other = settings.belongs_to_another(file)
        if other:
            problem = f"`{reference}` belongs to the environment {other}"
            return self._blame(
                path, node, problem=problem, remedy=f"name a file of the environment {settings.environment}"
            )
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_FILE + 1)
            text = content.decode().strip("\r\n")
        except FileNotFoundError:
            return self._missing(path, node, reference=reference, settings=settings)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or "not text in UTF-8"
            problem = f"`{reference}` cannot be read: {reason}"
            return self._blame(path, node, problem=problem, remedy="name a readable text file")
        if len(content) > MAX_FILE or "\0" in text:
            remedy = f"keep it below {MAX_FILE >> 10} KiB"
            return self._blame(path, node, problem=f"`{reference}` is no short text", remedy=remedy)
        return text if text.strip() else self._missing(path, node, reference=reference, settings=settings)

    def _missing(self, path: Path, node: Node, *, reference: Reference, settings: Settings) -> None:
        """Missing or empty: an optional provider is off, anything else is at fault."""
        self._result.unknown.add(path)
        is_file = reference.kind == "file"
        if path[0] in _OPTIONAL and path[2:] != ("kind",) and self._is_optional(path):
            off = self._result.off if path[0] == "providers" else self._result.stores_off
            lacks = off.setdefault(str(path[1]), [])
            word = f"{_FILE_WORD}{reference.name}" if is_file else reference.name
            if word not in lacks:
                lacks.append(word)
            return
        problem = f"`{reference}` is missing or empty"
        remedy = f"write the file {reference.name}" if is_file else settings.where(reference.name)
        if path[0] in _OPTIONAL:
            remedy += f", or make the {_OPTIONAL[str(path[0])]} optional: `{dotted((*path[:2], 'optional'))}: true`"
        self._result.faults.append(self._fault(path, node, problem=problem, remedy=remedy))

    def _is_optional(self, path: Path) -> bool:
        optional = self._tree.at((*path[:2], "optional"))
        return optional is not None and optional.value is True

    def _blame(self, path: Path, node: Node, *, problem: str, remedy: str) -> None:
        self._result.unknown.add(path)
        self._result.faults.append(self._fault(path, node, problem=problem, remedy=remedy))

    def _fault(self, path: Path, node: Node, *, problem: str, remedy: str) -> Fault:
        return Fault(path=self._path, line=node.line, key=dotted(path), problem=problem, remedy=remedy)


def is_key(path: Path) -> bool:
    """Whether a secret may stand here: a provider's API key, a store's address, what webhooks are signed with, a
    variable of a model's process or of an app, an API key of ours, the address of a service, what a service is told, a
    certificate's key.
    """
    if path in {("store", "database"), ("store", "redis")} or path[:3] == ("tasks", "webhook", "secrets"):
        return True
    if (path[:2], path[3:]) == (("access", "keys"), ("key",)):
        return True
    if _is_of_app(path) or (path[0], *path[2:]) in _KEYS or (path[0], *path[2:3]) == ("services", "secrets"):
        return True
    if path[0] == "models":
        return len(path) == _VARIABLE and path[2:4] == ("engine", "env")
    return len(path) == 4 and (path[0], path[2]) == ("providers", "keys")


def _is_of_app(path: Path) -> bool:
    return len(path) == _OF_APP and (path[0], path[2]) == ("apps", "env")


def off_reason(lacks: list[str]) -> str:
    """`set OPENAI_API_KEY`; what `status` says of an optional provider."""
    names = [word for word in lacks if not word.startswith(_FILE_WORD)]
    files = [word for word in lacks if word.startswith(_FILE_WORD)]
    reasons = ([f"set {' and '.join(names)}"] if names else []) + ([f"write {' and '.join(files)}"] if files else [])
    return "; ".join(reasons)
