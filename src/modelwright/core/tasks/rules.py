"""The life of a task: which change may follow which, and when it is tried again; pure, no clock and no die of its own.

queued ──begin──▶ running ──answered──▶ succeeded | failed
  ▲  │               │
  │  └─cancel,expire─┼─cancel, expire──▶ cancelled | expired
  └──────────────────┘ answered with "later", broken off, or nobody was there to be asked
"""

from __future__ import annotations

import msgspec

from modelwright.core.tasks.task import (
    CANCELLED,
    ENDED,
    EXPIRED,
    FAILED,
    PENDING,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Answer,
    Task,
    Webhook,
)

LATER = frozenset({429, 503, 529})
"""Answers that ask to come again: a limit, a budget, a bound, a model or a provider that is away for now."""
MOST_LOSSES = 5
"""Attempts that may break off: a task at which a gateway dies must not kill it for ever."""
MOST_CALLS = 20
"""Ids of calls that are kept; `attempts` counts them all."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
FIRST_NOTICE = 2.0
LONGEST_NOTICE = 3600.0


def begin(task: Task, *, call: str, worker: str, now: float, host: str = "") -> Task:
    """Its call is about to be made, under this id and by this worker."""
    _check(task, QUEUED)
    return _changed(
        task,
        status=RUNNING,
        due=None,
        started=now,
        attempts=task.attempts + 1,
        calls=(*task.calls, call)[-MOST_CALLS:],
        worker=worker,
        host=host,
    )


def answered(task: Task, answer: Answer, *, now: float, chance: float) -> Task:
    """An answer came: the end, unless it asks to come again within the time that is left; `chance` is from [0, 1)."""
    _check(task, RUNNING)
    known = msgspec.structs.replace(task, worker="", answer=answer)
    if 200 <= answer.status < 300:
        return _ended(known, SUCCEEDED, now=now)
    if answer.status in LATER:
        wait = max(answer.retry_after or 0.0, backoff(task.attempts, chance, first=FIRST_WAIT, longest=LONGEST_WAIT))
        if now + wait < task.expires:
            return _changed(known, status=QUEUED, due=now + wait)
    return failed(known, now=now, error=answer.code or "refused", problem=f"the call was answered {answer.status}")


def failed(task: Task, *, now: float, error: str, problem: str) -> Task:
    """It cannot come to anything."""
    _check(task, RUNNING)
    return _ended(task, FAILED, now=now, error=error, problem=problem)


def lost(task: Task, *, now: float, chance: float, problem: str) -> Task:
    """The call broke off without an answer; whoever made it may be at it still, so that only they are asked again."""
    _check(task, RUNNING)
    losses = task.losses + 1
    if losses >= MOST_LOSSES:
        return failed(
            msgspec.structs.replace(task, losses=losses),
            now=now,
            error="broken_off",
            problem=f"{losses} attempts broke off: {problem}",
        )
    wait = backoff(losses, chance, first=FIRST_WAIT, longest=LONGEST_WAIT)
    return _changed(task, status=QUEUED, due=min(now + wait, task.expires), losses=losses)


def unmade(task: Task, *, until: float) -> Task:
    """No call was made after all: an earlier one of the same task goes on where nobody waits for it."""
    _check(task, RUNNING)
    attempts, calls = task.attempts - 1, task.calls[:-1]
    return _changed(task, status=QUEUED, due=min(until, task.expires), attempts=attempts, calls=calls)


def resumed(task: Task, *, now: float, is_elsewhere: bool = False) -> Task:
    """Whoever waited for its answer has died; no fault of the task. Of another host nobody is there to be asked."""
    _check(task, RUNNING)
    return _changed(task, status=QUEUED, due=now, worker="" if is_elsewhere else task.worker)


def put_off(task: Task, *, until: float) -> Task:
    """Nobody could be asked: no attempt was made."""
    _check(task, QUEUED)
    return _changed(task, due=min(until, task.expires))


def cancelled(task: Task, *, now: float) -> Task:
    """Its owner does not want it any more."""
    _check(task, QUEUED, RUNNING)
    return _ended(task, CANCELLED, now=now, error="cancelled", problem="it was cancelled")


def expired(task: Task, *, now: float) -> Task:
    """Its time is over."""
    _check(task, QUEUED, RUNNING)
    return _ended(task, EXPIRED, now=now, error="expired", problem="it came to no answer in its time")


def telling(task: Task, *, until: float) -> Task:
    """Its end is about to be told; who does not hear of the outcome by then may tell it again."""
    _pending(task)
    return _changed(task, due=until)


def told(task: Task, *, now: float, chance: float, problem: str, final: bool, most: int) -> Task:
    """Its end was told, or could not be (`problem`); `final`: whoever was told does not want to hear it again."""
    webhook = _pending(task)
    attempts = webhook.attempts + 1
    if not problem:
        state, due = "delivered", None
    elif final or attempts >= most:
        state, due = "failed", None
    else:
        state, due = PENDING, now + backoff(attempts, chance, first=FIRST_NOTICE, longest=LONGEST_NOTICE)
    return _changed(
        task, due=due, webhook=msgspec.structs.replace(webhook, told=state, attempts=attempts, problem=problem)
    )


def backoff(times: int, chance: float, *, first: float, longest: float) -> float:
    """Full jitter: somewhere below a bound that doubles, but never nothing."""
    bound = min(longest, first * 2.0 ** min(times - 1, 30))
    return max(bound * chance, min(first, bound) / 10)


def _ended(task: Task, status: str, *, now: float, error: str = "", problem: str = "") -> Task:
    webhook = task.webhook
    if webhook is not None:
        webhook = msgspec.structs.replace(webhook, told=PENDING)
    return _changed(
        task,
        status=status,
        ended=now,
        due=None if webhook is None else now,
        worker="",
        error=error,
        problem=problem,
        webhook=webhook,
    )


def _pending(task: Task) -> Webhook:
    _check(task, *ENDED)
    if task.webhook is None or task.webhook.told != PENDING:
        raise ValueError(f"{task.id}: there is nothing to tell")
    return task.webhook


def _changed(task: Task, **changes: object) -> Task:
    return msgspec.structs.replace(task, revision=task.revision + 1, **changes)


def _check(task: Task, *allowed: str) -> None:
    if task.status not in allowed:
        raise ValueError(f"{task.id} is {task.status}, and that would want it to be {' or '.join(allowed)}")
