"""What a zip archive is: PyTorch's three kinds, skops, Keras, numpy; its directory is read once, nothing unpacked."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec

from modelwright.adapters.engines.zip_bounds import CrowdedArchive, open_zip, read_member
from modelwright.app.artifacts.pickles import HEAD, holds_objects

_ZIP = b"PK\x03\x04"
_PICKLES = (".pkl", ".pickle", ".joblib")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MOST_ARRAYS = 1000
"""Of an archive, whose heads are looked at."""


class Archive(msgspec.Struct, frozen=True):
    """What its directory says."""

    names: tuple[str, ...] = ()
    heads: Callable[[], list[bytes]] = list
    """The first bytes of its arrays; while the file is open."""
    crowded: bool = False
    """It has more members than anybody looks at; none is named."""


def read_archive(file: BinaryIO) -> Archive | None:
    """None when the file is no zip archive, or one whose directory cannot be read."""
    file.seek(0)
    if file.read(len(_ZIP)) != _ZIP:
        return None
    try:
        archive = open_zip(file)
    except CrowdedArchive:
        return Archive(crowded=True)
    except ValueError:
        return None
    names = tuple(archive.namelist())
    arrays = [name for name in names if name.endswith(".npy")][:_MOST_ARRAYS]

    def heads() -> list[bytes]:
        try:
            return [read_member(archive, name, most=HEAD) for name in arrays]
        except ValueError:
            return []

    return Archive(names, heads)


def is_crowded(archive: Archive) -> bool:
    """An archive that nobody lists to its end."""
    return archive.crowded


def is_exported_program(archive: Archive) -> bool:
    """What `torch.export.save` writes, of today or of its first years."""
    return any(_below(name) in {"archive_format", "serialized_exported_program.json"} for name in archive.names)


def is_torchscript(archive: Archive) -> bool:
    """What `torch.jit.save` writes: a program beside its tensors."""
    names = [_below(name) for name in archive.names]
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def is_skops(archive: Archive) -> bool:
    """What `skops.io.dump` writes."""
    return "schema.json" in archive.names


def is_torch_checkpoint(archive: Archive) -> bool:
    """What `torch.save` writes: a pickle beside its tensors."""
    return any(name.endswith(_PICKLES) for name in archive.names)


def is_cut_torch(file: BinaryIO) -> bool:
    """The beginning of an archive that holds a pickle."""
    head = file.read(HEAD)
    return head.startswith(_ZIP) and b".pkl" in head


def holds_arrays_of_objects(archive: Archive) -> bool:
    """What `numpy.savez` writes, if an array's elements are pickled."""
    return any(map(holds_objects, archive.heads()))


def is_keras(archive: Archive) -> bool:
    """A .keras archive."""
    return {"config.json", "metadata.json"} <= set(archive.names)


def is_hdf5(file: BinaryIO) -> bool:
    """What Keras wrote before."""
    return file.read(len(_HDF5)) == _HDF5


def _below(name: str) -> str:
    """A member's path without the archive's own folder, which PyTorch puts around all."""
    return name.partition("/")[2] or name
