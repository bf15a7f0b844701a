"""What a zip archive is: PyTorch's three kinds, skops, Keras, numpy; its directory is read, and nothing is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import BinaryIO

from modelwright.app.artifacts.pickles import HEAD, holds_objects

_ZIP = b"PK\x03\x04"
_PICKLES = (".pkl", ".pickle", ".joblib")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def is_exported_program(file: BinaryIO) -> bool:
    """What `torch.export.save` writes, of today or of its first years."""
    names = _names(file)
    return any(_below(name) in {"archive_format", "serialized_exported_program.json"} for name in names)


def is_torchscript(file: BinaryIO) -> bool:
    """What `torch.jit.save` writes: a program beside its tensors."""
    names = [_below(name) for name in _names(file)]
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def is_skops(file: BinaryIO) -> bool:
    """What `skops.io.dump` writes."""
    return "schema.json" in _names(file)


def is_torch_checkpoint(file: BinaryIO) -> bool:
    """What `torch.save` writes: a pickle beside its tensors; or any archive that holds a pickle, though cut short."""
    if any(name.endswith(_PICKLES) for name in _names(file)):
        return True
    file.seek(0)
    head = file.read(HEAD)
    return head.startswith(_ZIP) and b".pkl" in head


def holds_arrays_of_objects(file: BinaryIO) -> bool:
    """What `numpy.savez` writes, if an array's elements are pickled."""
    return _looks(file, lambda archive: any(holds_objects(_head(archive, name)) for name in archive.namelist()))


def is_keras(file: BinaryIO) -> bool:
    """A .keras archive, or HDF5, which Keras wrote before."""
    if {"config.json", "metadata.json"} <= set(_names(file)):
        return True
    file.seek(0)
    return file.read(len(_HDF5)) == _HDF5


def _names(file: BinaryIO) -> list[str]:
    found: list[str] = []
    _looks(file, lambda archive: bool(found.extend(archive.namelist())))
    return found


def _looks(file: BinaryIO, test: Callable[[zipfile.ZipFile], bool]) -> bool:
    file.seek(0)
    if file.read(len(_ZIP)) != _ZIP:
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return test(archive)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError):
        return False


def _head(archive: zipfile.ZipFile, name: str) -> bytes:
    if not name.endswith(".npy"):
        return b""
    with archive.open(name) as member:
        return member.read(HEAD)


def _below(name: str) -> str:
    """A member's path without the archive's own folder, which PyTorch puts around all."""
    return name.partition("/")[2] or name
