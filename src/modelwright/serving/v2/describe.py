"""Answers every V2 question but inference: health, the server, what the model takes and gives, what it has done."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import msgspec

from modelwright.core.errors.calls import MethodNotAllowed, UnknownEndpoint, UnknownPath
from modelwright.core.ports.engines import Signature
from modelwright.core.wire import v2
from modelwright.serving.door import loading
from modelwright.serving.v2.configuration import configuration


class Description:
    """One model and the server around it; `signature` is set when the model is ready."""

    def __init__(
        self,
        model: str,
        *,
        engine: str,
        digest: str,
        max_rows: int,
        version: str = v2.VERSION,
        labels: bool = False,
        statistics: Callable[[], bytes],
    ) -> None:
        """`statistics` gives the answer to that question; `labels` says whether classes have names."""
        self.signature: Signature | None = None
        self._model = model
        self._version = version
        self._engine = engine
        self._max_rows = max_rows
        self._labels = labels
        self._statistics = statistics
        self._parameters = {"engine": engine, "digest": digest, "max_rows": max_rows}

    def tell(self, method: str, path: str) -> bytes:
        """The answer's JSON; raises CallError."""
        route = self._route(path)
        wanted = ("POST",) if route.action == "infer" else ("GET", "HEAD")
        if method not in wanted:
            raise MethodNotAllowed(f"{method} is not answered at {path[:200]}", hint=f"use {wanted[0]}")
        match route.action:
            case "live":
                return b'{"live":true}'
            case "server":
                return _server()
            case "metadata":
                return self._metadata()
            case "stats":
                return self._statistics()
            case "config":
                return self._configuration()
            case "model_ready":
                self._loaded()
                return msgspec.json.encode({"name": self._model, "ready": True})
            case _:
                self._loaded()
                return b'{"ready":true}'

    def _route(self, path: str) -> v2.Route:
        route = v2.read_path(path)
        if route is None:
            raise UnknownPath(f"{path[:200]} is no path of the V2 protocol", hint=f"try /v2/models/{self._model}")
        if route.model and route.model != self._model:
            raise UnknownEndpoint(f"model {route.model[:80]!r} is not here", hint=f"this worker serves {self._model!r}")
        if route.version and route.version != self._version:
            raise UnknownEndpoint(
                f"model {self._model!r} has no version {route.version[:20]!r}", hint=f"its version is {self._version!r}"
            )
        return route

    def _loaded(self) -> Signature:
        if self.signature is None:
            raise loading(self._model)
        return self.signature

    def _configuration(self) -> bytes:
        signature = self._loaded()
        told = configuration(self._model, signature, engine=self._engine, max_rows=self._max_rows, labels=self._labels)
        return msgspec.json.encode(told)

    def _metadata(self) -> bytes:
        signature = self._loaded()
        return msgspec.json.encode(
            {
                "name": self._model,
                "versions": [self._version],
                "platform": signature.platform,
                "inputs": signature.inputs,
                "outputs": signature.outputs,
                "parameters": {**self._parameters, "precision": signature.precision, **signature.details},
            }
        )


def _server() -> bytes:
    return msgspec.json.encode({"name": "modelwright", "version": version("modelwright"), "extensions": v2.EXTENSIONS})
