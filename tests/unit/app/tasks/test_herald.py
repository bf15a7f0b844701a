"""Whom the herald tells: a real server on this machine, which is no public address."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest

from modelwright.adapters.http.dial import tls_context
from modelwright.adapters.stores.memory_tasks import MemoryTasks
from modelwright.app.tasks.herald import Herald
from modelwright.core.contracts.events import Event, WebhookSent
from modelwright.core.contracts.tasks import TaskRules, WebhookRules
from modelwright.core.identity import Caller
from modelwright.core.ports.clock import ManualClock
from modelwright.core.tasks import rules
from modelwright.core.tasks.task import Principal, Task, Webhook

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


class Site:
    """A herald, a store, and a server that counts who connects."""

    def __init__(self, allow: Sequence[str] = (), *, secret: str = SECRET, attempts: int = 2) -> None:
        self.clock = ManualClock()
        self.tasks = MemoryTasks()
        self.events: list[Event] = []
        self.connected = 0
        self.herald = Herald(
            self.tasks,
            tls=tls_context,
            resolve=lambda _: secret,
            clock=self.clock,
            chance=lambda: 0.5,
            emit=self.events.append,
        )
        told = WebhookRules(secrets=("${secret:HOOK}",), attempts=attempts, timeout=5.0, allow=tuple(allow))
        self.herald.rounds.rules = TaskRules(webhook=told)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    async def tell(self, *urls: str, until: str) -> list[Webhook]:
        """What has become of each, `{port}` standing for the server's, once all are so."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ids = [await self._leave(number, url.format(port=port)) for number, url in enumerate(urls)]
        running = asyncio.get_running_loop().create_task(self.herald.rounds.run())
        try:
            async with asyncio.timeout(30):
                while any(webhook.told != until for webhook in await self._webhooks(ids)):
                    self.clock.advance(60)
                    await asyncio.sleep(0.01)
            return await self._webhooks(ids)
        finally:
            self.herald.rounds.finish()
            await running
            await self.herald.close()
            server.close()

    async def _webhooks(self, ids: Sequence[str]) -> list[Webhook]:
        found = [await self.tasks.find(name) for name in ids]
        return [task.webhook for task in found if task is not None and task.webhook is not None]

    async def _leave(self, number: int, url: str) -> str:
        now = self.clock.now()
        task = Task(
            id=f"task_{number}",
            principal=Principal(caller=Caller(id="abcdefgh")),
            url="/v1/embeddings",
            endpoint="vectors",
            created=now,
            expires=now + 60,
            due=now,
            webhook=Webhook(url=url),
        )
        await self.tasks.add(task, b"{}", most=99)
        await self.tasks.replace(rules.cancelled(task, now=now))
        return task.id


async def test_an_address_that_is_not_public_is_never_connected_to() -> None:
    site = Site()
    hosts = ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1")
    urls = [f"{scheme}://{host}:{{port}}/" for scheme in ("http", "https") for host in hosts]
    found = await site.tell(*urls, until="failed")
    assert site.connected == 0
    assert all("tasks.webhook.allow" in webhook.problem for webhook in found), found
    assert {webhook.attempts for webhook in found} == {2}


async def test_an_address_that_the_manifest_allows_is_told_without_tls() -> None:
    site = Site(["127.0.0.0/8"])
    (told,) = await site.tell("http://127.0.0.1:{port}/hook", until="delivered")
    assert (told.attempts, told.problem, site.connected) == (1, "", 1)
    (event,) = site.events
    assert isinstance(event, WebhookSent)
    assert (event.task, event.result, site.herald.results) == ("task_0", "delivered", {"delivered": 1})


async def test_webhooks_that_the_manifest_has_given_up_are_given_up() -> None:
    site = Site()
    site.herald.rounds.rules = TaskRules()
    (given_up,) = await site.tell("https://127.0.0.1:{port}/", until="failed")
    assert (given_up.attempts, site.connected) == (1, 0)


async def test_a_secret_that_cannot_be_used_costs_no_attempt(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(["127.0.0.0/8"], secret="hunter2")
    told: Any = await site.tell("http://127.0.0.1:{port}/", until="pending")
    running = asyncio.get_running_loop().create_task(site.herald.rounds.run())
    site.herald.rounds.finish()
    await running
    assert (told[0].attempts, site.connected) == (0, 0)
    assert "hunter2" not in caplog.text
