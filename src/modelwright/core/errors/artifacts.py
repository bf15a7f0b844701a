"""Errors of the files that models are, wherever they are kept."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class ArtifactError(ModelwrightError):
    """A model's files cannot be kept, or cannot be brought here."""

    code = "artifact_invalid"


class ArtifactMissing(ArtifactError):
    """Nothing of this digest is kept there, or the source is gone."""

    code = "artifact_missing"


class ArtifactDamaged(ArtifactError):
    """What was found is not of the digest that it should have."""

    code = "artifact_damaged"


class SourceUnavailable(ArtifactError):
    """Where models' files are kept does not answer now, or lets us in no longer."""

    code = "source_unavailable"
