"""Finds, makes and loads a class of the user's; what goes wrong is told with the file and line of the user's code."""

from __future__ import annotations

import inspect
import logging
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from modelwright.adapters.engines.custom.weights import ARRAYS, TENSORS, weights
from modelwright.core.errors.starting import MissingExtra, StartError
from modelwright.core.ports.engines import EngineConfig

PREFIX = "python:"
"""What kinds of this engine begin with."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Where a class is found."""

    kind: str
    """`python:app.models:Greeter`."""
    folders: tuple[str, ...]
    """Put on the import path, the first one first."""
    place: str
    """For error texts."""

    @property
    def module(self) -> str:
        return self.kind.removeprefix(PREFIX).partition(":")[0]

    @property
    def name(self) -> str:
        return self.kind.removeprefix(PREFIX).partition(":")[2]


def find_class(home: Home) -> type:
    """Import the module and take the class; raises StartError."""
    sys.path[:0] = [folder for folder in home.folders if folder not in sys.path]
    try:
        found: Any = import_module(home.module)
    except SyntaxError as error:
        problem = f"{_shown(error.filename or '', home)}, line {error.lineno}: {error.msg}"
        raise StartError(problem, hint="mend the file", place=home.place) from error
    except ModuleNotFoundError as error:
        raise _missing(error, home) from error
    except (Exception, SystemExit) as error:
        raise _failed("importing it", error, home) from error
    for step in home.name.split("."):
        found = getattr(found, step, None)
    if not inspect.isclass(found):
        classes = [name for name, value in vars(sys.modules[home.module]).items() if _own(value, home.module)]
        problem = (
            f"module {home.module} {'has no' if found is None else 'holds something else than a'} class {home.name}"
        )
        hint = f"its classes are {', '.join(classes)}" if classes else "write the class there"
        raise StartError(problem, hint=hint, place=home.place)
    return found


def make(found: type, home: Home, *, config: EngineConfig) -> Any:
    """An instance, loaded: `load` gets what it asks for of `path`, `options`, `threads`, `precision` and `device`.

    `arrays` and `tensors` are the weights in the safetensors files of `path`; they are read when they are asked for.
    """
    known: dict[str, Any] = {
        "path": Path(config.path) if config.path else None,
        "options": config.options,
        "threads": config.threads,
        "precision": config.precision,
        "device": config.device,
    }
    try:
        made = found()
    except (Exception, SystemExit) as error:
        raise _failed(f"making {home.name}()", error, home) from error
    load = getattr(made, "load", None)
    if load is None:
        return made
    wanted = inspect.signature(load).parameters.values()
    named = [one for one in wanted if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}]
    known.update({one.name: weights(config, one.name) for one in named if one.name in {ARRAYS, TENSORS}})
    unknown = [one.name for one in named if one.name not in known and one.default is one.empty]
    if unknown:
        problem = f"{home.name}.load asks for {unknown[0]!r}, which nobody gives it"
        raise StartError(problem, hint=f"it may ask for {', '.join((*known, ARRAYS, TENSORS))}", place=home.place)
    try:
        load(**{one.name: known[one.name] for one in named if one.name in known})
    except (StartError, MissingExtra):
        raise
    except (Exception, SystemExit) as error:
        raise _failed(f"{home.name}.load", error, home) from error
    return made


def method(made: Any, name: str, home: Home) -> Any:
    """A method of an instance; None when there is none. Raises StartError when it is something else."""
    found = getattr(made, name, None)
    if found is not None and not callable(found):
        raise StartError(f"{home.name}.{name} is no method", hint=f"write `def {name}(self, …)`", place=home.place)
    return found


def line_of(function: Any, home: Home) -> str:
    """`app/models.py, line 7`: where a function is defined."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return f"{_shown(code.co_filename, home)}, line {code.co_firstlineno}" if code is not None else home.module


def _missing(error: ModuleNotFoundError, home: Home) -> StartError:
    name = error.name or ""
    if home.module == name or home.module.startswith(f"{name}."):
        path = name.replace(".", "/")
        problem = f"there is no module {name!r}"
        hint = f"write {path}.py in {home.folders[-1]}, or correct `engine.kind`"
        return StartError(problem, hint=hint, place=home.place)
    told = _failed("importing it", error, home)
    told.hint = f"install {name.partition('.')[0]}, or correct the import"
    return told


def _failed(what: str, error: BaseException, home: Home) -> StartError:
    """The last line of the user's own code that was run, and what was raised; the whole traceback goes into the log."""
    logging.getLogger(home.module).error("%s failed", what, exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename), home)]
    where = f"{_shown(own[-1].filename, home)}, line {own[-1].lineno}: " if own else ""
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return StartError(f"{what} failed: {where}{words}", hint="the log has the traceback", place=home.place)


def _shown(filename: str, home: Home) -> str:
    for folder in home.folders:
        if Path(filename).is_relative_to(folder):
            return str(Path(filename).relative_to(folder))
    return filename


def _is_own(path: Path, home: Home) -> bool:
    return "site-packages" not in path.parts and any(path.is_relative_to(folder) for folder in home.folders)


def _own(value: object, module: str) -> bool:
    return inspect.isclass(value) and value.__module__ == module
