"""The running Modelwright as a wheel: what goes into an image is what made it, from a checkout or from an index."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
_TIME = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: modelwright\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@functools.cache
def running_wheel(package: Path = PACKAGE) -> tuple[str, bytes]:
    """(file name, content); the same bytes wherever the package is the same; read once, as it runs."""
    found = distribution(package.name)
    stem = f"{package.name}-{found.version}"
    content = io.BytesIO()
    record: list[str] = []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted({**_code(package), **_about(found, stem)}.items()):
            archive.writestr(_member(name), data)
            record.append(f"{name},{_digest(data)},{len(data)}")
        record.append(f"{stem}.dist-info/RECORD,,")
        archive.writestr(_member(f"{stem}.dist-info/RECORD"), "\n".join(record) + "\n")
    return f"{stem}-py3-none-any.whl", content.getvalue()


def running_version(package: Path = PACKAGE) -> str:
    """Of this package."""
    return distribution(package.name).version


def _code(package: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(package.parent)): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _about(found: Distribution, stem: str) -> dict[str, bytes]:
    folder = f"{stem}.dist-info"
    texts = {
        "METADATA": found.read_text("METADATA"),
        "entry_points.txt": found.read_text("entry_points.txt"),
        "WHEEL": _WHEEL,
    }
    return {f"{folder}/{name}": text.encode() for name, text in texts.items() if text}


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _TIME)
    member.external_attr = 0o644 << 16
    return member


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
