"""Whose signatures on the certificates of upstreams and issuers are trusted; it opens no connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from modelwright.adapters.http.dial import tls_context
from modelwright.app.settings.settings import CA_BUNDLE_NAME, Settings
from modelwright.core.errors.starting import StartError


def upstream_tls(settings: Settings, base: Path) -> Callable[[], ssl.SSLContext]:
    """How upstreams' certificates are checked; a file of authorities is read at once, so that no call finds it wrong.

    A relative path is one from `base`, the manifest's directory. Raises StartError.
    """
    named = settings.value(CA_BUNDLE_NAME)
    if named is None:
        return tls_context
    path = base / named
    try:
        context = tls_context(ca_bundle=str(path))
    except OSError as error:
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise StartError(
            f"{path} cannot be used: {reason}", hint="name a PEM file of authorities, or unset it", place=CA_BUNDLE_NAME
        ) from error
    return lambda: context
