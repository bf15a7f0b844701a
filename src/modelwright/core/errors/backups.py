"""Errors of backups and of what is made of them."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class BackupError(ModelwrightError):
    """A backup cannot be made; none of it was kept."""

    code = "backup_failed"


class RestoreError(ModelwrightError):
    """A backup cannot be put back; nothing was changed."""

    code = "restore_failed"


class BackupDamaged(RestoreError):
    """A backup was cut short or changed, or is none."""

    code = "backup_damaged"


class WrongKey(RestoreError):
    """A backup was encrypted for somebody else."""

    code = "wrong_key"
