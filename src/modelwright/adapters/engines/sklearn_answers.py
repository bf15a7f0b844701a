"""What a scikit-learn model says to rows, under the names that clients see; the library itself is not imported."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelwright.core.ports.engines import Array


def sklearn_answers(model: Any, x: Any) -> dict[str, Array]:
    """`label` and, where there are any, `probabilities` of a classifier; `prediction`; or what it has `transformed`.

    A classifier of several targets gives labels alone: each target has classes of its own.
    """
    if hasattr(model, "predict"):
        said = np.asarray(model.predict(x))
        if not hasattr(model, "classes_"):
            return {"prediction": said}
        if hasattr(model, "predict_proba") and not isinstance(model.classes_, list):
            return {"label": said, "probabilities": np.asarray(model.predict_proba(x))}
        return {"label": said}
    said = model.transform(x)
    return {"transformed": said.toarray() if hasattr(said, "toarray") else np.asarray(said)}
