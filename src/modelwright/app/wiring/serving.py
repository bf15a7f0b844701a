"""Puts a serving worker's parts together: its door by the model's wire, its log lines; constructor calls only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelwright.app.artifacts.code import module_file
from modelwright.app.artifacts.digests import digest_of_model, marks_of
from modelwright.app.artifacts.labels import read_labels
from modelwright.app.external.assemble import external_door
from modelwright.app.parts import ModelPart, PartSpec
from modelwright.app.pipelines.make import engine_config, files_of, made
from modelwright.app.plugins import (
    PYTHON,
    decode_image,
    engine_row,
    own_engine,
    tensor_engine,
    text_codec,
    text_engine,
)
from modelwright.app.sources.cache import cache_of, suspect
from modelwright.app.system import SystemClock, resident_mb
from modelwright.app.wiring.tuning import memory_of
from modelwright.core.contracts.events import Event
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import CustomEngine, EngineConfig, TensorEngine
from modelwright.core.status import Busy
from modelwright.core.wire import openai, v2
from modelwright.observe.lines import EventLines, LineWriter
from modelwright.observe.logging import configure_logging
from modelwright.serving.batching import Limits
from modelwright.serving.door import Door
from modelwright.serving.embeddings.door import EmbeddingRules, EmbeddingsDoor
from modelwright.serving.http_openai import OpenAIDoor, TextBounds
from modelwright.serving.http_v2 import TensorModel, V2Door
from modelwright.serving.levels import Levels
from modelwright.serving.plain.door import CustomBounds, CustomDoor
from modelwright.serving.stamped import StampedDoor

ENVELOPES: dict[str, Callable[[CallError], bytes]] = {
    "v2": v2.error_body,
    "openai": openai.error_body,
    "plain": openai.error_body,
}
"""How each wire tells an error while there is no door yet."""

SEALED = "sealed"


class ServingParts:
    """What a serving worker process holds beside its door."""

    def __init__(self, spec: PartSpec) -> None:
        self.clock = SystemClock()
        self._spec = spec
        self._writer = LineWriter()
        self._lines = EventLines(spec.name)
        self.state = spec.state
        self._base = Path(spec.base)
        configure_logging(spec.name, write=self._writer.write, level=spec.log_level)

    def tell(self, event: Event) -> None:
        """A serving worker's events are few: each becomes its line at once."""
        self._writer.write(self._lines.encode([event]))

    def door(self, part: ModelPart, *, on_lost: Callable[[BaseException], None]) -> Door:
        """The door of a model, by its wire; raises StartError. No model is loaded yet."""
        door = self._door(part, on_lost=on_lost)
        return StampedDoor(door, part.digest) if part.digest else door

    def busy(self, door: Door | None) -> Busy:
        """The numbers of now."""
        return msgspec.structs.replace(door.busy() if door else Busy(), memory_mb=resident_mb())

    def close(self) -> None:
        """Write what is left to write."""
        self._writer.close()

    def _door(self, part: ModelPart, *, on_lost: Callable[[BaseException], None]) -> Door:
        match part.wire:
            case "v2":
                return _with_embeddings(self._tensor_door(part, engine_config(part), self._engine(part)), part)
            case "openai":
                if engine_row(part.engine).server:
                    return external_door(self._spec, part, engine_config(part), on_lost=on_lost)
                return _text_door(part, engine_config(part), on_lost)
            case "plain":
                return self._own_door(part, on_lost)
            case _:
                raise StartError(f"model {part.model} speaks {part.wire!r}, which no door does", hint="v2 or openai")

    def _tensor_door(self, part: ModelPart, config: EngineConfig, engine: TensorEngine) -> V2Door:
        tuning = memory_of(part, self.state) if part.tune else None
        model = msgspec.structs.replace(_tensor_model(part), config=config, tuning=tuning)
        return V2Door(model, engine, clock=self.clock, tell=self.tell, decode=decode_image)

    def _engine(self, part: ModelPart) -> TensorEngine:
        return tensor_engine(part.engine) if part.pipeline is None else made(part.pipeline, self._engine_of_step)

    def _engine_of_step(self, part: ModelPart) -> tuple[TensorEngine, EngineConfig]:
        if not part.engine.startswith(PYTHON):
            return tensor_engine(part.engine), engine_config(part)
        config, tensors, _ = self._own(part)
        if tensors is None:
            raise StartError(
                f"{part.engine.removeprefix(PYTHON)} declares no tensors, and steps give each other tensors",
                hint='write `inputs = {"x": Tensor("FP32", -1, 4)}` and `outputs` in the class, or serve it by itself',
                place=f"model {part.model}",
            )
        return tensors, config

    def _own(self, part: ModelPart) -> tuple[EngineConfig, TensorEngine | None, CustomEngine | None]:
        """A class of the user's: what it is told, and the engine of tensors when it declares some, or the other one."""
        config, code = engine_config(part), module_file(self._base, part.engine)
        folders = (str(self._base),)
        if code and part.path == str(self._base / code):
            config = msgspec.structs.replace(config, path="")
        elif part.path and any(Path(part.path).glob("*.py")):
            folders = (part.path, *folders)
        tensors, plain = own_engine(
            part.engine,
            folders=folders,
            place=f"model {part.model}",
            at_once=part.concurrency,
            seconds=part.timeout,
        )
        return config, tensors, plain

    def _own_door(self, part: ModelPart, on_lost: Callable[[BaseException], None]) -> Door:
        """That of tensors when the class declares some."""
        config, tensors, plain = self._own(part)
        if tensors is not None:
            return self._tensor_door(part, config, tensors)
        bounds = CustomBounds(
            queue=part.queue_rows, queue_bytes=part.queue_bytes, max_body=part.max_body, seconds=part.timeout
        )
        if plain is None:
            raise StartError(f"model {part.model} has no engine", hint="install modelwright again")
        _check_needs_no_tensors(part)
        return CustomDoor(
            plain, config, bounds=bounds, check=part.check.encode(), on_lost=on_lost, version=part.version
        )


def check_file(part: ModelPart, *, state: str = "") -> str:
    """The marks of the file or folder, SEALED where nobody writes it.

    Raises BadModelFile unless it is the one of the stated digest. It is read for that only where somebody promised the
    digest, or where it was written since the digest was taken. What was fetched into `state` and is damaged there is
    fetched anew by the next start.
    """
    if part.pipeline is not None:
        return "\n".join(check_file(one, state=state) for one in files_of(part))
    if not part.path:
        return ""
    path = Path(part.path)
    marks = marks_of(path)
    if not part.digest or (not part.promised and marks == part.marks):
        return marks
    found = digest_of_model(path)
    if found != part.digest:
        if state and not part.marks and suspect(cache_of(Path(state)), part.digest):
            raise BadModelFile(
                f"{part.path} was damaged since it was fetched: it has the digest {found}, not {part.digest}",
                hint="stop modelwright up and start it again: it is fetched anew",
                place=f"model {part.model}",
            )
        raise BadModelFile(
            f"{part.path} has the digest {found}, not {part.digest}"
            + ("" if part.promised else ", which it had when modelwright up looked at it"),
            hint="fetch it again, or correct the digest" if part.promised else "start modelwright up again",
            place=f"model {part.model}",
        )
    return SEALED if part.promised and not part.marks else marks


def check_unchanged(part: ModelPart, marks: str) -> None:
    """Raise BadModelFile when it was written since `check_file` gave these marks."""
    if part.pipeline is not None:
        for one, mark in zip(files_of(part), marks.split("\n"), strict=True):
            check_unchanged(one, mark)
    elif part.path and marks not in {SEALED, marks_of(Path(part.path))}:
        raise BadModelFile(
            f"{part.path} was changed while it was being loaded",
            hint="write it elsewhere and move it here as a whole, then start modelwright up again",
            place=f"model {part.model}",
        )


def _check_needs_no_tensors(part: ModelPart) -> None:
    """What would be accepted and ignored is refused."""
    asked = {"batching.tune": part.tune, "batching.priorities": part.levels is not None, "labels": bool(part.labels)}
    for key in (key for key, is_asked in asked.items() if is_asked):
        raise StartError(
            f"`{key}` is for tensors, and {part.engine.removeprefix(PYTHON)} declares none",
            hint='remove it, or write `inputs = {"x": Tensor("FP32", -1, 4)}` and `outputs` in the class',
            place=f"model {part.model}",
        )


def _with_embeddings(door: V2Door, part: ModelPart) -> Door:
    asked = part.pipeline.embeddings if part.pipeline is not None else None
    if asked is None:
        return door
    rules = EmbeddingRules(shorten=asked.shorten, max_inputs=asked.max_inputs, max_body=part.max_body)
    return EmbeddingsDoor(door, rules, model=part.model)


def _tensor_model(part: ModelPart) -> TensorModel:
    return TensorModel(
        config=engine_config(part),
        engine=part.engine,
        version=part.version,
        digest=part.digest,
        limits=Limits(max_rows=part.max_rows, queue_rows=part.queue_rows, queue_bytes=part.queue_bytes),
        levels=None if part.levels is None else Levels(**msgspec.structs.asdict(part.levels)),
        max_body=part.max_body,
        check=part.check.encode(),
        labels=_labels(part),
    )


def _labels(part: ModelPart) -> tuple[str, ...]:
    try:
        return read_labels(Path(part.labels)) if part.labels else ()
    except ValueError as error:
        raise StartError(
            f"{part.labels} {error}", hint="name a text file with the name of one class a line", place=part.model
        ) from None


def _text_door(part: ModelPart, config: EngineConfig, on_lost: Callable[[BaseException], None]) -> Door:
    bounds = TextBounds(max_sequences=part.max_sequences, queue=part.queue_rows, max_body=part.max_body)
    return OpenAIDoor(
        text_engine(part.engine),
        config,
        codec=functools.partial(text_codec, part.engine),
        bounds=bounds,
        check=part.check.encode(),
        on_lost=on_lost,
    )
