"""What belongs to the manifest's design but not to this version: refused by name, never accepted and ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from modelwright.app.document.tree import Node, Path
from modelwright.app.manifest.shape import ANYTHING


class Later(NamedTuple):
    """One such place, and what to do meanwhile."""

    path: Path
    remedy: str


_ENDPOINT = ("endpoints", ANYTHING)
_MODEL = ("models", ANYTHING)

LATER: tuple[Later, ...] = (
    Later(("alerts",), "remove it; on a target, `services: {prometheus: {rules: ./alerts.yaml}}` has yours"),
    Later(("notify",), "remove it; on a target, `services: {alertmanager: {…}}` tells somebody"),
    Later(("backup", "every"), "remove it and have cron call `modelwright backup`"),
    Later((*_ENDPOINT, "rollout"), "remove it and change the weights yourself"),
    Later(("observe", "otlp"), "remove it and scrape /metrics"),
    Later(("observe", "sentry"), "remove it and read the logs"),
    Later(("observe", "content"), "remove it; content is never written down"),
)

VALUES: tuple[tuple[Path, re.Pattern[str], str], ...] = (
    (
        (*_MODEL, "source"),
        re.compile(r"(http|hf|gs|oci):.+"),
        "download the file and name its path",
    ),
    (("observe", "log", "format"), re.compile(r"(?!json$).+"), "write `json`"),
)
"""Values that belong to the design at places that this version knows."""


def refused_keys(tree: Node) -> Iterator[tuple[Path, str]]:
    """(path, remedy) of every key in the file that this version cannot do."""
    for later in LATER:
        for path, _ in find(tree, later.path):
            yield path, later.remedy


def refused_values(tree: Node) -> Iterator[tuple[Path, str]]:
    """(path, remedy) of every value that this version cannot do."""
    for pattern, value, remedy in VALUES:
        for path, node in find(tree, pattern):
            if isinstance(node.value, str) and value.fullmatch(node.value):
                yield path, remedy


def find(tree: Node, pattern: Path, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Nodes whose path matches a pattern in which `*` stands for every name."""
    if not pattern:
        yield path, tree
        return
    for step, child in tree.children():
        if pattern[0] in {ANYTHING, step}:
            yield from find(child, pattern[1:], (*path, step))
