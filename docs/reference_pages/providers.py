"""The reference of providers, from the provider table."""

from __future__ import annotations

from docs.reference_pages.markdown import table
from modelwright.adapters.providers.table import KINDS

_INTRO = """# Providers

<!-- Written by docs/generate.py from src/modelwright/adapters/providers/table.py: change that and run `make docs`. -->

Kinds of providers that a manifest may name under `providers.<name>.kind`. Any other server that speaks the OpenAI wire works as
`vllm` or, with a key, as `openai` with a `base_url`; then no key is required.
"""


def page() -> str:
    """The whole page."""
    rows = [
        (
            f"`{kind}`",
            f"`{row.base_url}`" if row.base_url else "`base_url` is required",
            ", ".join(row.operations),
            "yes" if row.needs_key else "no",
            ", ".join(f"`{option}`" for option in row.options),
        )
        for kind, row in sorted(KINDS.items())
    ]
    return f"{_INTRO}\n{table(('kind', 'address', 'answers', 'needs a key', 'options'), rows)}"
