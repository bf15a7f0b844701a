"""An uploaded file, or an image in it, as an argument of a user's method: from a form's part, or base64 in JSON."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_SCHEMA = {"type": "string", "contentEncoding": "base64"}


class _Given(ABC):
    """What comes as a part of a form, or as base64 in JSON."""

    __slots__ = ()

    @classmethod
    @abstractmethod
    def _read(cls, value: Any) -> Any:
        """What the method gets."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(_SCHEMA)


class File(_Given):
    """A file that was uploaded, or that goes back as the answer."""

    __slots__ = ("content_type", "data", "name")

    def __init__(self, data: bytes, *, name: str = "", content_type: str = "application/octet-stream") -> None:
        self.data = data
        self.name = name
        self.content_type = content_type

    @classmethod
    def _read(cls, value: Any) -> File:
        return as_file(value)


class Bytes(_Given):
    """Marks an argument that wants the bytes alone."""

    @classmethod
    def _read(cls, value: Any) -> bytes:
        return as_file(value).data


class Picture(_Given):
    """Marks an argument that wants a Pillow image."""

    @classmethod
    def _read(cls, value: Any) -> Any:
        return _as_image(value)


def as_file(value: Any) -> File:
    """A part of a form as it is; a text is base64."""
    if isinstance(value, File):
        return value
    if isinstance(value, bytes):
        return File(value)
    if not isinstance(value, str):
        raise PydanticCustomError("file", "Input should be a file of a form, or base64 text")
    try:
        return File(base64.b64decode(value.translate(_URL_SAFE), validate=True))
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "Input should be base64 text, or a file of a form") from None


_URL_SAFE = str.maketrans("-_", "+/")


def _as_image(value: Any) -> Any:
    from modelwright.adapters.engines.pictures import opened  # noqa: PLC0415 - only where the user's code imports Pillow

    try:
        return opened(as_file(value).data)
    except ValueError as error:
        raise PydanticCustomError("image", "{problem}", {"problem": str(error)}) from None
