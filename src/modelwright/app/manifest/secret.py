"""A value that is never shown: an API key as the manifest writes it, printed as `***` wherever it may turn up."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from modelwright.app.settings.references import Reference, references, split_text

MASK = "***"


class Secret:
    """References to secrets, or (in development) the key itself; `reveal` is the one way to the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text with `${secret:NAME}` unresolved, for the snapshot; app/settings makes the key of it."""
        return self._text

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the secrets that it refers to."""
        return tuple(reference.name for reference in self.references if reference.kind == "secret")

    @property
    def shown(self) -> str:
        """Its references, with everything else masked: what a digest and a printed manifest may hold."""
        pieces = split_text(self._text) if "${" in self._text else [self._text]
        return "".join(str(piece) if isinstance(piece, Reference) else MASK for piece in pieces)

    @property
    def is_literal(self) -> bool:
        """Whether the key itself stands in the file, or is copied into it."""
        return all(reference.kind in {"env", "file"} for reference in self.references)

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it is made of, beside plain text, in order."""
        return references(self._text)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Made of a string; dumped as `***`, in Python and in JSON."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(strict=True, min_length=1),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}
