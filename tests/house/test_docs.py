"""Checks that the documents are whole and agree with the code: no dead link, no page without its place."""

import re
from pathlib import Path

import pytest

from docs.reference_pages.errors import every_error
from modelwright.core import errors
from modelwright.core.errors.tree import ModelwrightError
from tests.house.files import ROOT, committed

PAGES = [path for path in committed() if path.suffix == ".md" and "prompts" not in path.parts]
"""Prompts are Markdown too, but no pages."""
READMES = ("README.md", "README.zh-CN.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def slug(heading: str) -> str:
    """The anchor that a heading gets: lower case, punctuation dropped, blanks as hyphens."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and text of each heading, code blocks aside."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [(len(match[1]), match[2]) for match in re.finditer(r"^(#+) (.+)$", text, flags=re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    dead: list[str] = []
    for link in LINK.findall((ROOT / page).read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page.parent / name).resolve() if name else (ROOT / page).resolve()
        anchors = {slug(text) for _, text in headings(target)} if target.suffix == ".md" and target.exists() else set()
        if not target.exists() or (anchor and anchor not in anchors):
            dead.append(link)
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_has_one_title(page: Path) -> None:
    levels = [level for level, _ in headings(page)]
    assert levels[:1] == [1]
    assert levels.count(1) == 1


@pytest.mark.parametrize("readme", READMES)
def test_the_first_page_leads_to_every_guide(readme: str) -> None:
    linked = {Path(link.partition("#")[0]) for link in LINK.findall((ROOT / readme).read_text("utf-8"))}
    assert {page for page in PAGES if page.parent == Path("docs/guide")} <= linked


def test_both_first_pages_have_the_same_links_and_commands() -> None:
    english, chinese = ((ROOT / readme).read_text("utf-8") for readme in READMES)
    assert {*LINK.findall(english)} - {READMES[1]} == {*LINK.findall(chinese)} - {READMES[0]}
    assert commands(english) == commands(chinese)


def commands(text: str) -> list[str]:
    """Lines of all blocks without what is said beside them."""
    blocks = re.findall(r"^```(?:console|yaml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.partition("  #")[0].rstrip() for block in blocks for line in block.splitlines()]


def test_the_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in PAGES if page.parent == Path("docs/adr")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_error_tree_is_drawn_whole() -> None:
    drawing = (errors.__doc__ or "").replace(",", " ").split()
    assert {error.__name__ for error in every_error()} <= set(drawing)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in every_error()]
    assert sorted(codes) == sorted({*codes} - {ModelwrightError.code})
