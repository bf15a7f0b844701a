"""Asks an instance what its gate wants to know."""

from __future__ import annotations

import http.client
import socket
import time

from modelwright.adapters.targets.folder.files import Files
from modelwright.adapters.targets.kept import Probe
from modelwright.core.deploying.workloads import Gate

_BODY = 1 << 20
"""Bytes of an answer that are read: an inference has to have come to its end."""


def probe(asked: Probe, files: Files) -> str:
    """What speaks against it, in words; empty: it passes."""
    gate, until = asked.gate, time.monotonic() + asked.within
    try:
        if not gate.path:
            with socket.create_connection(_split(asked.address), timeout=asked.within):
                return ""
        if gate.ready:
            problem = _ask(asked.address, Gate(path=gate.ready), until=until)
            if problem:
                return problem
        key = files.read(gate.bearer).decode().strip() if gate.bearer else ""
        return _ask(asked.address, gate, key=key, until=until)
    except FileNotFoundError:
        return "the key for its gate is not on the target"
    except OSError as error:
        return f"{asked.address} {'does not answer in time' if isinstance(error, TimeoutError) else _words(error)}"
    except http.client.HTTPException as error:
        return f"{asked.address} does not speak HTTP: {error!r}"


def _ask(address: str, gate: Gate, *, until: float, key: str = "") -> str:
    host, port = _split(address)
    connection = http.client.HTTPConnection(host, port, timeout=max(0.1, until - time.monotonic()))
    try:
        headers = {"host": address, "connection": "close"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        if gate.body:
            headers["content-type"] = "application/json"
        connection.request(gate.method, gate.path, gate.body.encode() or None, headers)
        answer = connection.getresponse()
        answer.read(_BODY)
    finally:
        connection.close()
    if answer.status == gate.status:
        return ""
    return f"{gate.method} {gate.path} answers {answer.status}, not {gate.status}"


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _words(error: OSError) -> str:
    return "is not known by its name" if isinstance(error, socket.gaierror) else str(error.strerror or error).lower()
