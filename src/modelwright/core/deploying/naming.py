"""Words for steps."""

from __future__ import annotations

import msgspec

from modelwright.core.deploying.steps import Step


def named(step: Step) -> str:
    """A step in a few words, such as `start api in r7`."""
    fields = msgspec.structs.asdict(step)
    verb = str(step.__struct_config__.tag)
    what = next((str(fields[name]) for name in ("workload", "image", "volume") if fields.get(name)), "")
    release = str(fields.get("release", ""))
    return " ".join(word for word in (verb, what, f"in {release}" if what and release else release) if word)
