"""Puts the gRPC door's parts together: its service, the gateways that it asks, its numbers; constructor calls only."""

from __future__ import annotations

from pathlib import Path

import grpc.aio

from modelwright.adapters.grpc.asking import Gateways
from modelwright.adapters.grpc.door import InferenceService
from modelwright.adapters.http.pool import Pool
from modelwright.app.parts import GrpcPart, PartSpec
from modelwright.app.system import resident_mb
from modelwright.core.status import Busy
from modelwright.observe.grpc_metrics import GrpcMetrics
from modelwright.observe.lines import LineWriter
from modelwright.observe.logging import configure_logging

MOST_ANSWER = 256 << 20
MOST_HELD = 1 << 30
WAITING = 8
"""Times as many calls as may be under way may have begun: whose request has not come yet takes no place."""
SILENT_MS, DEAD_MS = 60_000, 20_000
"""After so long a silent connection is asked whether it lives, and after so long without an answer it is dropped."""
ROOM = 64 << 10
"""Bytes by which a message may be larger than a body over REST: names and numbers beside its tensors."""


class GrpcParts:
    """Everything that the gRPC door's process holds."""

    def __init__(self, spec: PartSpec, part: GrpcPart) -> None:
        self._writer = LineWriter()
        configure_logging(spec.name, write=self._writer.write, level=spec.log_level)
        self._pool = Pool()
        self.metrics = GrpcMetrics()
        origins = [str(Path(spec.runtime, f"{name}.sock")) for name in part.gateways]
        self.gateways = Gateways(self._pool, origins)
        self.service = InferenceService(
            self.gateways.ask,
            most_calls=part.max_calls,
            most_answer=MOST_ANSWER,
            most_held=MOST_HELD,
            ended=self.metrics.ended,
        )
        self.server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", part.max_body + ROOM),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 1),
                # Clients may ask whether the connection lives as often as their own defaults have it.
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_time_ms", SILENT_MS),
                ("grpc.keepalive_timeout_ms", DEAD_MS),
                # One client's further calls wait at the client.
                ("grpc.max_concurrent_streams", part.max_calls),
            ),
            maximum_concurrent_rpcs=WAITING * part.max_calls,
        )
        self.server.add_generic_rpc_handlers((self.service,))

    def busy(self) -> Busy:
        """The numbers of now."""
        return Busy(
            in_flight=self.service.in_flight,
            calls=self.metrics.calls,
            errors=self.metrics.errors,
            connections=self._pool.open_connections,
            memory_mb=resident_mb(),
        )

    async def close(self) -> None:
        """Nobody is answered any more."""
        await self._pool.close()
        self._writer.close()
