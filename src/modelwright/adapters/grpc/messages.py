"""The messages of the V2 protocol over gRPC, made from their description; a pool of their own lets others have theirs.

A client's library in the same process registers the same names in the default pool, which takes each only once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from modelwright.core.errors.calls import Malformed

SERVICE = "inference.GRPCInferenceService"
DESCRIPTION = Path(__file__).with_name("open_inference.json")


def _described() -> descriptor_pool.DescriptorPool:
    file = json_format.Parse(DESCRIPTION.read_text("utf-8"), descriptor_pb2.FileDescriptorProto())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _described()


def message(name: str) -> Any:
    """The class of one message of the protocol."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))


def read(kind: Any, data: bytes) -> Any:
    """A message from its bytes; raises Malformed."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        name = kind.DESCRIPTOR.name
        raise Malformed(f"the message is no {name}: {error}", hint="see the V2 inference protocol over gRPC") from None


def of_json(kind: Any, content: Any) -> Message:
    """A message with what this JSON object has of its fields."""
    return json_format.ParseDict(content, kind(), ignore_unknown_fields=True)
