"""What is asked, as far as the cache is concerned: the endpoint's rule and the key under which an answer stands."""

from __future__ import annotations

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Caching
from modelwright.core.prompting.variables import label
from modelwright.core.wire import anthropic
from modelwright.core.wire.openai_words import LastQuestion, last_question
from modelwright.gateway.cache.keys import Seed, canonical, read_fields
from modelwright.gateway.call import Call
from modelwright.gateway.lanes import Table

OPERATIONS = frozenset({"chat", "completions", "embeddings", "messages", "responses"})
NOBODY = "\0"
"""No tenant's name."""
STREAMED = frozenset({"chat", "completions"})
"""Those whose streams are kept, too."""
_LIMITS = ("max_tokens", "max_completion_tokens")


class Rule(msgspec.Struct, frozen=True):
    """How one endpoint's answers are kept."""

    caching: Caching
    seeds: dict[str, Seed]
    """By variant."""
    mixes: bool
    """Kept vectors and new ones may stand in one answer: it is certain who gives the new ones."""


class Question(msgspec.Struct, frozen=True):
    """One call's."""

    rule: Rule
    tenant: str
    operation: str
    stream: bool
    body: bytes
    """Canonical, with the headers that count as well."""
    limited: bool
    """It says how long the answer may be."""
    around: bytes = b""
    """The body without its messages; only where questions are compared by their meaning."""
    last: LastQuestion | None = None
    """Likewise: the words that may differ."""

    def key(self, variant: str) -> bytes:
        """Under which the answer of a variant stands."""
        return self.rule.seeds[variant].key(self.tenant, self.operation, self.body, stream=self.stream)

    def partition(self, variant: str, *parts: bytes) -> bytes:
        """Of questions that are equal in all but their messages, and in these parts."""
        seed = self.rule.seeds[variant]
        return seed.key(self.tenant, self.operation, b"alike", self.around, *parts, stream=self.stream)


def read_rules(table: Table) -> dict[str, Rule]:
    """The rules of a snapshot's endpoints that keep answers, by name."""
    snapshot = table.snapshot
    providers = {provider.name: provider for provider in snapshot.providers}
    prompts = {label(prompt): prompt.digest for prompt in snapshot.prompts}
    return {
        endpoint.name: Rule(
            endpoint.cache,
            {
                variant.name: Seed(
                    table.salt,
                    endpoint=endpoint.name,
                    variant=variant,
                    provider=providers[variant.provider],
                    settled=(snapshot.release, prompts.get(variant.prompt, "")),
                )
                for variant in endpoint.variants
            },
            not endpoint.fallback,
        )
        for endpoint in snapshot.endpoints
        if endpoint.cache is not None
    }


def whose(row: LedgerRow) -> str:
    """Whose answers a call may get: its tenant's; callers without a key have their own, whoever they count for."""
    return row.tenant if row.key else NOBODY


def read_question(call: Call, rule: Rule) -> Question | None:
    """What this call asks; None when its body can be read in two ways."""
    fields = read_fields(call.body)
    if fields is None:
        return None
    row, caching = call.row, rule.caching
    body, limited = canonical(fields, caching.ignore), any(name in fields for name in _LIMITS)
    if call.operation == "messages":
        body += b"\0".join([call.headers.get(name, b"") for name in anthropic.VERSIONS])
    around, last = b"", None
    if caching.semantic is not None and call.operation == "chat" and "messages" in fields:
        last = last_question(bytes(fields.pop("messages")))
        around = canonical(fields, caching.ignore)
    return Question(rule, whose(row), call.operation, row.stream, body, limited, around, last)
