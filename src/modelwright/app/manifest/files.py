"""Looks at the files that a manifest names: is it there, which engine reads it; it judges nothing and runs nothing."""

from __future__ import annotations

import hashlib
import json
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_CHECK = 32 << 20
GGUF, ONNX, PICKLE, UNKNOWN = "gguf", "onnx", "pickle", ""
ENGINES = {GGUF: "openvino-llm", ONNX: "onnxruntime"}
"""The engine that is chosen when the manifest names none."""
_CHUNK = 1 << 20
_GRAPH = 7
_ONNX_FIELDS = {1, 2, 3, 4, 5, 6, _GRAPH, 8, 14, 20, 25, 26}
"""Field numbers of ModelProto (onnx/onnx.proto, IR version 13)."""
_OPCODES = frozenset(opcode.code.encode("latin-1") for opcode in pickletools.opcodes)
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What was seen of one model's files."""

    format: str = UNKNOWN
    """gguf | onnx | pickle | empty when it is none of these."""
    source_problem: str = ""
    check_problem: str = ""


def look(source: Path, check: Path | None) -> FileFacts:
    """What the model file is, and whether the check can be sent."""
    problem = _unreadable(source)
    return FileFacts(
        format=UNKNOWN if problem else format_of(source),
        source_problem=problem,
        check_problem=_check_problem(check) if check is not None else "",
    )


def format_of(path: Path) -> str:
    """The format by content, whatever the name says."""
    with path.open("rb") as file:
        head = file.read(4096)
        if head[:4] == b"GGUF":
            return GGUF
        if is_pickle(head):
            return PICKLE
        return ONNX if is_onnx(file) else UNKNOWN


def is_pickle(head: bytes) -> bool:
    """Python's pickle (protocol 2 and up), or PyTorch's archive of one; loading either would run code."""
    if head[:1] == b"\x80" and len(head) > 2 and head[1] in range(2, 6) and head[2:3] in _OPCODES:
        return True
    return head[:4] == _ZIP and b".pkl" in head


def is_onnx(file: BinaryIO) -> bool:
    """Whether the top level is a protobuf message with ModelProto's fields and a graph; only field heads are read."""
    size = file.seek(0, 2)
    file.seek(0)
    seen: set[int] = set()
    while file.tell() < size:
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if number not in _ONNX_FIELDS or (not seen and number != 1):
            return False
        seen.add(number)
        if wire == 0:
            if _varint(file) < 0:
                return False
        elif wire == 2:
            length = _varint(file)
            if length < 0 or file.tell() + length > size:
                return number == _GRAPH  # cut short: the engine says so when it loads the file
            file.seek(length, 1)
        else:
            return False
    return {1, _GRAPH} <= seen


def digest_of(path: Path) -> str:
    """`sha256:` and 64 hex digits of a file's content; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _varint(file: BinaryIO) -> int:
    """A protobuf varint; -1 when there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return -1


def _unreadable(path: Path) -> str:
    try:
        if path.is_dir():
            return "is a directory"
        with path.open("rb") as file:
            return "" if file.read(1) else "is empty"
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"


def _check_problem(path: Path) -> str:
    problem = _unreadable(path)
    if problem:
        return problem
    if path.stat().st_size > MAX_CHECK:
        return f"is larger than {MAX_CHECK >> 20} MiB"
    try:
        content = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        return f"is not JSON (line {error.lineno}: {error.msg})"
    except (UnicodeDecodeError, RecursionError, ValueError):
        return "is not JSON in UTF-8"
    return "" if isinstance(content, dict) else "holds no JSON object"
