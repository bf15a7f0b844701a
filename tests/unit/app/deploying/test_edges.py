"""What lies beside an edge: only what its keeper has put there is shown to anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.app.deploying.edges import SHOWN, edge_in
from modelwright.core.deploying.front import Front
from modelwright.core.deploying.workloads import Route
from modelwright.deploy.edges.doors import PROOFS, Doors


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
@pytest.mark.parametrize("link", ["folder", "file", "none"])
async def test_a_link_that_the_edge_has_made_is_not_followed(tmp_path: Path, kind: str, link: str) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "edge"
    elsewhere.mkdir()
    folder.mkdir()
    (elsewhere / "proof").write_text("of-another")
    if link == "folder":
        (folder / SHOWN).symlink_to(elsewhere)
    else:
        (folder / SHOWN).mkdir()
    if link == "file":
        (folder / SHOWN / "proof").symlink_to(elsewhere / "proof")
    if link == "none":
        (folder / SHOWN / "proof").write_text("of-another")
    edge = edge_in(folder, kind=kind, doors=Doors(folder=str(folder)))
    await edge.configure(Front(routes=(Route(name="api", workload="api"),)))
    told = (folder / ("haproxy.cfg" if kind == "haproxy" else "nginx.conf")).read_text()
    assert (f"{PROOFS}proof" in told) == (link == "none")
    assert ("of-another" in told) == (link == "none")
