"""Two classes that Modelwright serves as they are: `modelwright up` in this folder."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from modelwright import Tensor


class Greeter:
    """Answers one request at a time."""

    def load(self, options: dict[str, Any]) -> None:
        """Called once, before the first request."""
        self.word = options.get("word", "Hello")

    def predict(self, name: str, times: int = 1) -> dict[str, str]:
        """Its annotations say what a request must look like."""
        return {"message": " ".join([f"{self.word}, {name}!"] * times)}

    def predict_stream(self, name: str) -> Iterator[str]:
        """For clients that want the pieces as they come."""
        yield from f"{self.word}, {name}!".split()


class Norm:
    """Answers batches: requests that wait are joined to rows of one array."""

    inputs = {"x": Tensor("FP32", -1, -1)}  # noqa: RUF012 - a declaration, not a variable
    outputs = {"norm": Tensor("FP32", -1)}  # noqa: RUF012

    def predict(self, x: np.ndarray) -> np.ndarray:
        """As many norms as there are rows."""
        return np.linalg.norm(x, axis=1)
