"""Bills of materials in CycloneDX's form, the same for the same parts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import bom as boms
from cyclonedx.model import component as components
from cyclonedx.model.component import ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from modelwright.core.deploying.images import Part, Recipe

# The library's decorators hide their signatures from type checkers.
_Bom: Any = boms.Bom
_About: Any = boms.BomMetaData
_Component: Any = components.Component
_Licence: Any = DisjunctiveLicense
_NAMESPACES = {"deb": "debian", "apk": "alpine"}


def bill_of(recipe: Recipe, image: str, *, parts: Iterable[Part], at: int) -> bytes:
    """JSON; `image` is the image's id, `at` Unix seconds."""
    whole = _Component(
        name=recipe.repository, version=recipe.version or None, type=ComponentType.CONTAINER, bom_ref=image
    )
    found = [_component(part) for part in parts]
    bom = _Bom(
        components=found,
        metadata=_About(component=whole, timestamp=datetime.fromtimestamp(at, UTC)),
        serial_number=uuid5(NAMESPACE_URL, image),
    )
    bom.register_dependency(whole, found)
    told = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    return told.encode() + b"\n"


def _component(part: Part) -> Any:
    namespace, _, short = part.name.rpartition("/")
    purl = PackageURL(part.manager, namespace or _NAMESPACES.get(part.manager), short, part.version)
    return _Component(
        name=part.name,
        version=part.version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[_Licence(name=part.licence)] if part.licence else [],
    )
