"""What must be true of prompts and of the variants that name them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import without_prompt
from modelwright.app.manifest.sections.endpoints import VariantSection
from modelwright.core.nearest import nearest
from modelwright.core.prompting.opening import OPENED

_FORM = "write `name@version` or `name@alias`, such as support@v1"


def _folders(case: Case) -> Iterator[Finding]:
    for name, prompt in case.manifest.prompts.items():
        facts = case.prompts.get(name)
        if facts is None:
            continue
        here: Path = ("prompts", name)
        for problem, remedy in facts.problems:
            yield Finding((*here, "source"), f"{prompt.source!r} {problem}", remedy)
        for alias, version in prompt.aliases.items():
            place = (*here, "aliases", alias)
            if alias in facts.versions:
                yield Finding(place, f"{alias!r} is a version", "call the alias something else", on_key=True)
            elif version not in facts.versions:
                yield _unknown_word(place, version, prompt=name, known=facts.versions)


def _variants(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        for label, variant in endpoint.variants.items():
            here: Path = ("endpoints", name, "variants", label)
            if variant.prompt and (*here, "prompt") not in case.unknown:
                yield from _variant(case, (*here, "prompt"), variant)


def _variant(case: Case, here: Path, variant: VariantSection) -> Iterator[Finding]:
    name, at, word = variant.prompt.partition("@")
    known = case.names("prompts")
    if not at or not word:
        yield Finding(here, f"{variant.prompt!r} names no version", _FORM)
    elif name not in known:
        yield unknown_name(here, name, section="prompts", known=known)
    elif name in case.prompts:
        words = (*case.prompts[name].versions, *case.manifest.prompts[name].aliases)
        if word not in words:
            yield _unknown_word(here, word, prompt=name, known=words)
    operations = without_prompt(case, variant)
    if operations is not None and not OPENED & {*operations}:
        problem = f"a prompt goes before messages, and this variant answers {', '.join(operations)}"
        yield Finding(here, problem, "remove it", on_key=True)


def _unknown_word(here: Path, word: str, *, prompt: str, known: Collection[str]) -> Finding:
    close = nearest(word, known)
    remedy = f"did you mean {close}?" if close else f"known: {', '.join(known) or 'none'}"
    return Finding(here, f"the prompt {prompt} has no version and no alias {word!r}", remedy)


RULES: Rules = (
    _folders,
    _variants,
)
