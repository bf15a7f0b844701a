"""How `modelwright models` tells what a version is made of, and in what two of them differ; it asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from modelwright.app.models.types import ModelShown
    from modelwright.core.contracts.model import ModelFile
    from modelwright.serving.tuning import Tuned

NOTHING = "–"
_DIGITS = 12
"""Of a digest, where it only has to be told from another one."""
_SHA = "sha256:"
_FILES, _METRICS = "files.", "metrics."


def lines_of(shown: ModelShown) -> Iterator[str]:
    """What a version is made of and where it came from."""
    from modelwright.core.quantities import told_size
    from modelwright.core.words.counting import count_of
    from modelwright.core.words.printable import in_short

    model, lineage = shown.model, shown.model.lineage
    facts: dict[str, str] = {
        "digest": model.digest,
        "format": model.format,
        "size": told_size(model.size) + (f" in {count_of(len(model.files), 'file')}" if model.folder else ""),
        "aliases": ", ".join(shown.aliases),
        "licence": model.licence,
        "source": model.source,
        "metrics": ", ".join(f"{name} {value:g}" for name, value in model.metrics.items()),
        "tags": ", ".join(f"{name}={value}" for name, value in model.tags.items()),
        "parent": lineage.parent,
        "recipe": lineage.recipe,
        "data": lineage.data,
        "machine": lineage.machine,
        "libraries": ", ".join(f"{name} {value}" for name, value in lineage.libraries.items()),
    }
    yield in_short(f"{shown.name}@{shown.version} ({model.name})")
    yield from (f"  {name}: {in_short(value)}" for name, value in facts.items() if value)
    if model.signature is not None:
        for word, tensors in (("takes", model.signature.inputs), ("gives", model.signature.outputs)):
            yield from (
                f"  {word}: {in_short(tensor.name)} {tensor.datatype} {list(tensor.shape)}" for tensor in tensors
            )


def differences(one: ModelShown, other: ModelShown) -> list[tuple[str, str, str, str]]:
    """(what, before, after, by how much) of everything in which two versions differ; digests are shortened."""
    from modelwright.app.models.office import differing

    files = [{file.path: file for file in shown.model.files} for shown in (one, other)]
    rows: list[tuple[str, str, str, str]] = []
    for what, old, new in differing(one.model, other.model):
        if what.startswith(_FILES):
            before, after = (each.get(what.removeprefix(_FILES)) for each in files)
            rows.append((what, _file(before), _file(after), _grown(before, after)))
        else:
            rows.append((what, _text(old), _text(new), _delta(old, new) if what.startswith(_METRICS) else ""))
    return rows


def diff_table(one: ModelShown, other: ModelShown) -> RenderableType:
    """The same, as a table with the versions at its head."""
    from rich.table import Table
    from rich.text import Text

    from modelwright.core.words.printable import in_short

    rows = differences(one, other)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", one.version, other.version, "change"):
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(in_short(text)) for text in row))
    return table


def tuned_table(found: Tuned) -> RenderableType:
    """What was tried, and which of it is taken."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("threads", "rows", "ms per call", "rows/s"):
        table.add_column(column, justify="right")
    table.add_column("")
    for trial in found.trials:
        best = "taken" if (trial.threads, trial.rows) == (found.threads, found.rows) else ""
        numbers = (f"{1000 * trial.seconds:.3g}", f"{trial.rate:.0f}")
        table.add_row(str(trial.threads), str(trial.rows), *numbers, best)
    return table


def _text(value: Any) -> str:
    match value:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case str():
            return _short(value)
        case _:
            return str(value)


def _short(text: str) -> str:
    """A digest without most of its digits; any other text as it is."""
    cut = len(_SHA) + _DIGITS
    return f"{text[:cut]}…" if text.startswith(_SHA) and len(text) > cut else text


def _file(file: ModelFile | None) -> str:
    from modelwright.core.quantities import told_size

    return NOTHING if file is None else f"{_short(file.digest)} ({told_size(file.size)})"


def _grown(old: ModelFile | None, new: ModelFile | None) -> str:
    from modelwright.core.quantities import told_size

    if old is None or new is None:
        return "removed" if new is None else "added"
    size = new.size - old.size
    return f"{'+' if size > 0 else '-'}{told_size(abs(size))}" if size else "other content"


def _delta(old: float | None, new: float | None) -> str:
    if old is None or new is None:
        return "removed" if new is None else "added"
    share = f" ({(new - old) / abs(old):+.1%})" if old else ""
    return f"{new - old:+g}{share}"
