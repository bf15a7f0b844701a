"""Errors of the registry of versions."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class RegistryError(ModelwrightError):
    """The registry cannot do it, or what it holds cannot be used."""

    code = "registry_invalid"


class NotRegistered(RegistryError):
    """No such name, version, alias or content."""

    code = "not_registered"


class VersionTaken(RegistryError):
    """A version of that name is registered with other content."""

    code = "version_taken"


class AliasHasMoved(RegistryError):
    """An alias means something else than was expected."""

    code = "alias_moved"


class VersionInUse(RegistryError):
    """A version that serves, or that an alias means, is not removed."""

    code = "version_in_use"
