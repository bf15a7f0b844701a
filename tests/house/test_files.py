"""Looks through every file that git keeps for what must stay on a machine: paths, indexes and secrets."""

import re
from pathlib import Path

import pytest

from tests.house.files import ROOT, committed

FORBIDDEN = {
    "a path of one machine": rb"(?<![\w.])/(work|root|farm|Users)/\w",
    "a package index": rb"--(extra-)?index-url|--find-link[s]|--default-inde[x]|https?://[^\s\"']*/simple\b",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}",
    "an OpenAI or Anthropic key": rb"\bsk-([A-Za-z0-9]{32,}|(proj|ant)-[\w-]{32,})\b",
    "a GitHub or AWS key": rb"\b(gh[opsu]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16})\b",
    "an unfinished place": rb"\b(TODO|FIXME|XXX)\b[:( ]",
}


@pytest.mark.parametrize("path", committed(), ids=str)
def test_file_holds_nothing_that_stays_on_a_machine(path: Path) -> None:
    content = (ROOT / path).read_bytes()
    found = {what: match[0] for what, pattern in FORBIDDEN.items() if (match := re.search(pattern, content))}
    assert not found


def test_secrets_and_state_are_ignored_by_git() -> None:
    names = {str(path) for path in committed()}
    assert ".env.example" in names
    assert not {name for name in names if Path(name).name.startswith(".env") and Path(name).name != ".env.example"}
    assert not {name for name in names if ".modelwright/" in name}
