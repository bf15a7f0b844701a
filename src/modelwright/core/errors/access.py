"""Errors of the verbs on access keys; what a call with a bad key gets is in `calls`."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class AccessError(ModelwrightError):
    """An access key cannot be made, found or revoked."""

    code = "access_invalid"


class KeyNameTaken(AccessError):
    """A live key of that name exists in the tenant."""

    code = "key_name_taken"


class KeyNotFound(AccessError):
    """No live key has that id or name."""

    code = "key_not_found"
