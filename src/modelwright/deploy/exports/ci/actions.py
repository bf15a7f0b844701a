"""The actions that a workflow uses, by the commit of their release: a tag can be moved, a commit not."""

from __future__ import annotations

_COMMITS = {
    "actions/checkout": ("08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5.0.0"),
    "actions/setup-node": ("a0853c24544627f65ddf259abe73b1d18a591444", "v5.0.0"),
    "actions/setup-python": ("a26af69be951a213d495a4c3e4e4022e16d87065", "v5.6.0"),
    "docker/setup-buildx-action": ("e468171a9de216ec08956ac3ada2f0791b6bd435", "v3.11.1"),
}


def pinned(action: str) -> str:
    """As a workflow names it, with the version for people."""
    commit, version = _COMMITS[action]
    return f"{action}@{commit} # {version}"
