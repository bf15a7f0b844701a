"""What goes before a client's messages: prompts made ready once per version and filled in per call, by any language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Endpoint, Prompt, Snapshot
from modelwright.core.errors.calls import Malformed
from modelwright.core.errors.prompts import PromptError
from modelwright.core.errors.starting import StartError
from modelwright.core.prompting.language import Compile, Render
from modelwright.core.prompting.opening import Opening, opening
from modelwright.core.prompting.variables import FIELD, check_names, label, messages_of, values_of
from modelwright.core.wire import openai

_fields = msgspec.json.Decoder(dict[str, Any])


class Ready(msgspec.Struct, frozen=True):
    """One version of a prompt, compiled."""

    prompt: Prompt
    label: str
    fixed: Opening | None = None
    """Its messages, when it has no variables."""
    render: Render | None = None
    """Fills it in, when it has some."""


class Preamble:
    """Of one lane. A lane without a prompt has one too when another variant of its endpoint has a prompt."""

    __slots__ = ("_digest", "_known", "_ready", "label")

    def __init__(self, ready: Ready | None, *, known: frozenset[str]) -> None:
        """`known` are the variables that any prompt of the endpoint takes."""
        self._ready = ready
        self._known = known
        self.label = ready.label if ready is not None else ""
        self._digest = ready.prompt.digest if ready is not None else ""

    def note(self, row: LedgerRow) -> None:
        """The row tells which version it is, from now on."""
        row.prompt, row.prompt_digest = self.label, self._digest

    @property
    def is_fixed(self) -> bool:
        """Whether all calls have the same messages before theirs."""
        return self._ready is None or self._ready.render is None

    def opening(self, given: bytes) -> Opening | None:
        """What goes before the client's messages; None for nothing. `given` is the JSON of its variables.

        Raises Malformed, and PromptFailed when the template does not bear these values.
        """
        ready = self._ready
        if ready is None or ready.render is None:
            if given:
                check_names(_variables(given), self._known)
            return None if ready is None else ready.fixed
        values = values_of(ready.prompt, _variables(given), known=self._known)
        return opening(messages_of(ready.prompt, ready.render(values)))


class PromptBook:
    """Keeps compiled prompts across snapshots."""

    def __init__(self, compile_prompt: Compile) -> None:
        self._compile = compile_prompt
        self._known: dict[tuple[str, str], Ready] = {}
        """By label and digest."""

    def open(self, snapshot: Snapshot) -> dict[str, Ready]:
        """The snapshot's prompts by label; those of the one before are forgotten. Raises StartError."""
        known = {(label(prompt), prompt.digest): prompt for prompt in snapshot.prompts}
        self._known = {key: self._known.get(key) or self._ready(prompt) for key, prompt in known.items()}
        return {name: ready for (name, _), ready in self._known.items()}

    def _ready(self, prompt: Prompt) -> Ready:
        name = label(prompt)
        if not prompt.variables:
            fixed = opening(messages_of(prompt, [message.content for message in prompt.messages]))
            return Ready(prompt, name, fixed=fixed)
        try:
            return Ready(prompt, name, render=self._compile(prompt))
        except PromptError as error:
            raise StartError(error.message, hint=error.hint, place=f"prompt {name}") from error


def preambles(endpoint: Endpoint, ready: dict[str, Ready]) -> dict[str, Preamble]:
    """By variant; empty when no variant of the endpoint has a prompt. Raises StartError."""
    named = {variant.name: variant.prompt for variant in endpoint.variants}
    wanted = sorted(set(filter(None, named.values())))
    if not wanted:
        return {}
    missing = [name for name in wanted if name not in ready]
    if missing:
        raise StartError(
            f"names prompt {missing[0]!r}, which the snapshot does not hold",
            hint="let the control process write the snapshot again",
            place=f"endpoint {endpoint.name}",
        )
    known = frozenset(_names(ready[name].prompt for name in wanted))
    return {variant: Preamble(ready.get(name), known=known) for variant, name in named.items()}


def without_variables(body: bytes, given: bytes) -> bytes:
    """For an endpoint without prompts; raises Malformed when there are variables to fill in."""
    if _variables(given):
        hint = f"leave {FIELD!r} out, or give a variant a prompt"
        raise Malformed("this endpoint has no prompt to fill in", hint=hint, param=FIELD)
    return openai.with_fields(body, {}, without=(FIELD,))


def _names(prompts: Iterable[Prompt]) -> set[str]:
    return {variable.name for prompt in prompts for variable in prompt.variables}


def _variables(given: bytes) -> dict[str, Any]:
    if not given or given == b"null":
        return {}
    try:
        return _fields.decode(given)
    except msgspec.DecodeError:
        raise Malformed(f"{FIELD!r} is no object", hint="send names and values", param=FIELD) from None
