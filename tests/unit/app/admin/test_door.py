from typing import Any

import msgspec
import pytest

from modelwright.app.admin.door import AdminDoor
from modelwright.core.contracts.snapshot import Key
from modelwright.core.keys import key_digest
from modelwright.core.ports.clock import ManualClock

PEPPER = b"pepper of the tests"
ADMIN, CLIENT, OLD = "mw-aaaaaaaa-x", "mw-bbbbbbbb-y", "mw-cccccccc-z"


class Bench:
    """A door, what it is asked and what it says."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.keys: tuple[Key, ...] = (
            Key(id="aaaaaaaa", digest=key_digest(PEPPER, ADMIN), role="admin"),
            Key(id="bbbbbbbb", digest=key_digest(PEPPER, CLIENT)),
            Key(id="cccccccc", digest=key_digest(PEPPER, OLD), role="admin", expires=self.clock.now() + 10),
        )
        self.door = AdminDoor(pepper=PEPPER, live=lambda: self.keys, clock=self.clock)
        self.door.api = self._api
        self.headers: dict[bytes, bytes] = {}

    async def ask(self, path: str, headers: dict[str, str] | None = None, *, local: bool = False) -> tuple[int, Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        named = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        server = ("/run/control.sock", None) if local else ("127.0.0.1", 8001)
        await self.door({"type": "http", "path": path, "headers": named, "server": server}, None, send)
        self.headers = dict(sent[0]["headers"])
        return sent[0]["status"], msgspec.json.decode(sent[1]["body"])

    async def _api(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'"api"'})


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_socket_wants_no_key(bench: Bench) -> None:
    assert await bench.ask("/keys", local=True) == (200, "api")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_some_paths_want_no_key_over_tcp(bench: Bench, path: str) -> None:
    assert (await bench.ask(path))[0] == 200


@pytest.mark.parametrize(
    "path", ["/keys", "/status", "/ledger", "/openapi.json", "/nothing", "/metrics/", "//metrics", "/"]
)
async def test_everything_else_does(bench: Bench, path: str) -> None:
    status, body = await bench.ask(path)
    assert (status, body["error"]["code"]) == (401, "unauthenticated")
    assert "keys create" in body["error"]["hint"]
    assert bench.headers[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {ADMIN}"},
        {"authorization": f"bearer  {ADMIN} "},
        {"x-api-key": ADMIN},
        {"authorization": "Basic abc", "x-api-key": ADMIN},
    ],
)
async def test_an_admins_key_opens(bench: Bench, headers: dict[str, str]) -> None:
    assert await bench.ask("/keys", headers) == (200, "api")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {CLIENT}"}, 403),
        ({"authorization": f"Bearer {ADMIN}x"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": ADMIN}, 401),
        ({"x-api-key": "ä" * 5000}, 401),
    ],
)
async def test_another_key_does_not(bench: Bench, headers: dict[str, str], status: int) -> None:
    assert (await bench.ask("/keys", headers))[0] == status


async def test_a_key_opens_until_it_expires_or_is_revoked(bench: Bench) -> None:
    assert (await bench.ask("/keys", {"x-api-key": OLD}))[0] == 200
    bench.clock.advance(10)
    assert (await bench.ask("/keys", {"x-api-key": OLD}))[0] == 401
    bench.keys = ()
    assert (await bench.ask("/keys", {"x-api-key": ADMIN}))[0] == 401


@pytest.mark.parametrize("local", [True, False])
async def test_before_the_api_is_there_it_asks_for_patience(bench: Bench, local: bool) -> None:  # noqa: FBT001 - a case
    bench.door.api = None
    for path in ("/keys", "/readyz", "/metrics"):
        status, body = await bench.ask(path, local=local)
        assert (status, body["error"]["code"]) == (503, "unavailable")
        assert bench.headers[b"retry-after"] == b"1"
    assert (await bench.ask("/healthz", local=local))[0] == 200


async def test_while_it_drains_it_is_not_ready_but_answers(bench: Bench) -> None:
    bench.door.draining = True
    assert (await bench.ask("/readyz"))[0] == 503
    assert (await bench.ask("/keys", local=True))[0] == 200


@pytest.mark.parametrize(
    "headers", [{"content-length": str((1 << 20) + 1)}, {"transfer-encoding": "chunked"}, {"content-length": "9" * 30}]
)
async def test_a_large_or_endless_body_is_refused(bench: Bench, headers: dict[str, str]) -> None:
    status, body = await bench.ask("/keys", headers, local=True)
    assert (status, body["error"]["code"]) == (413, "too_large")
