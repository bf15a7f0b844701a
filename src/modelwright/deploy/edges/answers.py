"""What an edge says itself, when no instance does: in the form of the gateway's errors."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A status and why."""

    status: int
    code: str
    message: str

    @property
    def body(self) -> str:
        """JSON without a quote or a dollar that a configuration could read."""
        return f'{{"error":{{"message":"{self.message}","type":"edge","code":"{self.code}"}}}}'

    @property
    def haproxy(self) -> str:
        """What stands behind `return` and `http-error`."""
        return f"status {self.status} content-type application/json string '{self.body}'"


NOWHERE = Answer(status=404, code="no_route", message="nothing is served at this host and path")
TOO_MANY = Answer(status=429, code="edge_rate_limited", message="too many requests from this address; wait a little")
TOO_LARGE = Answer(status=413, code="too_large", message="the request is larger than this route takes")
UNMEASURED = Answer(status=411, code="length_required", message="say how long the request is, by Content-Length")
UNAVAILABLE = Answer(status=503, code="edge_unavailable", message="no instance can answer now; try again")
