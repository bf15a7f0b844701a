"""Recognises pickles in whatever they are wrapped: loading one would run any program; nothing is unpickled here."""

from __future__ import annotations

import bz2
import lzma
import pickletools
import re
import tarfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

HEAD = 4096
_BLOCK = 1 << 20
"""bz2 gives nothing before its first block, of up to 900 kB, is there."""
_ENOUGH = 16
"""Operations after which a text that reads as a pickle is one, though its end was not seen."""
_OPCODES = frozenset(opcode.code.encode("latin-1") for opcode in pickletools.opcodes)
_TORCH_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""What PyTorch's files began with before they were archives."""
_TORCH_TAR = {"pickle", "storages", "tensors", "sys_info"}
_NPY = b"\x93NUMPY"
_OBJECTS = re.compile(rb"'descr':\s*('\|?O|\[.*'\|?O')")


def is_pickle(file: BinaryIO) -> bool:
    """Python's pickle of any protocol, plain or compressed as joblib does (zlib, gzip, bz2, xz, lzma, lz4)."""
    start = file.tell()
    head = file.read(HEAD)
    if _begins_pickle(head):
        return True
    for magic, opened in _WRAPPERS:
        if head.startswith(magic):
            file.seek(start)
            with suppress(OSError, EOFError, ValueError, IndexError, zlib.error, lzma.LZMAError):
                if _begins_pickle(opened(file)):
                    return True
    return False


def is_old_torch(file: BinaryIO) -> bool:
    """A checkpoint that PyTorch wrote before its files were zip archives."""
    head = file.read(HEAD)
    if _TORCH_MAGIC in head[:32]:
        return True
    if head[257:262] != b"ustar":
        return False
    file.seek(0)
    with suppress(tarfile.TarError, EOFError, ValueError), tarfile.open(fileobj=file, mode="r:") as archive:
        first = archive.next()
        return first is not None and first.name in _TORCH_TAR
    return False


def is_array_of_objects(file: BinaryIO) -> bool:
    """A numpy array whose elements are pickled."""
    return holds_objects(file.read(HEAD))


def holds_objects(head: bytes) -> bool:
    """Whether a .npy file that begins like this holds pickled elements."""
    return head.startswith(_NPY) and _OBJECTS.search(head) is not None


def _begins_pickle(head: bytes) -> bool:
    if head[:1] == b"\x80" and len(head) > 2:
        return head[1] in range(2, 6) and head[2:3] in _OPCODES
    return head[:1] in {b"(", b"c", b"]", b"}", b"l"} and _reads_as_text_pickle(head)


def _reads_as_text_pickle(head: bytes) -> bool:
    """Protocols 0 and 1 have no magic number: their operations are read instead."""
    count, calls = 0, False
    try:
        for opcode, _, _ in pickletools.genops(head):
            count += 1
            calls = calls or opcode.name in {"GLOBAL", "INST", "PUT", "BINPUT"}
            if opcode.name == "STOP":
                return True
    except Exception:  # noqa: BLE001 - it raises whatever its many readers do; the head may end inside an operation
        return calls and count >= _ENOUGH
    return False


def _zlib(file: BinaryIO) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(file.read(HEAD), HEAD)


def _bz2(file: BinaryIO) -> bytes:
    return bz2.BZ2Decompressor().decompress(file.read(_BLOCK), HEAD)


def _lzma(file: BinaryIO) -> bytes:
    return lzma.LZMADecompressor().decompress(file.read(HEAD), HEAD)


def _lz4(file: BinaryIO) -> bytes:
    """The first literals of the first block: a pickle's first bytes are never a repetition."""
    head = file.read(HEAD)
    flags = head[4]
    start = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    size = int.from_bytes(head[start : start + 4], "little")
    data = head[start + 4 :]
    if size & 0x80000000:  # not compressed
        return data
    count, place = data[0] >> 4, 1
    while count >= 15 and place < len(data):
        count += data[place]
        place += 1
        if data[place - 1] != 255:
            break
    return data[place : place + count]


_WRAPPERS: tuple[tuple[bytes, Callable[[BinaryIO], bytes]], ...] = (
    (b"\x1f\x8b", _zlib),
    (b"\x78", _zlib),
    (b"BZh", _bz2),
    (b"\xfd7zXZ\x00", _lzma),
    (b"\x5d\x00\x00", _lzma),
    (b"\x04\x22\x4d\x18", _lz4),
)
