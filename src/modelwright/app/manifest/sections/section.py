"""What every section of the manifest is made of: names, durations, sizes, addresses, and the strict base class."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, WithJsonSchema, model_validator

from modelwright.core.addresses import split_address
from modelwright.core.quantities import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A DNS label: names end up in host names, socket files and metric labels."""


def _duration(text: str) -> str:
    if parse_duration(text) <= 0:
        raise ValueError(f"{text!r} leaves no time; write more than 0")
    return text


def _size(text: str) -> str:
    if parse_size(text) <= 0:
        raise ValueError(f"{text!r} leaves no room; write more than 0")
    return text


def _address(text: str) -> str:
    split_address(text)
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text!r} is no network; write such as 10.0.0.0/8, 192.0.2.7 or fd00::/8") from None


Duration = Annotated[str, AfterValidator(_duration), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})]
"""Above zero: 500ms, 2s, 5m, 1h."""
Size = Annotated[str, AfterValidator(_size), WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN})]
"""Above zero: 512KiB, 32MiB, 2GiB."""
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": r":\d{1,5}$"})]
"""host:port; IPv6 as [::1]:8000."""
Network = Annotated[str, AfterValidator(_network)]
"""10.0.0.0/8, fd00::/8, or one address."""
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,128}$", to_lower=True)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are faults; it prints no values, since some may be secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, data: Any) -> Any:
        """A key without a value means its default, as if it were not there."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__
