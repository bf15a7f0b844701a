"""Cuts the documents into passages: one for each section, which makes sense with its title alone."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One section of a document."""

    language: str
    """The folder that it lies in: en, zh."""
    name: str
    """The document's file, and the section's number in it: the same in both languages."""
    title: str
    heading: str
    text: str

    @property
    def whole(self) -> str:
        """What its vector is made of."""
        return f"{self.title}. {self.heading}. {self.text}"


def passages(folder: Path) -> list[Passage]:
    """All sections of LANGUAGE/*.md, in order. Raises ValueError for a folder without any."""
    found = [passage for path in sorted(folder.glob("*/*.md")) for passage in _cut(path)]
    if not found:
        raise ValueError(f"{folder}: no documents; put Markdown files into its folders en and zh, or set CORPUS")
    return found


def edition(found: list[Passage], model: str) -> str:
    """A name for these passages with this model's vectors; other texts or another model are another edition."""
    digest = hashlib.sha256(model.encode())
    for passage in found:
        digest.update(f"\0{passage.language}\0{passage.name}\0{passage.whole}".encode())
    return digest.hexdigest()[:16]


def _cut(path: Path) -> list[Passage]:
    """`# title`, then sections that begin with `## heading`."""
    head, *sections = re.split(r"^## ", path.read_text("utf-8"), flags=re.MULTILINE)
    title = head.strip().removeprefix("#").strip()
    made: list[Passage] = []
    for number, section in enumerate(sections, 1):
        heading, _, text = section.partition("\n")
        made.append(
            Passage(
                language=path.parent.name,
                name=f"{path.stem}#{number}",
                title=title,
                heading=heading.strip(),
                text=text.strip(),
            )
        )
    return made
