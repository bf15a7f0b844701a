"""One connection to Redis on which the commands of many calls travel together; late answers count as none.

It knows scripts and replies, not what they mean. What may be lost is asked for, what may not is posted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, TypeAlias, cast

from hiredis import pack_command
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from modelwright.core.addresses import at_node

MERCY = 0.005
"""Seconds more in which an answer that has come already is read: the delay may have been our own."""
OPENING = 1.0
"""Seconds that connecting may take; only the first time do calls wait for it."""
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between two tries to connect again."""
TOGETHER = 64
"""Commands that are sent as one piece."""
HOPS = 5
"""Nodes of a cluster that may point to each other before that counts as a failure."""
POSTED = 100_000
"""Commands kept while Redis is away; past it the oldest are given up."""

Command: TypeAlias = tuple[str, Sequence[str], Sequence[str | int]]
"""(script, keys, arguments)."""
_Asked: TypeAlias = "tuple[Command, asyncio.Future[Any]]"
_PASSING = (AskError, ClusterDownError, NoScriptError, ReadOnlyError, TryAgainError)
"""Refusals of a node that will take the same command again after a while, or that another node has replaced."""
log = logging.getLogger("modelwright.limits")

_pack = cast("Callable[[tuple[str | int, ...]], bytes]", pack_command)
"""redis-py's own packing is Python's, and took half of the time of a command; hiredis types it as of one item."""


class AwayError(Exception):
    """There is no answer; `sent` says whether the command may have been run, or may still be."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("Redis is away")
        self.sent = sent


class Line:
    """Breaks at the first late answer: from then on every question is answered `AwayError` at once."""

    def __init__(self, url: str, *, scripts: Mapping[str, str], probe: str, patience: float) -> None:
        """`patience`: seconds within which Redis answers, or it counts as away. `probe` is a key of the slot that all
        keys have: in a cluster it says which node to speak to. Raises ValueError for no address.
        """
        self.patience = patience
        self._home = self._url = url
        self._others: tuple[str, ...] = ()
        """URLs of the cluster's nodes, to be asked when the one in use is lost."""
        self._tries = 0
        self._probe = probe
        self._pool = _pool(url)
        try:
            self._pool.make_connection()
        except TypeError as error:
            raise ValueError(f"an option of the address is not known: {error}") from None
        self._scripts = scripts
        self._digests = {name: _digest(text) for name, text in scripts.items()}
        self._connection: AbstractConnection | None = None
        self._asked: deque[_Asked] = deque()
        self._posted: deque[Command] = deque(maxlen=POSTED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = False
        self._opened = False
        self._told = False
        self._closed = False
        self.breaks = 0
        """How often it broke."""

    @property
    def up(self) -> bool:
        """Whether Redis answers, as far as is known."""
        return self._connection is not None

    def ask(self, command: Command) -> asyncio.Future[Any]:
        """The reply to come; AwayError when there is none in time."""
        future = asyncio.get_running_loop().create_future()
        if self._closed or (self._opened and self._connection is None):
            future.set_exception(AwayError(sent=False))
            return future
        self._asked.append((command, future))
        self._go()
        return future

    def post(self, command: Command) -> None:
        """Deliver it, now or when Redis is back; more than once when an answer was lost."""
        self._posted.append(command)
        self._go()

    def open(self) -> None:
        """Connect, if nobody has yet."""
        self._go()

    async def close(self) -> None:
        """Deliver what is posted if that takes no time, and let go."""
        if self._connection is not None and self._tasks:
            await asyncio.wait(self._tasks, timeout=OPENING)
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._break(())
        await self._pool.aclose()

    def _go(self) -> None:
        if not self._busy and not self._closed:
            self._busy = True
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """Connect if need be, and send until nothing is left."""
        try:
            while self._connection is None or self._asked or self._posted:
                if self._connection is None:
                    await self._connect()
                else:
                    await self._turn()
        finally:
            self._busy = False

    async def _connect(self) -> None:
        """Until it succeeds."""
        hops = 0
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            connection = self._pool.make_connection()
            try:
                async with asyncio.timeout(OPENING):
                    await connection.connect()
                    await self._prepare(connection)
            except (RedisError, OSError, TimeoutError) as error:
                await connection.disconnect(nowait=True)
                hops += 1
                if isinstance(error, MovedError) and hops <= HOPS:
                    self._turn_to(at_node(self._url, error.host, error.port))
                    continue
                self._tell("Redis cannot be reached, limits follow the rule for that: %s", error)
                self._opened = True
                self._fail(self._asked, sent=False)
                self._tries += 1
                known = (self._home, *self._others)
                self._turn_to(known[self._tries % len(known)])
                await asyncio.sleep(pause)
            else:
                self._connection, self._opened = connection, True
                if self._told:
                    log.warning("Redis keeps the limits again")
                self._told = False
                return

    async def _prepare(self, connection: AbstractConnection) -> None:
        """Find out whether this is the node that keeps the limits, and hand it the scripts; raises RedisError."""
        await _asked_of(connection, "PEXPIRE", self._probe, 1)
        for text in self._scripts.values():
            await _asked_of(connection, "SCRIPT", "LOAD", text)
        try:
            slots: Any = await _asked_of(connection, "CLUSTER", "SLOTS")
        except ResponseError:  # it is no cluster, or this is not told to everybody
            return
        nodes = [node for slot in slots for node in slot[2:]]
        self._others = tuple({at_node(self._url, _text(node[0]), int(node[1])): None for node in nodes})

    def _turn_to(self, url: str) -> None:
        if url != self._url:
            self._url, self._pool = url, _pool(url)

    async def _turn(self) -> None:
        """Send what has gathered and hand out the replies, or break."""
        asked = [self._asked.popleft() for _ in range(min(len(self._asked), TOGETHER))]
        posted = [self._posted.popleft() for _ in range(min(len(self._posted), TOGETHER))]
        commands = [*posted, *(command for command, _ in asked)]  # what was given back is there for the next
        try:
            replies = await self._within_deadline(commands)
        except (RedisError, OSError, TimeoutError, asyncio.CancelledError) as error:
            self._posted.extendleft(reversed(posted))
            self._break(asked)
            if self._closed:
                raise
            self._tell("Redis does not answer, limits follow the rule for that: %s", error)
            return
        moved = next((reply for reply in replies if isinstance(reply, MovedError)), None)
        if moved is not None:
            await self._follow(moved, posted, asked, replies=replies)
        for (_, future), reply in zip(asked, replies[len(posted) :], strict=True):
            if future.done() or isinstance(reply, MovedError):
                continue
            if isinstance(reply, ResponseError):
                future.set_exception(AwayError(sent=False))
            else:
                future.set_result(reply)

    async def _follow(
        self, moved: MovedError, posted: Sequence[Command], asked: Sequence[_Asked], *, replies: Sequence[Any]
    ) -> None:
        """Another node keeps the limits now: what this one did not run is sent there; calls wait as long as ever."""
        of_posted, of_asked = replies[: len(posted)], replies[len(posted) :]
        again = [one for one, reply in zip(posted, of_posted, strict=True) if isinstance(reply, MovedError)]
        self._posted.extendleft(reversed(again))
        waiting = [one for one, reply in zip(asked, of_asked, strict=True) if isinstance(reply, MovedError)]
        self._asked.extendleft(reversed(waiting))
        connection, self._connection, self._opened = self._connection, None, False
        if connection is not None:
            await connection.disconnect(nowait=True)
        self._turn_to(at_node(self._url, moved.host, moved.port))
        asyncio.get_running_loop().call_later(self.patience + MERCY, self._wait_no_more)

    def _wait_no_more(self) -> None:
        if self._connection is None:
            self._opened = True
            self._fail(self._asked, sent=False)

    async def _within_deadline(self, commands: Sequence[Command]) -> list[Any]:
        connection, task = self._connection, asyncio.current_task()
        if connection is None or task is None:
            raise ConnectionError
        loop = asyncio.get_running_loop()
        late = False

        def cut() -> None:
            nonlocal late
            late = True
            task.cancel()

        def look_again() -> None:
            nonlocal timer
            timer = loop.call_later(MERCY, cut)

        timer = loop.call_later(self.patience, look_again)
        try:
            packed = b"".join(
                _pack(("EVALSHA", self._digests[name], len(keys), *keys, *args)) for name, keys, args in commands
            )
            await connection.send_packed_command(packed, check_health=False)
            return [await self._reply(connection) for _ in commands]
        except asyncio.CancelledError:
            if late:
                task.uncancel()
                raise TimeoutError("it is late") from None
            raise
        finally:
            timer.cancel()

    async def _reply(self, connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response()
        except MovedError as error:
            return error
        except _PASSING:
            raise
        except ResponseError as error:
            self._tell("Redis refuses what limits need: %s", error)
            return error

    def _tell(self, words: str, error: BaseException) -> None:
        """Once per outage."""
        if not self._told:
            log.error(words, error)
        self._told = True

    def _break(self, asked: Sequence[_Asked]) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self.breaks += 1
            task = asyncio.get_running_loop().create_task(connection.disconnect(nowait=True))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._fail(deque(asked), sent=True)
        self._fail(self._asked, sent=False)

    def _fail(self, asked: deque[_Asked], *, sent: bool) -> None:
        while asked:
            _, future = asked.popleft()
            if not future.done():
                future.set_exception(AwayError(sent=sent))


def _pool(url: str) -> ConnectionPool:
    return ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=OPENING)


async def _asked_of(connection: AbstractConnection, *words: str | int) -> Any:
    await connection.send_command(*words)
    return await connection.read_response()


def _text(text: bytes | str | None) -> str:
    """A host as Redis tells it; nothing when it does not know its own."""
    return text.decode() if isinstance(text, bytes) else text or ""


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
