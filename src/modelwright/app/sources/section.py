"""The manifest's section `store.artifacts`: where the registry keeps models' files, and how much of them lies here."""

from __future__ import annotations

from pydantic import Field

from modelwright.app.manifest.sections.section import Network, Section, Size


class ArtifactsSection(Section):
    """Where the registry's models are kept, and how those that are fetched are held here."""

    at: str = Field(
        default="",
        description="A folder, or s3://bucket/prefix; left out, a folder in the state directory. Hosts that share a "
        "database need one that all of them reach.",
    )
    region: str = Field(default="", description="s3: the region; left out, as AWS's own tools are told.")
    endpoint: str = Field(default="", description="s3: another address than AWS, such as https://minio.example.com.")
    cache: Size = Field(default="20GiB", description="Most bytes of fetched models here; what serves never goes.")
    allow: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Networks that are not public and may be fetched from by https, such as 10.0.0.0/8.",
    )
