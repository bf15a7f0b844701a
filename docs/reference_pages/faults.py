"""The reference of the dev provider's faults, from its table."""

from __future__ import annotations

from docs.reference_pages.markdown import table
from modelwright.app.dev_provider.faults import KINDS, STATUS, Kind

_INTRO = """# Faults of the dev provider

<!-- Written by docs/generate.py from src/modelwright/app/dev_provider/faults.py: change that and run `make docs`. -->

`modelwright dev-provider --fault SPEC` takes `name`, `name@argument` and, for a limited number of requests, `x` with
the number: `cut@3x2` cuts the next two answers after their third token. Faults that join apply beside any other; of the
rest one applies at a time, in the order given. How to use it: [Test against faults](../guide/dev-provider.md).
"""


def page() -> str:
    """The whole page."""
    rows = [_row(name, kind) for name, kind in KINDS.items()]
    rows.append(_row("400 to 599", STATUS))
    return f"{_INTRO}\n{table(('fault', 'argument', 'joins', 'what happens'), rows)}"


def _row(name: str, kind: Kind) -> tuple[str, str, str, str]:
    default = f", {kind.default:g} by default" if kind.default is not None else ""
    says = f"{kind.says[:1].upper()}{kind.says[1:]}."
    return f"`{name}`", f"{kind.argument}{default}" if kind.argument else "", "yes" if kind.joins else "", says
