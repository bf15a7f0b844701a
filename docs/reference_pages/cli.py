"""The reference of the command line, from the commands' own help."""

from __future__ import annotations

from typing import Any

from typer.main import get_command

from docs.reference_pages.markdown import table
from modelwright.cli.exit_codes import MEANINGS
from modelwright.cli.main import VERBS, app

_WIDTH = 100
_INTRO = """# Commands

<!-- Written by docs/generate.py from the commands themselves: change src/modelwright/cli and run `make docs`. -->

Every command that prints facts has `--json`. Without `-f` the manifest is `modelwright.yaml` in the current folder;
without `--env` the environment is that of `MODELWRIGHT_ENV`, otherwise `development`. Errors go to stderr: place,
problem, remedy.
"""


def page() -> str:
    """The whole page."""
    root = get_command(app)
    parts = [_INTRO, _help(root, "modelwright")]
    for verb in VERBS:
        command = root.get_command(None, verb.name)  # type: ignore[attr-defined]
        parts.append(f"## `modelwright {verb.name}`\n\n{_help(command, f'modelwright {verb.name}')}")
        for name, below in getattr(command, "commands", {}).items():
            full = f"modelwright {verb.name} {name}"
            parts.append(f"### `{full}`\n\n{_help(below, full)}")
    codes = table(("status", "meaning"), [(str(code), meaning) for code, meaning in MEANINGS.items()])
    return "\n".join([*parts, f"## Exit statuses\n\n{codes}"])


def _help(command: Any, name: str) -> str:
    context = command.context_class(command, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH)
    return f"```\n{command.get_help(context).rstrip()}\n```\n"
