"""The reference of providers, from the provider table."""

from __future__ import annotations

from docs.reference_pages.markdown import table
from modelwright.adapters.providers.table import ROWS

_INTRO = """# Providers

<!-- Written by docs/generate.py from src/modelwright/adapters/providers/table.py: change that and run `make docs`. -->

Each row is a `kind` under `providers`. Any server that speaks the OpenAI wire works with the kind nearest to it and a
`base_url` of its own, any that speaks Anthropic's with `anthropic`. Field names, headers and bodies that no row
mentions pass through untouched.
"""
_NOTES = """\
* *operations* are those that the vendor speaks itself: chat (`/v1/chat/completions`), completions (`/v1/completions`),
  embeddings (`/v1/embeddings`), responses (`/v1/responses`), messages (`/v1/messages`). Whoever speaks chat or messages
  answers chat, messages and responses, [translated](wires.md) where needed.
* Usage of streams is always asked for by `stream_options`; a vendor that does not know it reports usage unasked.
* `v2` is any server of the Open Inference Protocol (infer: `/v2/models/{model}/infer`): Triton, KServe, MLServer, or
  another Modelwright, whose keys go under `keys`. A variant's `model` is its name there, or `name@version`. Tensors
  pass as they are, JSON and binary; what the model takes (metadata) has to be asked there.
* Several `keys` take turns.
* `anthropic` takes `options: {max_tokens: "8192"}`: the limit that is sent when a client of another wire sets none,
  since that vendor wants one (default 4096). Its `base_url` may end in `/v1` or not.
* `azure-openai` takes the deployment as `model`, and `options: {api_version: …}` where the resource still asks for one.

Not every vendor was tried: the tests run against `modelwright dev-provider` and against our own serving; a row states
what the vendor's documents say.
"""
_HEAD = ("kind", "base_url", "operations", "needs a key", "options", "usage of streams")


def page() -> str:
    """The whole page."""
    rows = [
        (
            f"`{row.kind}`",
            f"`{row.base_url}`" if row.base_url else "must be given",
            ", ".join(row.operations),
            "yes" if row.needs_key else "no",
            ", ".join(f"`{option}`" for option in row.options),
            "asked for" if row.stream_options else "unasked",
        )
        for row in ROWS
    ]
    return "\n".join([_INTRO, table(_HEAD, rows), _NOTES])
