"""Everything that is written down, in PostgreSQL: a question before it is answered, an answer while it is made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import asyncpg

from knowledge_base.corpus import Passage
from knowledge_base.quoting import Source, Turn

CHANNEL = "answers"
HELD = 9.0
"""Seconds that an answer belongs to whoever makes it, since it was last heard of."""
_SHOWN = """
    q.id AS question, q.text AS asked, a.state, a.attempt, a.kind, a.notice, a.sources, a.text, a.score, q.asked_at
"""
_LATE = "state IN ('waiting', 'answering') AND held_until <= now()"


@dataclass(frozen=True, kw_only=True)
class Work:
    """An answer that this process makes."""

    question: UUID
    conversation: UUID
    text: str
    attempt: int


class Taken(Exception):
    """Somebody else makes this answer by now."""


class Store:
    """One per process, over its connections."""

    def __init__(self, pool: asyncpg.Pool, *, worker: UUID) -> None:
        self._pool = pool
        self._worker = worker

    # Passages

    async def lacking(self) -> str:
        """What this database has not, in words; empty when it can be worked with."""
        if not await self._pool.fetchval("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
            return "PostgreSQL has no pgvector: use the image pgvector/pgvector:pg16, or install postgresql-NN-pgvector"
        if not await self._pool.fetchval("SELECT to_regclass('answers')"):
            return "the tables are missing: run `alembic upgrade head`"
        return ""

    async def has(self, edition: str) -> bool:
        """Whether all passages of it are there."""
        return bool(await self._pool.fetchval("SELECT 1 FROM passages WHERE edition = $1 LIMIT 1", edition))

    async def keep(self, edition: str, passages: Sequence[Passage], vectors: Sequence[Sequence[float]]) -> None:
        """All or none; who keeps the same at the same time changes nothing."""
        rows = [
            (edition, p.language, p.name, p.title, p.heading, p.text, json.dumps(list(vector)))
            for p, vector in zip(passages, vectors, strict=True)
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.executemany(
                "INSERT INTO passages VALUES ($1, $2, $3, $4, $5, $6, $7::text::vector) ON CONFLICT DO NOTHING", rows
            )

    async def nearest(self, edition: str, vector: Sequence[float], *, count: int = 12) -> list[Source]:
        """By cosine; a text without any known word is near to nothing."""
        rows = await self._pool.fetch(
            """SELECT language, name, title, heading, text, 1 - (vector <=> $2::text::vector) AS nearness
               FROM passages WHERE edition = $1 ORDER BY vector <=> $2::text::vector, name LIMIT $3""",
            edition,
            json.dumps(list(vector)),
            count,
        )
        return [Source(**row) for row in rows if row["nearness"] == row["nearness"]]

    # Conversations

    async def ask(self, visitor: UUID, conversation: UUID, question: UUID, text: str) -> bool:
        """Write a question down, once, however often it is sent; False if the ids are somebody else's or other words'."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO conversations (id, visitor, title) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                conversation,
                visitor,
                text[:80],
            )
            if not await connection.fetchval(
                "UPDATE conversations SET updated_at = now() WHERE id = $1 AND visitor = $2 RETURNING true",
                conversation,
                visitor,
            ):
                return False
            await connection.execute(
                "INSERT INTO questions (id, conversation, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                question,
                conversation,
                text,
            )
            kept = await connection.fetchval(
                "SELECT text FROM questions WHERE id = $1 AND conversation = $2", question, conversation
            )
            if kept == text:
                await connection.execute("INSERT INTO answers (question) VALUES ($1) ON CONFLICT DO NOTHING", question)
            return kept == text

    async def conversations(self, visitor: UUID) -> list[dict[str, Any]]:
        """The newest ones, last used first."""
        rows = await self._pool.fetch(
            "SELECT id, title, updated_at FROM conversations WHERE visitor = $1 ORDER BY updated_at DESC LIMIT 100",
            visitor,
        )
        return [dict(row) for row in rows]

    async def exchanges(self, visitor: UUID, conversation: UUID) -> list[dict[str, Any]]:
        """Questions with their answers, in the order in which they were asked."""
        rows = await self._pool.fetch(
            f"""SELECT {_SHOWN} FROM questions q JOIN answers a ON a.question = q.id
                JOIN conversations c ON c.id = q.conversation
                WHERE c.id = $1 AND c.visitor = $2 ORDER BY q.number""",
            conversation,
            visitor,
        )
        return [_shown(row) for row in rows]

    async def exchange(self, visitor: UUID, question: UUID, *, after: int = 0) -> dict[str, Any] | None:
        """One of them, its text from a place on."""
        row = await self._pool.fetchrow(
            f"""SELECT {_SHOWN.replace("a.text", "substr(a.text, $3 + 1) AS text")}, length(a.text) AS length
                FROM questions q JOIN answers a ON a.question = q.id JOIN conversations c ON c.id = q.conversation
                WHERE q.id = $1 AND c.visitor = $2""",
            question,
            visitor,
            after,
        )
        return _shown(row) if row else None

    async def forget(self, visitor: UUID, conversation: UUID) -> None:
        """Delete a conversation with all that was said in it."""
        await self._pool.execute("DELETE FROM conversations WHERE id = $1 AND visitor = $2", conversation, visitor)

    async def history(self, work: Work) -> list[Turn]:
        """What was said before a question."""
        rows = await self._pool.fetch(
            """SELECT q.text AS question, a.text AS answer FROM questions q JOIN answers a ON a.question = q.id
               WHERE q.conversation = $1 AND a.state = 'done'
               AND q.number < (SELECT number FROM questions WHERE id = $2) ORDER BY q.number DESC LIMIT 6""",
            work.conversation,
            work.question,
        )
        return [Turn(**row) for row in reversed(rows)]

    # Answers that are made

    async def take(self) -> Work | None:
        """The next one that nobody makes, or whose maker has not been heard of; it begins anew."""
        row = await self._pool.fetchrow(
            f"""UPDATE answers a SET state = 'answering', worker = $1, attempt = attempt + 1, kind = NULL, notice = '',
                    sources = '[]', text = '', call = '', held_until = now() + make_interval(secs => $2)
                FROM questions q WHERE q.id = a.question AND a.question = (
                    SELECT question FROM answers WHERE {_LATE} ORDER BY held_until LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING q.id AS question, q.conversation, q.text, a.attempt""",
            self._worker,
            HELD,
        )
        if row is None:
            return None
        return Work(
            question=row["question"], conversation=row["conversation"], text=row["text"], attempt=row["attempt"]
        )

    async def begin(self, work: Work, *, kind: str, notice: str, sources: Sequence[Source]) -> None:
        """How it will be answered, before its first word. Raises Taken."""
        await self._change(
            work,
            "kind = $4, notice = $5, sources = $6, text = ''",
            kind,
            notice,
            json.dumps([asdict(source) for source in sources]),
        )

    async def add(self, work: Work, piece: str, *, at: int) -> None:
        """The next words, behind so many characters: the same piece twice is there once. Raises Taken."""
        await self._change(work, "text = left(text, $4) || $5", at, piece)

    async def hold(self, work: Work) -> None:
        """It is still being made. Raises Taken."""
        await self._change(work, "state = state")

    async def end(self, work: Work, *, state: str, call: str) -> None:
        """It is whole, or given up. Raises Taken."""
        await self._change(work, "state = $4, call = $5, ended_at = now()", state, call)

    async def release(self, work: Work, *, seconds: float) -> None:
        """Somebody else, or this process later, makes it anew. Raises Taken."""
        await self._change(work, "state = 'waiting', held_until = now() + make_interval(secs => $4)", seconds)

    async def again(self, visitor: UUID, question: UUID) -> None:
        """Make an answer anew that was given up."""
        await self._pool.execute(
            """UPDATE answers a SET state = 'waiting', held_until = now()
               FROM questions q JOIN conversations c ON c.id = q.conversation
               WHERE q.id = a.question AND a.question = $1 AND c.visitor = $2 AND a.state = 'failed'""",
            question,
            visitor,
        )

    # Feedback

    async def judge(self, visitor: UUID, question: UUID, score: int) -> bool:
        """Write down what somebody thought of an answer; False when there is no such answer of theirs."""
        return bool(
            await self._pool.fetchval(
                """UPDATE answers a SET score = $3, told = (a.call = '')
                   FROM questions q JOIN conversations c ON c.id = q.conversation
                   WHERE q.id = a.question AND a.question = $1 AND c.visitor = $2 AND a.state = 'done' RETURNING true""",
                question,
                visitor,
                score,
            )
        )

    async def untold(self) -> Sequence[Mapping[str, Any]]:
        """Feedback that the gateway does not know of yet."""
        return await self._pool.fetch("SELECT question, call, score FROM answers WHERE NOT told LIMIT 20")

    async def told(self, question: UUID, score: int) -> None:
        """It does now."""
        await self._pool.execute("UPDATE answers SET told = true WHERE question = $1 AND score = $2", question, score)

    async def _change(self, work: Work, what: str, *values: Any) -> None:
        held = "" if "held_until" in what else f", held_until = now() + make_interval(secs => {HELD})"
        if not await self._pool.fetchval(
            f"""UPDATE answers SET {what}{held} WHERE question = $1 AND attempt = $2 AND worker = $3
                AND state = 'answering' RETURNING true""",
            work.question,
            work.attempt,
            self._worker,
            *values,
        ):
            raise Taken


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "sources": json.loads(row["sources"])}
