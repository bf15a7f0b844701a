"""A pipeline as one engine: its signature is that of its steps together, a batch goes through all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from modelwright.core.errors.calls import CallError, EngineFailed
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorEngine, TensorSpec
from modelwright.serving.pipelines.graph import REQUEST, Drawing, Graph, Node, Wiring, feeds
from modelwright.serving.pipelines.step import Socket, Step
from modelwright.serving.pipelines.tokens import Tokenize

PLATFORM = "ensemble"
"""As in Triton's metadata."""


class ModelStep:
    """A model of the manifest as a step: its engine is called directly."""

    def __init__(self, engine: TensorEngine, config: EngineConfig) -> None:
        self._engine = engine
        self._config = config
        self._signature = Signature(inputs=(), outputs=(), platform="")

    def load(self) -> tuple[Socket, ...]:
        self._signature = self._engine.load(self._config)
        return tuple(Socket(spec.name, (spec.datatype,), spec.shape) for spec in self._signature.inputs)

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        return self._signature.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return self._engine.predict(inputs)

    def close(self) -> None:
        self._engine.close()

    @property
    def joins(self) -> bool:
        """Whether its rows are requests."""
        return self._signature.batches

    @property
    def inline(self) -> bool:
        """Whether it may run on the event loop."""
        return self._signature.inline

    @property
    def precision(self) -> str:
        """What it computes in."""
        return self._signature.precision


class Pipeline:
    """Steps in their order; a TensorEngine like any other.

    When it begins with texts, whoever batches may tokenise each request for itself (`front`) and run batches of token
    ids only (`after_front`), so that short texts are not filled up to the length of long ones.
    """

    def __init__(self, steps: Sequence[tuple[Wiring, Step]], *, give: Mapping[str, str]) -> None:
        self._steps = steps
        self._give = give
        self._graph: Graph | None = None

    def load(self, config: EngineConfig) -> Signature:
        drawing = Drawing()
        try:
            for wiring, step in self._steps:
                drawing.add(wiring, step)
            graph = drawing.finished(self._give)
        except StartError as error:
            self.close()
            place = f"model {config.model}, {error.place}" if error.place else f"model {config.model}"
            raise type(error)(error.message, hint=error.hint, place=place) from error
        for node in graph.nodes:
            if isinstance(node.step, Tokenize):
                node.step.makes = tuple(feeds(graph, node))
        models = [step for _, step in self._steps if isinstance(step, ModelStep)]
        self._graph = graph
        return Signature(
            inputs=graph.inputs,
            outputs=graph.outputs,
            platform=PLATFORM,
            precision="+".join(dict.fromkeys(model.precision for model in models)) or "f32",
            rows=all(model.joins for model in models),
            inline=all(model.inline for model in models),
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        graph = self._loaded()
        return _run(graph, graph.nodes, {f"{REQUEST}.{name}": array for name, array in inputs.items()})

    def close(self) -> None:
        self._graph = None
        for _, step in self._steps:
            step.close()

    @property
    def front(self) -> Tokenize | None:
        """The first step, when it makes tokens of what a client sends."""
        first = self._loaded().nodes[0]
        return first.step if isinstance(first.step, Tokenize) and len(self._loaded().nodes) > 1 else None

    @property
    def after_front(self) -> AfterFront:
        """All that comes after it."""
        return AfterFront(self._loaded(), close=self.close)

    def _loaded(self) -> Graph:
        if self._graph is None:
            raise EngineFailed("the model is not loaded")
        return self._graph


class AfterFront:
    """A loaded pipeline without its front; inputs go by the graph's keys, not by names."""

    def __init__(self, graph: Graph, *, close: Callable[[], None]) -> None:
        front, *self._rest = graph.nodes
        self._graph = graph
        self._close = close
        self.text = front.takes[0][1].removeprefix(f"{REQUEST}.")
        """The input of the whole that the front makes tokens of."""
        self.keys = dict(front.gives)
        """Of the front's own names."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return _run(self._graph, self._rest, inputs)

    def close(self) -> None:
        self._close()


def _run(graph: Graph, nodes: Sequence[Node], given: Mapping[str, Array]) -> dict[str, Array]:
    tensors = dict(given)
    for node in nodes:
        try:
            made = node.step.run({name: tensors[key] for name, key in node.takes})
        except CallError as error:
            error.message = f"step {node.name}: {error.message}"
            raise
        except Exception as error:
            raise EngineFailed(f"step {node.name} failed: {type(error).__name__}: {error}") from error
        for name, key in node.gives:
            if name in made:
                tensors[key] = made[name]
    return {name: tensors[key] for name, key in graph.sources}
