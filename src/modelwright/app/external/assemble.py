"""Puts together what serves a model by an engine's own server: plan, process and door; constructor calls only."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from modelwright.adapters.engines.external_process import ExternalProcess
from modelwright.adapters.http.pool import Pool
from modelwright.app.parts import ModelPart, PartSpec
from modelwright.app.plugins import server_planner
from modelwright.app.settings.settings import process_environment
from modelwright.core.ports.engines import EngineConfig
from modelwright.core.ports.external.servers import ServerPlace
from modelwright.serving.door import Door
from modelwright.serving.external.door import ExternalBounds, ExternalDoor
from modelwright.serving.external.server import EngineServer

FOLDER = "engines"
"""In the state directory: what engines keep, a folder for each worker."""
END = 4.0
"""Seconds that a server has to end once its worker has finished all answers; the supervisor waits a little longer."""

_log = logging.getLogger("modelwright.engine")


def external_door(
    spec: PartSpec, part: ModelPart, config: EngineConfig, *, on_lost: Callable[[BaseException], None]
) -> Door:
    """The door of a model that an engine's own server runs; nothing is started yet."""
    port = _free_port()
    folder = Path(spec.state, FOLDER, spec.name)
    place = ServerPlace(port=port, key=secrets.token_urlsafe(24), folder=str(folder), grace=spec.grace)
    plan = server_planner(part.engine)(config, place)
    return ExternalDoor(
        part.model,
        plan,
        process=ExternalProcess(env=process_environment(), told=_log.info, grace=min(spec.grace, END)),
        server=EngineServer(Pool(), plan, port=port),
        bounds=ExternalBounds(
            max_sequences=part.max_sequences,
            queue=part.queue_rows,
            max_body=part.max_body,
            load_timeout=float(part.options.get("load_timeout") or 600.0),
        ),
        check=part.check.encode(),
        on_lost=on_lost,
    )


def _free_port() -> int:
    """One that is free now; should somebody take it before the engine does, that ends, and is started again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
