"""What one environment makes of a manifest's tree: overlay, references, schema, rules; all faults of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from pydantic import ValidationError

from modelwright.app.document.finding import Finding, as_fault, in_file_order
from modelwright.app.document.tree import Merge, Node, Path, as_mapping, dotted, merged, plain, without
from modelwright.app.manifest import later
from modelwright.app.manifest.files import FileFacts, folder_problem, look, settings_problem
from modelwright.app.manifest.resolve import Resolved, Resolver
from modelwright.app.manifest.rules.case import Case, Kind
from modelwright.app.manifest.rules.every import findings, warnings
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.models import in_versions, place_of
from modelwright.app.manifest.shape import is_secret, keys_at
from modelwright.app.manifest.words import explained, unknown_key
from modelwright.app.pipelines.plan import files_of
from modelwright.app.prompts.folder import PromptFacts, look_into
from modelwright.app.resources.look import look_at_machine
from modelwright.app.resources.wants import any_gpu
from modelwright.app.settings.settings import ENVIRONMENTS, Settings
from modelwright.app.sources.reference import PATH, form_of
from modelwright.core.errors.tree import Fault
from modelwright.core.nearest import nearest
from modelwright.core.resources.machine import Machine

_ROUNDS = 12
"""Each round of pruning climbs at least one level."""
_TOP: Mapping[str, object] = {"schema": 1, "name": "unnamed"}
_SETTINGS = {"rules": ("groups",), "config": ("route", "receivers")}
"""Keys of services that name a file of settings, and what that has to have."""
_UNAVAILABLE = "is not available in this version"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """The manifest of one environment, and what is wrong with it."""

    case: Case | None
    """None when too much is wrong to look further."""
    resolved: Resolved
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()


class Examination:
    """Looks at one file for one environment after the other."""

    def __init__(self, tree: Node, *, shown: str, base: FilePath, kinds: Mapping[str, Kind]) -> None:
        """`shown` is the file as the user named it, `base` its folder."""
        self._tree = tree
        self._shown = shown
        self._base = base
        self._kinds = kinds

    def run(
        self,
        environment: str,
        settings: Settings | None,
        *,
        here: Mapping[str, FilePath] | None = None,
        deploying: bool | None = None,
    ) -> Examined:
        """Without settings, values that come from outside are not looked up and count as right.

        `here` says where models' sources were found that lie elsewhere; others are not looked at. `deploying`: on a
        target, not by `modelwright up` here; None: if the environment has a target.
        """
        faults = list(self._overlay_faults())
        tree, notes = self._overlaid(environment)
        overlay = f"environments.{environment}"
        over = self._tree.at(("environments", environment))
        if over is not None:
            vain = (path for path in notes.vain if not _is_field(path))
            faults.extend(_vain(path, over=over, under=tree, file=self._shown, prefix=overlay) for path in vain)
        for path, remedy in list(later.refused_keys(tree)):
            faults.append(self._fault(Finding(path, f"`{path[-1]}` {_UNAVAILABLE}", remedy, on_key=True), tree))
            tree = without(tree, path)
        if deploying is None:
            target = tree.at(("target",))
            deploying = target is not None and bool(target.value)
        resolved = Resolver(tree, path=self._shown, settings=settings, base=self._base, deploying=deploying).run()
        faults.extend(resolved.faults)
        manifest, found = _validated(resolved)
        faults.extend(self._fault(finding, tree) for finding in found)
        if manifest is None:
            return Examined(case=None, resolved=resolved, faults=in_file_order(faults))
        machine = look_at_machine(gpus=any_gpu(manifest.models)) if settings is not None else None
        case = self._case(manifest, environment=environment, resolved=resolved, here=here or {}, machine=machine)
        case = replace(case, deploying=deploying)
        told = {finding.path for finding in found if finding.path}
        meant = {(finding.path[:-1], f"`{finding.nearest}` is missing") for finding in found if finding.on_key}
        ruled = (finding for finding in findings(case) if (finding.path, finding.problem) not in meant)
        faults.extend(self._fault(finding, tree) for finding in ruled if finding.path not in told)
        warned = (self._fault(finding, tree) for finding in warnings(case))
        return Examined(case=case, resolved=resolved, faults=in_file_order(faults), warnings=in_file_order(warned))

    def _overlaid(self, environment: str) -> tuple[Node, Merge]:
        notes = Merge()
        under = without(self._tree, ("environments",))
        over = self._tree.at(("environments", environment))
        if over is None or not isinstance(over.value, dict):
            return under, notes
        kept = over
        for key in ("environments", "schema"):
            kept = without(kept, (key,))
        return merged(under, kept, notes=notes), notes

    def _overlay_faults(self) -> Iterator[Fault]:
        overlays = self._tree.at(("environments",))
        if overlays is None or overlays.value is None:
            return
        if not isinstance(overlays.value, dict):
            yield self._fault(
                Finding(("environments",), "is not a map", "write `production: {…}` below it"), self._tree
            )
            return
        for name, overlay in overlays.value.items():
            here = ("environments", name)
            if name not in ENVIRONMENTS:
                close = nearest(name, ENVIRONMENTS)
                remedy = f"did you mean `{close}`?" if close else f"known: {', '.join(ENVIRONMENTS)}"
                yield self._fault(Finding(here, f"`{name}` is no environment", remedy, close, on_key=True), self._tree)
            elif overlay.value is not None and not isinstance(overlay.value, dict):
                yield self._fault(Finding(here, "is not a map", "write keys and values below it"), self._tree)
            for key in ("environments", "schema"):
                if key in as_mapping(overlay):
                    problem = f"`{key}` cannot differ between environments"
                    yield self._fault(Finding((*here, key), problem, "remove it", on_key=True), self._tree)

    def _case(
        self,
        manifest: Manifest,
        *,
        environment: str,
        resolved: Resolved,
        here: Mapping[str, FilePath],
        machine: Machine | None,
    ) -> Case:
        return Case(
            manifest=manifest,
            environment=environment,
            kinds=self._kinds,
            files=self._files(manifest, resolved.unknown, here),
            prompts=self._prompts(manifest, resolved.unknown),
            unknown=frozenset(resolved.unknown),
            outside=frozenset(resolved.masked),
            off=frozenset(resolved.off),
            declared={
                section: frozenset(as_mapping(resolved.tree.at((section,))))
                for section in ("models", "providers", "prompts", "endpoints", "apps", "services", "targets")
            },
            builds={
                name: problem
                for name, app in manifest.apps.items()
                if app.build and (problem := folder_problem(self._base / app.build))
            },
            beside={
                place: problem
                for name, service in manifest.services.items()
                for key, wanted in _SETTINGS.items()
                if (path := getattr(service, key)) and (place := ("services", name, key)) not in resolved.unknown
                if (problem := settings_problem(self._base / path, wanted))
            },
            machine=machine,
        )

    def _files(self, manifest: Manifest, unknown: Iterable[Path], here: Mapping[str, FilePath]) -> dict[str, FileFacts]:
        places = set(unknown)

        def place(source: str) -> FilePath | None:
            return self._place(source) if form_of(source) == PATH else here.get(source)

        own = {
            name: look(place(model.source), self._place(model.check), self._place(model.labels))
            for name, model in in_versions(manifest.models).items()
            if not places & {(*place_of(name), key) for key in ("source", "check", "labels")}
        }
        of_steps = {
            name: look(self._place(path), None)
            for name, path in files_of(manifest.models)
            if not any(place[:2] == ("models", name.partition(".")[0]) for place in places)
        }
        return own | of_steps

    def _place(self, path: str) -> FilePath | None:
        return self._base / path if path else None

    def _prompts(self, manifest: Manifest, unknown: Iterable[Path]) -> dict[str, PromptFacts]:
        places = set(unknown)
        return {
            name: look_into(self._base / prompt.source, name=name)
            for name, prompt in manifest.prompts.items()
            if ("prompts", name, "source") not in places
        }

    def _fault(self, finding: Finding, tree: Node) -> Fault:
        return as_fault(finding, file=self._shown, tree=tree)


def _validated(resolved: Resolved) -> tuple[Manifest | None, list[Finding]]:
    """What the schema says; and the manifest, if need be without its faulty pieces, so that the rest is judged too."""
    refused = dict(later.refused_values(resolved.tree))
    found = [Finding(path, f"this value {_UNAVAILABLE}", remedy) for path, remedy in refused.items()]
    tree = resolved.tree
    for path in refused:
        tree = without(tree, path)
    resolved.unknown.update(refused)
    for number in range(_ROUNDS):
        try:
            return Manifest.model_validate({**plain(tree)}), found
        except ValidationError as error:
            errors = error.errors(include_url=False)
        for detail in errors:
            path = _path(detail["loc"])
            known_already = any(path[: len(other)] == other for other in refused)
            if number == 0 and not known_already and path not in resolved.unknown:
                masked = path in resolved.masked or is_secret(path)
                problem, remedy, close = explained(detail, path=path, masked=masked)
                on_key = detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
                found.append(Finding(_place(path, detail["type"]), problem, remedy, close, on_key))
            if detail["type"] not in {"missing", "extra_forbidden"}:
                resolved.unknown.add(path)
            tree = _pruned(tree, path, detail["type"])
    return None, found


def _place(path: Path, kind: str) -> Path:
    return path[:-1] if kind == "missing" else path


def _pruned(tree: Node, path: Path, kind: str) -> Node:
    """Without the smallest piece that makes this error go away; a list goes as a whole."""
    if kind == "missing":
        if len(path) == 1:
            return Node({**as_mapping(tree), str(path[0]): Node(_TOP.get(str(path[0])), tree.line)}, tree.line)  # type: ignore[arg-type]
        path = path[:-1]
    first = next((index for index, step in enumerate(path) if isinstance(step, int)), len(path))
    return without(tree, path[:first])


def _path(loc: tuple[str | int, ...]) -> Path:
    return loc[:-1] if loc[-1:] == ("[key]",) else loc


def _is_field(path: Path) -> bool:
    return str(path[-1]) in keys_at(path[:-1])


def _vain(path: Path, *, over: Node, under: Node, file: str, prefix: str) -> Fault:
    parent = path[:-1]
    known = keys_at(parent) or tuple(as_mapping(under.at(parent)))
    _, remedy, close = unknown_key(str(path[-1]), known)
    return Fault(
        path=file,
        line=over.line_of(path, key=True),
        key=f"{prefix}.{dotted(path)}",
        problem=f"there is no `{path[-1]}` to delete",
        remedy=remedy,
        nearest=close,
    )
