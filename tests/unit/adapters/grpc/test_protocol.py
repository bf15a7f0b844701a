"""The protocol's description: every field is where NVIDIA's clients have it, and both can live in one process."""

from __future__ import annotations

from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc import service_pb2 as service_messages

from modelwright.adapters.grpc.messages import POOL, SERVICE, message, of_json, read
from modelwright.core.errors.calls import Malformed

service_pb2: Any = service_messages  # its messages are made when it is imported, which no checker sees

OURS = POOL.FindFileByName("open_inference.proto")
THEIRS = {**model_config_pb2.DESCRIPTOR.message_types_by_name, **service_pb2.DESCRIPTOR.message_types_by_name}


@pytest.mark.parametrize("name", OURS.message_types_by_name)
def test_a_message_has_no_field_that_clients_have_elsewhere(name: str) -> None:
    assert same(OURS.message_types_by_name[name], THEIRS[name])


def same(ours: Any, theirs: Any) -> bool:
    known = {field.name: field for field in theirs.fields}
    for field in ours.fields:
        other = known[field.name]
        assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated), field
        if field.enum_type is not None:
            numbers = {value.name: value.number for value in other.enum_type.values}
            assert all(numbers[value.name] == value.number for value in field.enum_type.values)
    return all(same(nested, theirs.nested_types_by_name[nested.name]) for nested in ours.nested_types)


def test_methods_are_the_clients() -> None:
    ours, theirs = POOL.FindServiceByName(SERVICE), service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    for method in ours.methods:
        other = theirs.methods_by_name[method.name]
        assert method.input_type.full_name == other.input_type.full_name
        assert method.output_type.full_name == other.output_type.full_name
        assert (method.client_streaming, method.server_streaming) == (other.client_streaming, other.server_streaming)


def test_a_message_of_theirs_is_read_as_ours() -> None:
    theirs = service_pb2.ModelReadyRequest(name="m", version="2")
    ours = read(message("ModelReadyRequest"), theirs.SerializeToString())
    assert (ours.name, ours.version) == ("m", "2")
    with pytest.raises(Malformed, match="the message is no ModelReadyRequest"):
        read(message("ModelReadyRequest"), b"\xff\xff")


def test_what_a_message_has_no_field_for_is_left_out() -> None:
    told = of_json(message("ServerMetadataResponse"), {"name": "m", "extensions": ["a"], "other": {"x": 1}})
    assert service_pb2.ServerMetadataResponse.FromString(told.SerializeToString()).extensions == ["a"]
