"""The page on failures of deploys names each message that the code has, and quotes none that it has not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from modelwright.cli.exit_codes import exit_code
from modelwright.core.errors import deploying
from modelwright.core.errors.deploying import DeployError
from tests.house.files import ROOT

SOURCE = ROOT / "src" / "modelwright"
ROOMS = (
    "deploy",
    "adapters/targets",
    "adapters/images",
    "adapters/edges",
    "app/backups",
    "app/deploying",
    "app/packaging",
    "app/keeper",
    "app/manifest",
)
PAGE = (ROOT / "docs" / "guide" / "troubleshooting.md").read_text("utf-8")
ERRORS = {
    name: kind for name, kind in vars(deploying).items() if isinstance(kind, type) and issubclass(kind, DeployError)
}
KNOWN = {"_HINTS", "_REMEDIES"}
"""Tables of what Docker and ssh are known to say."""
HOLE = "…"


def template(node: ast.expr | None) -> str:
    """A text with a hole for each value."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(template(part) if isinstance(part, ast.Constant) else HOLE for part in parts)
        case ast.BinOp(left=left, right=right):
            return template(left) + template(right)
        case _:
            return HOLE


def nodes(rooms: tuple[str, ...] = ROOMS) -> Iterator[ast.AST]:
    for path in sorted(path for room in rooms for path in (SOURCE / room).rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text("utf-8")))


def raised() -> Iterator[str]:
    """Messages as they are raised, and what is known of others' words."""
    for node in nodes():
        match node:
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in ERRORS or name == "failed":
                yield template(first)
            case ast.Call(func=ast.Name(id="until"), args=[_, problem]):
                yield template(problem)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if name in KNOWN:
                yield from (template(key) for key in keys)
            case _:
                pass


def fixed(text: str) -> list[str]:
    """The words between the holes."""
    return [part.strip(" :;`\n") for part in text.split(HOLE) if re.search(r"[A-Za-z]{3}", part)]


QUOTES = [
    quote
    for line in PAGE.splitlines()
    if line.startswith("| `") and not re.match(r"\| \d", line)
    for quote in re.findall(r"`([^`]+)`", line.split(" | ")[0])
]
SAID = [template(node) for node in nodes() if isinstance(node, ast.Constant | ast.JoinedStr)]


def test_what_is_raised_stands_on_the_page() -> None:
    missing = [
        message
        for message in sorted({text for text in raised() if fixed(text)})
        if not any(_fits(message, quote) or (_fits(quote, message) and _most(quote, message)) for quote in QUOTES)
    ]
    assert missing == [], "write it into docs/guide/troubleshooting.md, with what it means and what to do"


def test_what_is_quoted_is_said() -> None:
    assert [quote for quote in QUOTES if not any(_fits(quote, text) for text in SAID)] == []


def _fits(quote: str, text: str) -> bool:
    parts = fixed(quote)
    return bool(parts) and all(part.lower() in text.lower() for part in parts)


def _most(quote: str, text: str) -> bool:
    """One word that both have is not enough."""
    return 2 * len("".join(fixed(quote))) >= len("".join(fixed(text)))


def test_each_class_of_errors_has_its_row_with_its_status() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    for kind in ERRORS.values():
        row = next((line for line in rows if f"`{kind.code}`" in line), "")
        assert row.startswith(f"| {exit_code(kind('x'))} |"), kind.code


def test_links_lead_to_headings() -> None:
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in PAGE.splitlines()}
    assert {*re.findall(r"\]\(#([^)]+)\)", PAGE)} <= headings
