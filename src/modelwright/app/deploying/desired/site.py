"""The gateway's own manifest on a target: this one, resolved, with its files where an instance finds them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.deploying.desired.apps import file_mount, secret_mount
from modelwright.app.deploying.desired.canonical import plain_of
from modelwright.app.deploying.desired.contents import Brought, place_within
from modelwright.app.deploying.desired.grounds.footing import CONTAINERS, Footing
from modelwright.app.deploying.desired.grounds.sources import Sources
from modelwright.app.deploying.desired.values import ADMIN_PORT, PORT, Values, secret_name
from modelwright.app.document import tree
from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.resolve import ELSEWHERE, OUTSIDE
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.models import in_versions, place_of
from modelwright.app.pipelines.plan import files_of
from modelwright.app.plugins import PYTHON
from modelwright.app.sources.located import Located
from modelwright.app.sources.reference import S3, form_of
from modelwright.core.deploying.places import MANIFEST, SITE, SOURCES, WEIGHTS
from modelwright.core.deploying.workloads import Mount
from modelwright.core.errors.deploying import DeployError

_NOT_THERE = (*ELSEWHERE, *OUTSIDE, "target", "environments", "secrets")
_SHORT = 32
_LACKING = re.compile(r"\bset ([A-Za-z_][A-Za-z0-9_]*)")


class Site:
    """One manifest on its way to a target; made once, then asked for what it has made."""

    def __init__(
        self,
        loaded: LoadedManifest,
        located: Mapping[str, Located],
        *,
        values: Values,
        brought: Brought,
        footing: Footing = CONTAINERS,
    ) -> None:
        """`located` says where each model is now; raises OSError."""
        self._loaded = loaded
        self._located = located
        self._values = values
        self._brought = brought
        self.footing = footing
        self._mounts: dict[str, Mount] = {}

    def mounts(self, keys: Mapping[str, str]) -> tuple[Mount, ...]:
        """All that an instance finds, the manifest among it; `keys` are API keys that exist from the start, by name."""
        manifest = self._manifest(keys)
        for path, content in (*self._code(), *self._prompts()):
            self._add(file_mount(f"{SITE}/{path}", content, self._brought))
        written = msgspec.json.format(msgspec.json.encode(manifest))  # in the file's order, which steps live by
        self._add(file_mount(MANIFEST, written, self._brought))
        return tuple(mount for _, mount in sorted(self._mounts.items()))

    def secret(self, name: str, content: str) -> Mount:
        """A file that instances find by this name."""
        return self._add(secret_mount(f"{self.footing.secrets}/{name}", content, self._brought))

    def sources(self, app: str) -> Mount:
        """Those of an app of its, in a folder that is there once for each content. Raises DeployError."""
        folder = self._loaded.base_dir / self._loaded.manifest.apps[app].build
        digest = self._brought.sources(Sources(folder, place=f"apps.{app}.build"))
        return Mount(path=SOURCES, volume=f"{app}-{digest.partition(':')[2][:_SHORT]}", digest=digest)

    def _manifest(self, keys: Mapping[str, str]) -> dict[str, Any]:
        manifest = self._loaded.manifest
        content: dict[str, Any] = {"schema": 1, **plain_of(manifest, self._hide)}
        for section in _NOT_THERE:
            content.pop(section, None)
        content["gateway"] = {**content.get("gateway", {}), **self._doors()}
        for name in manifest.prompts:
            content["prompts"][name]["source"] = f"prompts/{name}"
        for name, reason in self._loaded.off.items():
            content["providers"][name] |= _off(reason)
        for label in in_versions(manifest.models):
            self._place_model(content, label)
        for name, path in files_of(manifest.models):
            model, _, step = name.partition(".")
            content["models"][model]["pipeline"]["steps"][step]["tokenize"] = self._file(path, self._located[name].path)
        artifacts = content.get("store", {}).get("artifacts", {})
        if artifacts and form_of(str(artifacts.get("at", ""))) != S3:
            content["store"].pop("artifacts")
        if keys:
            self._give(content, keys)
        return content

    def _doors(self) -> dict[str, Any]:
        gateway, footing = self._loaded.manifest.gateway, self.footing
        doors: dict[str, Any] = {"listen": f"{footing.listen}:{PORT}", "admin": f"{footing.listen}:{ADMIN_PORT}"}
        if gateway.grpc is not None:
            doors["grpc"] = f"{footing.listen}:{footing.grpc}"
        return {**doors, "trusted_proxies": [*footing.proxies, *gateway.trusted_proxies]}

    def _give(self, content: dict[str, Any], keys: Mapping[str, str]) -> None:
        given = content.setdefault("access", {}).setdefault("keys", {})
        for name, text in keys.items():
            file = f"KEY_{name.upper().replace('-', '_')}"
            self.secret(file, text)
            given[name] = {**given.get(name, {}), "key": f"${{secret:{file}}}"}

    def _place_model(self, content: dict[str, Any], label: str) -> None:
        section = in_versions(self._loaded.manifest.models)[label]
        here = content
        for step in place_of(label):
            here = here[step]
        if section.source:
            model = self._located[label]
            digest = self._brought.weights(model)
            short = digest.partition(":")[2][:_SHORT]
            folder = f"{WEIGHTS}/{short}"
            self._add(Mount(path=folder, volume=f"weights-{short}", digest=digest))
            here["source"] = f"{self.footing.upwards}{folder}/{place_within(model)}"
        for key in ("check", "labels"):
            path = getattr(section, key)
            if path:
                here[key] = self._file(path, str(self._loaded.base_dir / path))

    def _file(self, named: str, path: str) -> str:
        """Where a small file is found, relative to the manifest."""
        content = Path(path).read_bytes()
        place = f"files/{hashlib.sha256(content).hexdigest()[:_SHORT]}/{Path(named).name}"
        self._add(file_mount(f"{SITE}/{place}", content, self._brought))
        return place

    def _prompts(self) -> Iterator[tuple[str, bytes]]:
        for prompt in self._loaded.prompts:
            yield f"prompts/{prompt.name}/{prompt.version}.md", prompt.source.encode()

    def _code(self) -> Iterator[tuple[str, bytes]]:
        """Classes of the user's, with whatever Python code lies in the same package."""
        base, known = self._loaded.base_dir, set[str]()
        for kind in self._loaded.engines.values():
            top = kind.removeprefix(PYTHON).partition(":")[0].partition(".")[0] if kind.startswith(PYTHON) else ""
            if not top or top in known:
                continue
            known.add(top)
            if (base / f"{top}.py").is_file():
                yield f"{top}.py", (base / f"{top}.py").read_bytes()
            for file in sorted((base / top).rglob("*.py")):
                yield file.relative_to(base).as_posix(), file.read_bytes()

    def _hide(self, path: tree.Path, value: Secret) -> str:
        """A secret is a file: under its own name, or by its place when it is more than one secret alone."""
        references = value.references
        alone = len(references) == 1 and value.reveal() == str(references[0]) and references[0].kind == "secret"
        if path[0] in _NOT_THERE or (path[0] == "providers" and path[1] in self._loaded.off):
            return ""
        name = secret_name(references[0].name if alone else tree.dotted(path))
        self.secret(name, self._values.fill(value))
        return f"${{secret:{name}}}"

    def _add(self, mount: Mount) -> Mount:
        if self._mounts.setdefault(mount.path, mount) != mount:
            hint = "give the secret another name: a key that is made for an app has this one"
            raise DeployError(f"two things would be {mount.path}", hint=hint)
        return mount


def _off(reason: str) -> dict[str, Any]:
    """What keeps an optional provider off, with what it lacks here: a value that came along might turn it on."""
    lacking = _LACKING.search(reason)
    return {"base_url": "http://off.invalid", "keys": [f"${{secret:{lacking[1] if lacking else 'OFF'}}}"]}
