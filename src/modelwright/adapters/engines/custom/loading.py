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
from modelwright.core.nearest import nearest
from modelwright.core.ports.engines import EngineConfig

PREFIX = "python:"
"""What kinds of this engine begin with."""


_TOLD = 8
"""Names of classes that an error tells."""
_LOG = "the log has the traceback"
_LONELY = "leave the dot out, or put both files into a folder and name `python:folder.module:Class`"
_MORE = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


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
    _check_is_ours(found, home)
    for step in home.name.split("."):
        found = getattr(found, step, None)
    if not inspect.isclass(found):
        raise _no_class(found, home)
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
    _check_is_made_alone(found, home)
    try:
        made = found()
    except (Exception, SystemExit) as error:
        raise _failed(f"making {home.name}()", error, home) from error
    load = getattr(made, "load", None)
    if load is None:
        return made
    wanted = inspect.signature(load).parameters.values()
    named = [one for one in wanted if one.kind not in _MORE]
    known.update({one.name: weights(config, one.name) for one in named if one.name in {ARRAYS, TENSORS}})
    unknown = [one.name for one in named if one.name not in known and one.default is one.empty]
    if unknown:
        close = nearest(unknown[0], known)
        problem = f"{line_of(load, home)}: {home.name}.load asks for {unknown[0]!r}, which nobody gives it"
        hint = f"did you mean {close}? " if close else ""
        hint += f"it may ask for {', '.join((*known, ARRAYS, TENSORS))}"
        raise StartError(problem, hint=hint, place=home.place)
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
    function = getattr(found, "__func__", None)
    if inspect.isfunction(function) and getattr(found, "__self__", None) is made:
        first = next(iter(inspect.signature(function).parameters.values()), None)
        # What is annotated is meant to be an input, and would be given the object itself.
        if first is None or first.annotation is not first.empty or first.kind is first.KEYWORD_ONLY:
            problem = f"{line_of(found, home)}: {name} does not begin with `self`"
            raise StartError(problem, hint=f"write `def {name}(self, …)`", place=home.place)
    return found


def lacks(what: str, made: Any, home: Home) -> str:
    """`models.py, line 3: Model has no method predict, but one called predct`."""
    own = [name for name, value in vars(type(made)).items() if callable(value) and not name.startswith("_")]
    close = nearest(what, own)
    told = f"{home.name} has no method {what}" + (f", but one called {close}" if close else "")
    return f"{line_of(getattr(made, close), home)}: {told}" if close else f"{_shown_class(type(made), home)}{told}"


def line_of(function: Any, home: Home) -> str:
    """`app/models.py, line 7`: where a function is defined."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return f"{_shown(code.co_filename, home)}, line {code.co_firstlineno}" if code is not None else home.module


def _check_is_ours(module: Any, home: Home) -> None:
    """A module of Python's own, or one that is installed, may have the same name as the file here."""
    file, path = getattr(module, "__file__", None) or "", home.module.replace(".", "/")
    here = next(
        (f"{path}{end}" for end in (".py", "/__init__.py") if (Path(home.folders[-1]) / f"{path}{end}").exists()), ""
    )
    if here and not any(Path(file).is_relative_to(folder) for folder in home.folders):
        problem = f"module {home.module} is {file or 'one of Python itself'}, and not {here}"
        raise StartError(problem, hint=f"give {here} another name", place=home.place)


def _no_class(found: Any, home: Home) -> StartError:
    classes = [name for name, value in vars(sys.modules[home.module]).items() if _own(value, home.module)]
    close = nearest(home.name, classes)
    hint = f"did you mean {close}? " if close else ""
    hint += f"its classes are {', '.join(classes[:_TOLD])}" if classes else "write the class there"
    if found is None:
        return StartError(f"module {home.module} has no class {home.name}", hint=hint, place=home.place)
    where = f"{line_of(found, home)}: " if inspect.isfunction(found) else ""
    what = "a function" if inspect.isfunction(found) else f"of type {type(found).__name__}"
    problem = f"{where}{home.name} in module {home.module} is {what}, and no class"
    return StartError(problem, hint=f"write a class with a method predict; {hint}", place=home.place)


def _check_is_made_alone(found: type, home: Home) -> None:
    wanted = inspect.signature(found.__init__).parameters.values() if inspect.isfunction(found.__init__) else ()
    needed = [one for one in list(wanted)[1:] if one.default is one.empty and one.kind not in _MORE]
    if needed:
        problem = f"{line_of(found.__init__, home)}: {home.name}() needs {needed[0].name!r}, and is made without"
        hint = "give it a default, or take it in `def load(self, options)` from `engine.options`"
        raise StartError(problem, hint=hint, place=home.place)


def _missing(error: ModuleNotFoundError, home: Home) -> StartError:
    name = error.name or ""
    if home.module == name or home.module.startswith(f"{name}."):
        path = name.replace(".", "/")
        problem = f"there is no module {name!r}"
        hint = f"write {path}.py in {home.folders[-1]}, or correct `engine.kind`"
        return StartError(problem, hint=hint, place=home.place)
    told = _failed("importing it", error, home)
    path = name.replace(".", "/")
    is_own = any((Path(folder) / path.partition("/")[0]).is_dir() for folder in home.folders)
    told.hint = (
        f"write {path}.py, or correct the import"
        if is_own
        else f"install {name.partition('.')[0]}, or correct the import"
    )
    return told


def told_of(error: BaseException, home: Home) -> str:
    """`app/models.py, line 7: KeyError: 'x'`: the last line of the user's own code that was run, what was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename), home)]
    where = f"{_shown(own[-1].filename, home)}, line {own[-1].lineno}: " if own else ""
    return where + (f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _failed(what: str, error: BaseException, home: Home) -> StartError:
    """The whole traceback goes into the log."""
    logging.getLogger(home.module).error("%s failed", what, exc_info=error)
    words = told_of(error, home)
    hint = _LONELY if isinstance(error, ImportError) and "no known parent package" in words else _LOG
    return StartError(f"{what} failed: {words}", hint=hint, place=home.place)


def _shown_class(found: type, home: Home) -> str:
    """`app/models.py, line 3: `; empty when nobody knows."""
    try:
        return f"{_shown(inspect.getsourcefile(found) or '', home)}, line {inspect.getsourcelines(found)[1]}: "
    except (OSError, TypeError):
        return ""


def _shown(filename: str, home: Home) -> str:
    for folder in home.folders:
        if Path(filename).is_relative_to(folder):
            return str(Path(filename).relative_to(folder))
    return filename


def _is_own(path: Path, home: Home) -> bool:
    return "site-packages" not in path.parts and any(path.is_relative_to(folder) for folder in home.folders)


def _own(value: object, module: str) -> bool:
    return inspect.isclass(value) and value.__module__ == module
