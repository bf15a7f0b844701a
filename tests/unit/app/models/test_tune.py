"""What a worker is handed that measures a model without a site."""

from dataclasses import replace
from pathlib import Path

from modelwright.app.manifest.load import load_manifest
from modelwright.app.models.tune import _spec
from modelwright.core.resources.machine import Machine


def test_it_has_as_many_threads_as_the_site_would_give_it(tmp_path: Path) -> None:
    """Otherwise what was measured would be of other settings, and nobody would recall it."""
    (tmp_path / "classes.py").write_text("class Own:\n    pass\n")
    (tmp_path / "modelwright.yaml").write_text(
        'schema: 1\nname: tuned\nmodels:\n  own: {engine: {kind: "python:classes:Own"}}\n'
    )
    loaded = load_manifest(tmp_path / "modelwright.yaml", environment="development")
    loaded.state_dir.mkdir()
    for cores in (1.0, 3.5, 12.0):
        measured = replace(loaded, machine=Machine(cores=cores))
        model = _spec(measured, "own", tmp_path, say=print).model
        assert model is not None
        assert (model.threads, model.tune) == (int(cores), True)
