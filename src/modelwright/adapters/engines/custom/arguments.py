"""The arguments of a user's method, from its annotations: what a request must look like, and requests as values."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError

from modelwright.adapters.engines.custom.arrays import ArrayOf, array_dtype
from modelwright.adapters.engines.custom.files import Bytes, File, Picture
from modelwright.core.errors.calls import CallError, Malformed, Unprocessable
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Part

_TOLD = 3
"""Faults of one request that its error names."""
_KINDS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_GENERATORS = {"AsyncGenerator", "AsyncIterable", "AsyncIterator", "Generator", "Iterable", "Iterator"}


class Arguments:
    """Reads requests for one method."""

    def __init__(self, function: Callable[..., Any], *, where: str, place: str) -> None:
        """`where` is the method's file and line, `place` the model. Raises StartError for what no JSON can bring."""
        self._where, self._place = where, place
        hints = self._hints(function)
        parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
        for one in parameters:
            if one.kind in _KINDS:
                raise self._wrong(f"takes {_KINDS[one.kind]}{one.name}", "name each of its inputs")
        annotations = {one.name: adapted(hints.get(one.name, Any)) for one in parameters}
        self._alone = ""
        """The only parameter, when it is an object itself: the request is this object."""
        if len(parameters) == 1 and _is_object(annotations[parameters[0].name]):
            self._alone = parameters[0].name
        self._many = {name for name, annotation in annotations.items() if _is_list(annotation)}
        self._texts = {name for name, annotation in annotations.items() if _within(annotation) is str}
        self.files = tuple(name for name, annotation in annotations.items() if _is_file(annotation))
        """Those that may come as files."""
        self._adapter = self._made(parameters, annotations)
        self.gives = self._schema(hints.get("return", Any))
        """Schema of what comes back."""
        self.takes: dict[str, Any] = self._adapter.json_schema()
        """Schema of the request."""

    def read(self, given: bytes | list[Part]) -> dict[str, Any]:
        """Arguments by name; raises Malformed or Unprocessable."""
        try:
            if isinstance(given, bytes):
                found = self._adapter.validate_json(given or b"{}")
            else:
                found = self._adapter.validate_python(self._joined(given))
        except ValidationError as error:
            raise _refusal(error) from None
        except RecursionError:
            raise Malformed("the body is nested too deeply", hint="send it flatter") from None
        if self._alone:
            return {self._alone: found}
        return {name: getattr(found, name) for name in type(found).model_fields}

    def _hints(self, function: Callable[..., Any]) -> dict[str, Any]:
        try:
            return get_type_hints(function, include_extras=True)
        except Exception as error:
            raise self._wrong(f"has an annotation that cannot be read: {error}", "correct it") from error

    def _made(self, parameters: list[inspect.Parameter], annotations: dict[str, Any]) -> TypeAdapter[Any]:
        try:
            if self._alone:
                return TypeAdapter(annotations[self._alone])
            fields: dict[str, Any] = {
                one.name: (annotations[one.name], ... if one.default is one.empty else one.default)
                for one in parameters
            }
            made = create_model("Request", __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)
            return TypeAdapter(made)
        except (PydanticUserError, NameError, TypeError) as error:
            problem = str(error).partition("\n")[0]
            raise self._wrong(
                f"takes what no request can bring: {problem}",
                "annotate inputs with plain types, arrays, bytes, modelwright.File or pydantic models",
            ) from error

    def _schema(self, annotation: Any) -> dict[str, Any]:
        """Empty when the answer may be anything, or is no JSON."""
        if annotation in {Any, File, bytes}:
            return {}
        try:
            return TypeAdapter(adapted(_piece(annotation))).json_schema(mode="serialization")
        except PydanticUserError:
            return {}

    def _joined(self, parts: list[Part]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in parts:
            value = self._value(part)
            if part.name in self._many and (part.filename or part.name in found):
                found.setdefault(part.name, []).append(value)
            elif part.name in found:
                raise Malformed(f"{part.name[:80]!r} is given twice", hint="send each input once", param=part.name[:80])
            else:
                found[part.name] = value
        return found

    def _value(self, part: Part) -> Any:
        if part.filename or part.name in self.files:
            return File(part.data, name=part.filename, content_type=part.content_type or "application/octet-stream")
        try:
            text = part.data.decode()
        except UnicodeDecodeError:
            name = part.name[:80]
            raise Malformed(f"{name!r} is no text in UTF-8", hint="send it as a file", param=name) from None
        if part.name in self._texts:
            return text
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def _wrong(self, problem: str, remedy: str) -> StartError:
        return StartError(f"{self._where}: the method {problem}", hint=remedy, place=self._place)


def adapted(annotation: Any) -> Any:
    """The same type, with what comes from JSON or a form in place of arrays, bytes and images."""
    found, dtype = array_dtype(annotation)
    if found:
        return Annotated[Any, ArrayOf(dtype)]
    if annotation is bytes:
        return Annotated[Any, Bytes]
    if annotation is _picture():
        return Annotated[Any, Picture]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(adapted(arguments[0]), *arguments[1:])]
    if origin in {Union, types.UnionType}:
        return Union[tuple(adapted(one) for one in arguments)]  # noqa: UP007 - made at run time
    if origin in {list, tuple, dict} and arguments:
        return origin[tuple(adapted(one) if one is not ... else one for one in arguments)]
    return annotation


def _refusal(error: ValidationError) -> CallError:
    """The request's error in words: 400 for no JSON at all, otherwise 422 with the first input that is wrong."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return Malformed(f"the body is not valid JSON: {found[0]['msg']}", hint="send a JSON object in UTF-8")
    told = [f"{_path(one['loc'])}: {one['msg']}" for one in found[:_TOLD]]
    rest = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    first = _path(found[0]["loc"])
    return Unprocessable("; ".join(told) + rest, hint="see the model's openapi.json", param=first)


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(step)[:80] for step in loc[:8]) or "body"


def _picture() -> Any:
    """Pillow's class, when the user's code has imported it."""
    module = sys.modules.get("PIL.Image")
    return module.Image if module is not None else _picture


def _within(annotation: Any) -> Any:
    """What is left of `X | None` and `Annotated[X, …]`."""
    if get_origin(annotation) is Annotated:
        marks = get_args(annotation)[1:]
        return marks[0] if marks and marks[0] in {Bytes, Picture} else _within(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        kept = [one for one in get_args(annotation) if one is not type(None)]
        return _within(kept[0]) if len(kept) == 1 else annotation
    return annotation


def _is_list(annotation: Any) -> bool:
    within = _within(annotation)
    return within is list or get_origin(within) is list


def _is_file(annotation: Any) -> bool:
    within = _within(annotation)
    if get_origin(within) is list:
        within = _within(get_args(within)[0])
    return within in {File, Bytes, Picture}


def _is_object(annotation: Any) -> bool:
    within = annotation if get_origin(annotation) is not Annotated else get_args(annotation)[0]
    if is_typeddict(within):
        return True
    return inspect.isclass(within) and (issubclass(within, BaseModel) or dataclasses.is_dataclass(within))


def _piece(annotation: Any) -> Any:
    """What a generator yields; of another method what it returns."""
    of_generator = getattr(get_origin(annotation), "__name__", "") in _GENERATORS
    return get_args(annotation)[0] if of_generator else annotation
