"""Which metadata passes as headers, and whose address is told."""

import pytest

from modelwright.adapters.grpc.metadata import client_of, read_metadata
from modelwright.core.wire.v2 import PEER_HEADER


def test_keys_and_ids_pass_and_what_belongs_to_the_connection_does_not() -> None:
    metadata = [
        ("authorization", "Bearer k"),
        ("x-user-id", "u"),
        ("user-agent", "grpc-python"),
        ("grpc-accept-encoding", "gzip"),
        ("te", "trailers"),
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("inference-header-content-length", "0"),
        ("x-modelwright-peer", "192.0.2.9"),
        ("trace-bin", b"\0"),
    ]
    assert read_metadata(metadata, client="192.0.2.1") == [
        (b"authorization", b"Bearer k"),
        (b"x-user-id", b"u"),
        (b"user-agent", b"grpc-python"),
        (PEER_HEADER, b"192.0.2.1"),
    ]


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::7%5D:50000", "2001:db8::7"),
        ("ipv6:[::1]:50000", "::1"),
        ("unix:/run/x.sock", ""),
        ("", ""),
    ],
)
def test_the_clients_address_is_without_its_port(peer: str, client: str) -> None:
    assert client_of(peer) == client
