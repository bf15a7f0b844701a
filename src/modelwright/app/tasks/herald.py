"""Tells the ends of tasks to whoever wanted to hear them: signed, until they are heard, at public addresses alone."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from modelwright.adapters.http.dial import Address, system_resolve
from modelwright.adapters.http.pool import Pool
from modelwright.app.tasks.rounds import TICK, TROUBLE, Rounds, told
from modelwright.core.addresses import is_allowed, may_be_reached
from modelwright.core.contracts.events import Event, WebhookSent
from modelwright.core.contracts.tasks import TaskRules, WebhookRules
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest
from modelwright.core.tasks import rules
from modelwright.core.tasks.signature import read_secret, signatures
from modelwright.core.tasks.store import TaskQueue
from modelwright.core.tasks.task import ENDED, Task, Webhook
from modelwright.core.tasks.view import end_event

MARGIN = 5.0
"""Seconds that are waited for whoever tells an end, beyond twice its time, before it is told again."""
MOST = 8
"""Ends that are told at once."""
READ = 64 << 10
"""Bytes of a receiver's answer that are read, and thrown away."""
GONE = 410
"""A receiver that answers so wants to hear no more."""
_PORTS = {"http": 80, "https": 443}

log = logging.getLogger("modelwright.tasks")


class Herald:
    """One per installation, beside the runner."""

    def __init__(
        self,
        queue: TaskQueue,
        *,
        tls: Callable[[], ssl.SSLContext],
        resolve: Callable[[str], str],
        clock: Clock,
        chance: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """`resolve` fills in a reference to a secret, and raises StartError."""
        self.rounds = Rounds(self._round, what="ends of tasks cannot be told")
        self.results: Counter[str] = Counter()
        """Attempts by how they ended."""
        self._queue = queue
        self._resolve = resolve
        self._now = clock.now
        self._chance = chance
        self._emit = emit
        self._sealed: Transport = Pool(tls=tls, resolve=self._public)
        self._plain: Transport = Pool(resolve=self._allowed)
        self._telling = self.rounds.works

    async def close(self) -> None:
        """Close every connection."""
        await self._sealed.close()
        await self._plain.close()

    def heard(self, task: Task) -> None:
        """A task has changed."""
        if task.webhook is not None and task.status in ENDED:
            self.rounds.wake()

    async def _round(self, known: TaskRules) -> None:
        found = await self._queue.due(ENDED, now=self._now(), most=MOST) if len(self._telling) < MOST else ()
        fresh = [task for task in found if task.id not in self._telling][: MOST - len(self._telling)]
        if not fresh:
            return
        keys = [read_secret(self._resolve(text)) for text in known.webhook.secrets] if known.webhook else []
        for task in fresh:
            self.rounds.begin(task.id, self._live(task, known.webhook, keys))

    async def _live(self, task: Task, known: WebhookRules | None, keys: Sequence[bytes]) -> None:
        try:
            within = known.timeout if known is not None else TICK
            mine = rules.telling(task, until=self._now() + 2 * within + MARGIN)
            if mine.webhook is None or not await self._queue.replace(mine):
                return
            if known is None:
                problem, final, most = "the manifest names no webhooks any more", True, 1
            else:
                most = known.attempts
                problem, final = await self._tell(mine, mine.webhook, known, keys=keys)
            after = rules.told(mine, now=self._now(), chance=self._chance(), problem=problem, final=final, most=most)
            if await self._queue.replace(after):
                self._count(after)
        except TROUBLE as error:
            log.warning("what became of %s's webhook cannot be kept, it is told again: %s", task.id, told(error))
        except Exception:
            log.exception("the end of %s could not be told, by a mistake of ours", task.id)

    async def _tell(
        self, task: Task, webhook: Webhook, known: WebhookRules, *, keys: Sequence[bytes]
    ) -> tuple[str, bool]:
        """(what went wrong, whether it will go wrong for ever)."""
        parts = urlsplit(webhook.url)
        origin = Origin(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or _PORTS[parts.scheme])
        body, timestamp = end_event(task), int(self._now())
        request = UpstreamRequest(
            origin=origin,
            method="POST",
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers=(
                (b"content-type", b"application/json"),
                (b"user-agent", b"modelwright"),
                (b"webhook-id", task.id.encode()),
                (b"webhook-timestamp", str(timestamp).encode()),
                (
                    b"webhook-signature",
                    signatures(keys, message=task.id, timestamp=timestamp, body=body).encode(),
                ),
            ),
            body=body,
        )
        within = known.timeout
        try:
            async with asyncio.timeout(within):
                transport = self._sealed if parts.scheme == "https" else self._plain
                answer = await transport.send(request, Deadlines(connect=within, first_byte=within, idle=within))
                status = answer.status
                with suppress(CallError):  # whatever else it says: so its connection can be used again
                    await answer.read(READ)
        except TimeoutError:
            return f"it did not answer within {within:g} s", False
        except CallError as error:
            return error.message[:200], False
        if 200 <= status < 300:
            return "", False
        if status == GONE:
            return "it answered 410: it wants to hear no more", True
        return f"it answered {status}" + ("; redirects are not followed" if 300 <= status < 400 else ""), False

    async def _public(self, host: str, port: int) -> Sequence[Address]:
        return self._fit(await system_resolve(host, port), may_be_reached, "it is in no public network")

    async def _allowed(self, host: str, port: int) -> Sequence[Address]:
        problem = "without TLS it must be in a network that the manifest allows"
        return self._fit(await system_resolve(host, port), is_allowed, problem)

    def _fit(self, found: Sequence[Address], fits: Callable[..., bool], problem: str) -> Sequence[Address]:
        """These very addresses are connected to: nobody can give another one in between."""
        known = self.rounds.rules.webhook if self.rounds.rules is not None else None
        networks = [ipaddress.ip_network(network) for network in known.allow] if known is not None else []
        fit = [each for each in found if fits(str(each[4][0]), networks)]
        if not fit:
            raise OSError(f"{problem} (tasks.webhook.allow)")
        return fit

    def _count(self, task: Task) -> None:
        webhook = task.webhook
        if webhook is None:
            return
        self.results[webhook.told] += 1
        self._emit(
            WebhookSent(
                at=self._now(),
                task=task.id,
                tenant=task.tenant,
                attempt=webhook.attempts,
                result=webhook.told,
                problem=webhook.problem,
            )
        )
