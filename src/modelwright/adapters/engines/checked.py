"""What engines check in the same way: their options, device and precision, their files; it knows no library."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import msgspec

from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.nearest import nearest
from modelwright.core.ports.engines import EngineConfig

T = TypeVar("T", bound=msgspec.Struct)


def options_of(config: EngineConfig, kind: type[T]) -> T:
    """The engine's options from the manifest as a value; raises StartError that names the unknown or the wrong one."""
    place = f"model {config.model}.engine.options"
    known = kind.__struct_fields__
    for name in config.options:
        if name not in known:
            near = nearest(name, known)
            raise StartError(
                f"this engine has no option {name!r}",
                hint=f"did you mean {near!r}?" if near else f"known are {', '.join(known)}" if known else "remove it",
                place=place,
            )
    try:
        return msgspec.convert(config.options, kind)
    except msgspec.ValidationError as error:
        raise StartError(str(error), hint=f"known are {', '.join(known)}", place=place) from None


def only_stored_precision(config: EngineConfig, computes: str) -> None:
    """Raise StartError for a precision that is asked of an engine which has one; `computes` tells which."""
    if config.precision != "f32":
        raise StartError(
            f"{computes}, not in {config.precision}",
            hint="leave engine.precision at f32",
            place=f"model {config.model}.engine.precision",
        )


def only_on(config: EngineConfig, devices: Collection[str], *, library: str) -> None:
    """Raise StartError for a device that this engine cannot use; `cuda` stands for `cuda:0`, `cuda:1` and so on."""
    if config.device.partition(":")[0] not in devices:
        raise StartError(
            f"{library} does not run on {config.device!r} here",
            hint=f"take one of {', '.join(devices)}, or another engine",
            place=f"model {config.model}.engine.device",
        )


def lone_file(config: EngineConfig, suffixes: Collection[str]) -> Path:
    """The only file of a folder that ends so; raises BadModelFile when there is none or more than one."""
    found = sorted(file for file in Path(config.path).iterdir() if file.suffix in suffixes)
    if len(found) != 1:
        problem = f"the folder holds {len(found)} files that end in {' or '.join(suffixes)}"
        raise unreadable(config, "a model", problem=problem, remedy="leave exactly one in it, or name the file")
    return found[0]


def unreadable(config: EngineConfig, what: str, *, problem: str, remedy: str) -> BadModelFile:
    """The error of a file that cannot be read as `what` it should be."""
    return BadModelFile(
        f"{config.path} cannot be read as {what}: {problem}", hint=remedy, place=f"model {config.model}"
    )


def one_line(error: Exception) -> str:
    """A library's own words on one line, bounded."""
    return " ".join(str(error).split())[:500] or type(error).__name__
