"""Compiles the gRPC protocol's description, so that nobody needs the compiler to run it."""

from __future__ import annotations

import json
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2, json_format
from grpc_tools import protoc

PROTOCOL = Path("src/modelwright/adapters/grpc/open_inference.proto")


def page() -> str:
    """The description as JSON; from the repository's root."""
    source = Path(__file__).parents[2] / PROTOCOL
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "set")
        included = resources.files("grpc_tools") / "_proto"
        arguments = ["protoc", f"-I{source.parent}", f"-I{included}", f"--descriptor_set_out={out}", source.name]
        if protoc.main(arguments):
            raise ValueError(f"{source} cannot be compiled")
        found = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    content = json_format.MessageToDict(found, preserving_proto_field_name=True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
