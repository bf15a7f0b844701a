"""A folder for Docker Compose, beside other things."""

from __future__ import annotations

from pathlib import Path

from modelwright.adapters.images.context import listed
from modelwright.app.exporting.compose import render
from tests.unit.app.deploying.site import write


async def test_it_goes_into_no_image_wherever_it_lies(tmp_path: Path) -> None:
    path = write(tmp_path / "site")
    (path.parent / "stack.md").write_text("Nothing of it.\n")
    before = listed(path.parent, "")
    await render(path, path.parent / "deploy" / "stack", environment="production")
    assert len([*(path.parent / "deploy" / "stack" / "secrets").rglob("*")]) > 2
    assert listed(path.parent, ".modelwright") == before
    await render(path, path.parent, environment="production")
    found = listed(path.parent, ".modelwright")
    assert {*before} < {*found}
    assert not [one for one in found if one.startswith(("secrets/", "weights/", "deploy/"))]
