"""What a model's source says, by its form alone: a path, https, S3 or the registry; nothing is looked up."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from modelwright.registry.registry import NAME, WORD

PATH, HTTPS, S3, REGISTRY = "path", "https", "s3", "registry"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 100


class Named(NamedTuple):
    """A bucket and a key, or a line of the registry and a word in it."""

    where: str
    what: str


def form_of(source: str) -> str:
    """PATH, HTTPS, S3 or REGISTRY."""
    scheme, colon, _ = source.partition(":")
    return scheme.lower() if colon and scheme.lower() in {HTTPS, S3, REGISTRY} else PATH


def in_bucket(source: str) -> Named:
    """Of `s3://bucket/key`."""
    where, _, what = source.partition("://")[2].partition("/")
    return Named(where, what)


def in_registry(source: str) -> Named:
    """Of `registry:name@version`, where an alias or a digest may stand for the version."""
    where, _, what = source.partition(":")[2].partition("@")
    return Named(where, what)


def file_name(source: str) -> str:
    """What the file of an https or S3 source is called here."""
    last = unquote(urlsplit(source).path).rstrip("/").rpartition("/")[2]
    return _PLAIN.sub("-", last).lstrip(".-")[-_LONGEST:] or "model"


def problem_of(source: str, *, digest: str) -> tuple[str, str]:
    """(problem, remedy) of a source that nobody can mean; two empty texts when there is none."""
    match form_of(source):
        case "https":
            return _https_problem(source, digest)
        case "s3":
            where, what = in_bucket(source)
            if not source.startswith("s3://") or not _BUCKET.fullmatch(where) or not what or what.endswith("/"):
                return f"{source!r} names no object in a bucket", "write s3://bucket/path/of/the/model.onnx"
        case "registry":
            where, what = in_registry(source)
            is_word = WORD.fullmatch(what) or re.fullmatch(r"sha256:[0-9a-f]{64}", what)
            if not NAME.fullmatch(where) or not is_word:
                return f"{source!r} names no version", "write registry:name@version or registry:name@alias"
        case _:
            pass
    return "", ""


def _https_problem(source: str, digest: str) -> tuple[str, str]:
    try:
        parts = urlsplit(source)
        is_address = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_address = False
        parts = urlsplit("")
    if not is_address:
        return "it is no address", "write https://host/path/of/the/model.onnx"
    if parts.username is not None or parts.password is not None:
        return "a name or password stands in the address", "remove it: the manifest is no place for secrets"
    if not digest:
        return (
            f"{source!r} has no digest, so that nobody can tell what is fetched",
            "write `digest: sha256:…` beside it",
        )
    return "", ""
