"""Finds what models' sources mean, and brings here what lies elsewhere; what was found before is kept for this run."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from modelwright.adapters.http.dial import tls_context
from modelwright.adapters.http.download import shown
from modelwright.app.artifacts.code import module_file
from modelwright.app.artifacts.digests import digest_of, marks_of, model_digests
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.models.bring import bring
from modelwright.app.models.types import ModelShown
from modelwright.app.pipelines.plan import files_of, located_whole
from modelwright.app.sources.cache import FOLDER, Cache, cache_of
from modelwright.app.sources.fetch import Told, fetch_https, fetch_object
from modelwright.app.sources.located import Located
from modelwright.app.sources.reference import HTTPS, REGISTRY, S3, file_name, form_of, in_bucket, in_registry
from modelwright.app.sources.remembered import Meaning, Remembered
from modelwright.app.sources.section import ArtifactsSection
from modelwright.app.sources.stores import open_blobs, open_bucket
from modelwright.core.errors.artifacts import ArtifactDamaged, ArtifactMissing, SourceUnavailable
from modelwright.core.errors.registry import NotRegistered, RegistryError
from modelwright.core.errors.starting import StartError
from modelwright.core.quantities import parse_size, told_size

_CHANGES = 3
"""Times that an object is begun anew that changes while it is fetched."""

LookUp = Callable[[str, str], ModelShown]
"""(name, word) → what it means in the registry now; raises NotRegistered, and StartError when nobody can tell."""


def _nobody(name: str, word: str) -> ModelShown:
    raise StartError(f"nobody knows what registry:{name}@{word} means", hint="ask where a registry is")


def _silent(_: str) -> None:
    pass


class Sources:
    """Of one installation."""

    def __init__(
        self,
        state: Path,
        base: Path,
        *,
        section: ArtifactsSection | None = None,
        look_up: LookUp = _nobody,
        tls: Callable[[], ssl.SSLContext] = tls_context,
        say: Callable[[str], None] = _silent,
    ) -> None:
        """`state` remembers digests and holds the cache; relative paths start at `base`, the manifest's folder."""
        self._state = state
        self._base = base
        self._section = section or ArtifactsSection()
        self._look_up = look_up
        self._tls = tls
        self.say = say
        self._cache = Cache(cache_of(state), most=parse_size(self._section.cache))
        self._remembered = Remembered(state / FOLDER)
        self._found: dict[tuple[str, str], Located] = {}
        """By source and stated digest."""
        self.wanted: frozenset[str] = frozenset()
        """Digests of versions that are brought here now, and of those that were since the last look at all sources."""

    def of(self, models: Mapping[str, ModelSection]) -> dict[str, Located]:
        """By model that has any, and by step for a file that a step names itself.

        One that was found before in this run is what it was then; raises StartError, ArtifactError and RegistryError.
        """
        wanted = {name: (self._source(section), section.digest) for name, section in models.items()}
        wanted.update({name: (path, "") for name, path in files_of(models)})
        wanted = {name: source for name, source in wanted.items() if source[0]}
        for source, digest in wanted.values():
            if (source, digest) not in self._found:
                self.locate(source, digest)
        located = {name: self._found[source] for name, source in wanted.items()}
        for name, section in models.items():
            if section.pipeline is not None:
                located[name] = located_whole(name, section.pipeline, located)
        return located

    def _source(self, section: ModelSection) -> str:
        """Of a class that has none, its code, unless it is installed elsewhere."""
        return section.source or module_file(self._base, section.engine.kind)

    def anew(self, models: Mapping[str, ModelSection]) -> dict[str, Located]:
        """By model, as it is now: what was written since, and where aliases lead by now. Raises as `of`."""
        self._found.clear()
        self.wanted = frozenset()
        return self.of(models)

    def locate(self, source: str, digest: str = "") -> Located:
        """As it is now; raises as `of`."""
        match form_of(source):
            case form if form == HTTPS:
                located = self._at(source, self._cache.find(digest) or self._from_https(source, digest), digest)
            case form if form == S3:
                located = self._from_s3(source, digest)
            case form if form == REGISTRY:
                located = self._from_registry(source, digest)
            case _:
                located = self._from_path(source, digest)
        self._found[source, digest] = located
        return located

    def hold(self, digests: Collection[str]) -> None:
        """These are served now; whatever else is in the cache may go from it when room is needed."""
        self._cache.hold(digests)

    def _from_path(self, source: str, digest: str) -> Located:
        path = Path(os.path.normpath(self._base / source))
        marks = marks_of(path)
        found = model_digests(self._state, {source: path})[source]
        return Located(source=source, path=str(path), digest=digest or found, promised=bool(digest), marks=marks)

    def _from_https(self, source: str, digest: str) -> Path:
        place = shown(source)
        with self._cache.incoming(digest) as folder:
            part = folder / file_name(source)
            for is_last in (False, True):
                came = fetch_https(source, part, section=self._section, tls=self._tls, told=self._told(place))
                found = digest_of(part)
                if found == digest:
                    part.chmod(0o444)
                    return self._cache.admit(digest, part)
                part.unlink()
                if is_last or came.pieces == 1:  # what was continued may have been begun with something else
                    raise _not_promised(place, found, digest, encoding=came.encoding)
        raise AssertionError

    def _from_s3(self, source: str, digest: str) -> Located:
        here = self._cache.find(digest) if digest else None
        if here is not None:
            return self._at(source, here, digest)
        where, key = in_bucket(source)
        bucket, before = open_bucket(self._section, where), self._remembered.get(source)
        try:
            for left in reversed(range(_CHANGES)):
                found = bucket.look(key)
                if found is None:
                    raise ArtifactMissing("there is no such object", hint="see the key", place=source)
                here = self._cache.find(before.digest) if before and before.mark == found.mark else None
                if here is not None and before is not None and digest in {"", before.digest}:
                    return self._at(source, here, before.digest)
                try:
                    return self._from_bucket(source, digest, bucket=bucket, found=found)
                except SourceUnavailable:
                    now = bucket.look(key)
                    if not left or (now is not None and now.mark == found.mark):
                        raise
            raise AssertionError
        except SourceUnavailable as error:
            return self._by_memory(source, digest, error)
        finally:
            bucket.close()

    def _from_bucket(self, source: str, digest: str, *, bucket: Any, found: Any) -> Located:
        with self._cache.incoming(_address(source, found.mark)) as folder:
            part = folder / file_name(source)
            told = self._told(source)
            fetch_object(bucket, found.key, part, told=told, size=found.size, mark=found.mark)
            meant = digest_of(part)
            if digest not in {"", meant}:
                part.unlink()
                raise _not_promised(source, meant, digest)
            part.chmod(0o444)
            here = self._cache.admit(meant, part)
        self._remembered.keep(source, Meaning(digest=meant, mark=found.mark))
        return self._at(source, here, meant)

    def _from_registry(self, source: str, digest: str) -> Located:
        name, word = in_registry(source)
        try:
            meant = self._look_up(name, word)
        except NotRegistered as error:
            shown_by = "`modelwright models list` shows what there is, `push` and `alias` add to it"
            hint = "; ".join(part for part in (error.hint, shown_by) if part)
            raise NotRegistered(error.message, hint=hint, place=source) from error
        except RegistryError:
            raise
        except StartError as error:
            return self._by_memory(source, digest, error)
        model = meant.model
        self.wanted |= {model.digest}
        if digest not in {"", model.digest}:
            raise _not_promised(f"{name}@{meant.version}", model.digest, digest)
        here, version = self._cache.find(model.digest), f"{name}@{meant.version}"
        if here is None:
            blobs = open_blobs(self._section, state=self._state, base=self._base)
            self.say(f"fetching {version} from {blobs.place}: {told_size(model.size)}")
            self._cache.make_room(model.size, place=source)
            with self._cache.incoming(model.digest) as folder:
                to = folder / file_name(f"x:/{model.name}")
                bring(model, blobs, to, lasting=True)
                here = self._cache.admit(model.digest, to)
        self._remembered.keep(source, Meaning(digest=model.digest, version=version, main=model.main))
        return self._at(source, here / model.main, model.digest, version=version)

    def _by_memory(self, source: str, digest: str, error: StartError | SourceUnavailable) -> Located:
        """What it meant when it was last asked, if that is still here; otherwise raises the error."""
        before = self._remembered.get(source)
        here = self._cache.find(before.digest) if before and digest in {"", before.digest} else None
        if before is None or here is None:
            raise error
        self.say(f"warning: {source} cannot be asked, what it meant before is served: {error}")
        return self._at(source, here / before.main, before.digest, version=before.version)

    def _at(self, source: str, here: Path, digest: str, *, version: str = "") -> Located:
        return Located(source=source, path=str(here), digest=digest, version=version, promised=True)

    def _told(self, place: str) -> Told:
        return Told(place, self.say, lambda size, more: self._cache.make_room(size, more=more, place=place))


def _address(source: str, mark: str) -> str:
    """Where one state of an object is put together whose digest nobody knows yet."""
    return "sha256:" + hashlib.sha256(f"{source}\n{mark}".encode()).hexdigest()


def _not_promised(place: str, found: str, digest: str, *, encoding: str = "") -> ArtifactDamaged:
    hint = "correct the digest if the new content is meant, otherwise see who changed it"
    if encoding not in {"", "identity"}:
        hint = f"its server packs it as {encoding}, which nobody asked for: have it send the file as it is"
    return ArtifactDamaged(f"its content has the digest {found}, not {digest}", hint=hint, place=place)
