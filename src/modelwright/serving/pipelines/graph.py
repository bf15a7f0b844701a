"""Which tensor goes from which step to which: by the names that the user gives, by equal names, or from step to step.

All mismatches of names, datatypes and shapes are found here, when the steps are loaded and before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from modelwright.core.errors.starting import StartError
from modelwright.core.nearest import nearest
from modelwright.core.ports.engines import TensorSpec
from modelwright.serving.pipelines.step import Socket, Step

REQUEST = "request"
"""Where the tensors come from that a client sends: `request.text`."""


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says of one step beside what it does."""

    name: str
    inputs: Mapping[str, str] = {}
    """The step's own name of an input to the tensor that it shall get."""
    outputs: Mapping[str, str] = {}
    """The step's own name of an output to the name that it shall have here."""


class Node(NamedTuple):
    """A step in its place."""

    name: str
    step: Step
    takes: tuple[tuple[str, str], ...]
    """Its own name of each input, and the tensor's key: `step.name`."""
    gives: tuple[tuple[str, str], ...]
    """Its own name of each output, and the tensor's key."""


class Graph(NamedTuple):
    """All steps in their order, and what goes in and out of the whole."""

    nodes: tuple[Node, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sources: tuple[tuple[str, str], ...]
    """The name of each output, and the key of its tensor."""


class Drawing:
    """A graph while it is drawn, step by step."""

    def __init__(self) -> None:
        self._specs: dict[str, TensorSpec] = {}
        """By key."""
        self._newest: dict[str, str] = {}
        """The key that a bare name means."""
        self._requested: dict[str, TensorSpec] = {}
        self._nodes: list[Node] = []

    def add(self, wiring: Wiring, step: Step) -> None:
        """Load a step and join it to those before it; raises StartError that names it."""
        try:
            self._add(wiring, step)
        except StartError as error:
            place = error.place or f"step {wiring.name}"
            raise type(error)(error.message, hint=error.hint, place=place) from error

    def finished(self, give: Mapping[str, str]) -> Graph:
        """`give`: the name of each output of the whole to its tensor; empty: the last step's. Raises StartError."""
        sources = [(name, self._found(given)) for name, given in give.items()]
        if not sources:
            sources = [(key.partition(".")[2], key) for _, key in self._nodes[-1].gives]
        return Graph(
            nodes=tuple(self._nodes),
            inputs=tuple(self._requested.values()),
            outputs=tuple(msgspec.structs.replace(self._specs[key], name=name) for name, key in sources),
            sources=tuple(sources),
        )

    def _add(self, wiring: Wiring, step: Step) -> None:
        sockets = {socket.name: socket for socket in step.load()}
        _known(wiring.inputs, sockets, what="input")
        takes = self._joined(wiring, sockets)
        made = step.outputs({name: self._specs[key] for name, key in takes.items()})
        _known(wiring.outputs, [spec.name for spec in made], what="output")
        gives: list[tuple[str, str]] = []
        for spec in made:
            name = wiring.outputs.get(spec.name, spec.name)
            key = f"{wiring.name}.{name}"
            self._specs[key] = msgspec.structs.replace(spec, name=name)
            gives.append((spec.name, key))
        self._newest.update({key.partition(".")[2]: key for _, key in gives})
        self._nodes.append(Node(wiring.name, step, tuple(takes.items()), tuple(gives)))

    def _joined(self, wiring: Wiring, sockets: Mapping[str, Socket]) -> dict[str, str]:
        """The key of the tensor for each input."""
        takes: dict[str, str] = {}
        for name, socket in sockets.items():
            if name in wiring.inputs:
                takes[name] = self._named(wiring.inputs[name], socket)
            elif name in self._newest:
                takes[name] = self._newest[name]
        open_ones = [socket for name, socket in sockets.items() if name not in takes and not socket.optional]
        if not self._nodes:
            takes.update({socket.name: self._request(socket.name, socket) for socket in open_ones})
        elif len(open_ones) == 1:
            takes[open_ones[0].name] = self._of_the_step_before(open_ones[0])
        elif open_ones:
            raise _nobody_gives(open_ones[0], self._newest)
        for name, key in takes.items():
            _check(sockets[name], self._specs[key])
        return {name: takes[name] for name in sockets if name in takes}

    def _named(self, given: str, socket: Socket) -> str:
        origin, _, name = given.rpartition(".")
        if origin == REQUEST and name not in self._requested:
            return self._request(name, socket)
        return self._found(given)

    def _found(self, given: str) -> str:
        key = given if given in self._specs else self._newest.get(given)
        if key is None:
            close = nearest(given, (*self._newest, *self._specs))
            known = ", ".join(self._newest) or "none"
            hint = f"did you mean {close}?" if close else f"there are {known}"
            raise StartError(f"there is no tensor {given!r} by then", hint=hint)
        return key

    def _request(self, name: str, socket: Socket) -> str:
        if socket.shape is None:
            raise StartError("it works on what a step before it gives", hint="let a model stand before it")
        key = f"{REQUEST}.{name}"
        spec = TensorSpec(name=name, datatype=socket.datatypes[0], shape=socket.shape)
        self._specs[key] = self._requested[name] = spec
        self._newest.setdefault(name, key)
        return key

    def _of_the_step_before(self, socket: Socket) -> str:
        before = self._nodes[-1]
        fitting = [key for _, key in before.gives if not problem_of(socket, self._specs[key])]
        if len(fitting) == 1:
            return fitting[0]
        if len(before.gives) == 1:
            return before.gives[0][1]  # what is wrong with it is told by the check
        raise _nobody_gives(socket, [key.partition(".")[2] for _, key in before.gives])


def problem_of(socket: Socket, spec: TensorSpec) -> str:
    """Why a tensor does not fit an input; empty when it does."""
    if spec.datatype not in socket.datatypes:
        return f"takes {' or '.join(socket.datatypes)}"
    if socket.shape is None:
        return ""
    fits = len(spec.shape) == len(socket.shape) and all(
        -1 in (given, wanted) or given == wanted for given, wanted in zip(spec.shape, socket.shape, strict=True)
    )
    return "" if fits else f"takes shape {list(socket.shape)}"


def _check(socket: Socket, spec: TensorSpec) -> None:
    problem = problem_of(socket, spec)
    if problem:
        raise StartError(
            f"its input {socket.name!r} {problem}, and gets {spec.name!r}, {spec.datatype} of shape {list(spec.shape)}",
            hint="say which tensor it shall take (`inputs`), or put a step between that converts it",
        )


def _known(given: Iterable[str], known: Iterable[str], *, what: str) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            close = nearest(name, names)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(names)}"
            raise StartError(f"it has no {what} {name!r}", hint=hint)


def _nobody_gives(socket: Socket, known: Iterable[str]) -> StartError:
    there = ", ".join(known) or "none"
    return StartError(
        f"it cannot be told which tensor its input {socket.name!r} takes: there are {there}",
        hint=f"say it: inputs: {{{socket.name}: NAME}}, or {REQUEST}.NAME for one that clients send",
    )


def feeds(graph: Graph, of: Node) -> Sequence[str]:
    """The outputs of a step that a later step or the client gets, by their own names."""
    wanted = {key for node in graph.nodes for _, key in node.takes} | {key for _, key in graph.sources}
    return [name for name, key in of.gives if key in wanted]
