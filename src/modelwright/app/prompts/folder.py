"""The versions of a prompt that lie in a folder as v1.md, v2.md, …; it knows nothing of the registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelwright.app.prompts.source import MAX_BYTES, read_prompt
from modelwright.core.contracts.snapshot import Prompt
from modelwright.core.errors.prompts import PromptError

_FILE = re.compile(r"v([1-9][0-9]{0,5})\.md")
_NAMED = "name its files v1.md, v2.md, …"


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What was seen of one prompt's folder."""

    prompts: tuple[Prompt, ...] = ()
    """One per good file, the lowest version first, each with its source."""
    versions: tuple[str, ...] = ()
    """Of all files, the bad ones included."""
    files: tuple[Path, ...] = ()
    """The folder and its versions: what to look at again."""
    problems: tuple[tuple[str, str], ...] = ()
    """(problem, remedy) of the folder and of each bad file."""


def look_into(folder: Path, *, name: str) -> PromptFacts:
    """Read every version; what is wrong is told, and raises nothing."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".md" and not path.name.startswith("."))
    except FileNotFoundError:
        return PromptFacts(problems=(("does not exist", _NAMED),))
    except NotADirectoryError:
        return PromptFacts(problems=(("is no folder", _NAMED),))
    except OSError as error:
        return PromptFacts(problems=((f"cannot be read: {error.strerror}", "let this user read it"),))
    numbered = {path: found for path in files if (found := _FILE.fullmatch(path.name))}
    problems = [(f"holds {path.name}, which is no version", _NAMED) for path in files if path not in numbered]
    if not files:
        problems.append(("holds no version", _NAMED))
    prompts: list[Prompt] = []
    ordered = sorted(numbered, key=lambda path: int(numbered[path][1]))
    for path in ordered:
        try:
            prompts.append(_read(path, name=name))
        except PromptError as error:
            where = f"{path.name}, line {error.line}" if error.line else path.name
            problems.append((f"{where}: {error.message}", error.hint))
    return PromptFacts(
        prompts=tuple(prompts),
        versions=tuple(path.stem for path in ordered),
        files=(folder, *ordered),
        problems=tuple(problems),
    )


def _read(path: Path, *, name: str) -> Prompt:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PromptError(f"cannot be read: {error.strerror}", hint="let this user read it") from None
    prompt = read_prompt(content, name=name, version=path.stem)
    return msgspec.structs.replace(prompt, source=content.decode())
