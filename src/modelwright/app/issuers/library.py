"""The library that verifies tokens, loaded when an issuer is named: it takes 10 MB, which nobody else shall pay."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.ports.tokens import Keyring


def keyring(issuer: Issuer) -> Keyring:
    """The keys of an issuer."""
    return cast("Keyring", import_module("modelwright.adapters.tokens.jose").JoseKeyring(issuer))
