"""The life of a task, by its rules: whatever happens in whichever order, it ends once and stays within its bounds."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.identity import Caller
from modelwright.core.tasks import rules
from modelwright.core.tasks.task import ENDED, PENDING, QUEUED, RUNNING, Answer, Principal, Task, Webhook

NOW = 1_700_000_000.0


def task(**changes: Any) -> Task:
    made = Task(
        id="task_a",
        principal=Principal(caller=Caller(id="abcdefgh", tenant="acme")),
        url="/v1/embeddings",
        endpoint="vectors",
        created=NOW,
        expires=NOW + 3600,
        due=NOW,
    )
    return msgspec.structs.replace(made, **changes)


def running(**changes: Any) -> Task:
    return rules.begin(task(**changes), call="call-1", worker="gateway-0", now=NOW)


def test_an_answer_ends_it() -> None:
    done = rules.answered(running(), Answer(status=200), now=NOW + 2, chance=0.5)
    assert (done.status, done.ended, done.due, done.error) == ("succeeded", NOW + 2, None, "")
    refused = rules.answered(running(), Answer(status=404, code="unknown_endpoint"), now=NOW + 2, chance=0.5)
    assert (refused.status, refused.error) == ("failed", "unknown_endpoint")
    broken = rules.answered(running(), Answer(status=502), now=NOW + 2, chance=0.5)
    assert (broken.status, broken.error) == ("failed", "refused"), "the endpoint's retries have tried it already"


@pytest.mark.parametrize("status", sorted(rules.LATER))
def test_an_answer_that_says_later_puts_it_off(status: int) -> None:
    later = rules.answered(running(), Answer(status=status, retry_after=30.0), now=NOW, chance=0.0)
    assert (later.status, later.due, later.worker) == (QUEUED, NOW + 30, "")
    soon = rules.answered(running(), Answer(status=status), now=NOW, chance=0.0)
    assert soon.due is not None
    assert NOW < soon.due <= NOW + 1


def test_later_than_its_deadline_is_never() -> None:
    never = rules.answered(
        running(), Answer(status=429, retry_after=7200.0, code="budget_exhausted"), now=NOW, chance=0.0
    )
    assert (never.status, never.error) == ("failed", "budget_exhausted")


def test_attempts_that_break_off_are_bounded_and_stay_with_their_worker() -> None:
    found = task()
    for number in range(1, rules.MOST_LOSSES):
        begun = rules.begin(found, call=f"call-{number}", worker="gateway-1", now=NOW)
        found = rules.lost(begun, now=NOW, chance=0.5, problem="it died")
        assert (found.status, found.worker) == (QUEUED, "gateway-1")
    last = rules.lost(rules.begin(found, call="x", worker="gateway-1", now=NOW), now=NOW, chance=0.5, problem="died")
    assert (last.status, last.error, last.attempts) == ("failed", "broken_off", rules.MOST_LOSSES)
    again = rules.resumed(running(), now=NOW + 5)
    assert (again.status, again.due, again.losses, again.worker) == (QUEUED, NOW + 5, 0, "gateway-0")


def test_an_end_is_told_until_somebody_has_heard_it() -> None:
    ended = rules.cancelled(task(webhook=Webhook(url="https://example.com")), now=NOW)
    assert (ended.due, ended.webhook and ended.webhook.told) == (NOW, PENDING)
    again = rules.told(ended, now=NOW, chance=1.0, problem="503", final=False, most=3)
    assert again.webhook == Webhook(url="https://example.com", told=PENDING, attempts=1, problem="503")
    assert again.due == NOW + rules.FIRST_NOTICE
    heard = rules.told(again, now=NOW, chance=1.0, problem="", final=False, most=3)
    assert (heard.due, heard.webhook and heard.webhook.told) == (None, "delivered")
    gone = rules.told(again, now=NOW, chance=1.0, problem="410", final=True, most=3)
    assert (gone.due, gone.webhook and gone.webhook.told) == (None, "failed")
    with pytest.raises(ValueError, match="nothing to tell"):
        rules.told(heard, now=NOW, chance=1.0, problem="", final=False, most=3)


def test_nobody_is_told_where_nobody_asked() -> None:
    assert rules.expired(task(), now=NOW).due is None


@given(times=st.integers(1, 500), chance=st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_nothing_and_never_past_its_bound(times: int, chance: float) -> None:
    wait = rules.backoff(times, chance, first=1.0, longest=60.0)
    assert 0.1 <= wait <= min(60.0, 2.0 ** (times - 1))


EVENTS: dict[str, Callable[[Task, float, float], Task]] = {
    "begin": lambda t, now, _: rules.begin(t, call=f"call-{t.attempts}", worker="gateway-0", now=now),
    "good": lambda t, now, die: rules.answered(t, Answer(status=200), now=now, chance=die),
    "bad": lambda t, now, die: rules.answered(t, Answer(status=400), now=now, chance=die),
    "later": lambda t, now, die: rules.answered(t, Answer(status=429, retry_after=die * 900), now=now, chance=die),
    "too much": lambda t, now, _: rules.failed(t, now=now, error="too_large", problem="…"),
    "lost": lambda t, now, die: rules.lost(t, now=now, chance=die, problem="…"),
    "resumed": lambda t, now, _: rules.resumed(t, now=now),
    "unmade": lambda t, now, die: rules.unmade(t, until=now + die * 9000),
    "put off": lambda t, now, die: rules.put_off(t, until=now + die * 9000),
    "cancel": lambda t, now, _: rules.cancelled(t, now=now),
    "expire": lambda t, now, _: rules.expired(t, now=now),
    "telling": lambda t, now, die: rules.telling(t, until=now + die * 60),
    "heard": lambda t, now, die: rules.told(t, now=now, chance=die, problem="", final=False, most=4),
    "unheard": lambda t, now, die: rules.told(t, now=now, chance=die, problem="…", final=False, most=4),
}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.floats(0, 1, exclude_max=True)), max_size=60),
    st.sampled_from(["", "https://example.com"]),
)
def test_whatever_happens_a_task_ends_once_and_stays_within_its_bounds(
    events: list[tuple[str, float]], url: str
) -> None:
    found, now = task(webhook=Webhook(url=url) if url else None), NOW
    for name, die in events:
        now += die * 10
        before = found
        try:
            found = EVENTS[name](found, now, die)
        except ValueError:
            assert found is before, "what may not happen changes nothing"
            continue
        assert found.revision == before.revision + 1
        assert before.status not in ENDED or found.status == before.status
        assert (found.ended is None) == (found.status not in ENDED)
        assert found.attempts >= before.attempts - (name == "unmade")
        assert found.losses < rules.MOST_LOSSES or found.status in ENDED
        assert len(found.calls) <= min(found.attempts, rules.MOST_CALLS)
        if found.status == RUNNING:
            assert found.due is None
        elif found.status == QUEUED:
            assert found.due is not None
            assert found.due <= found.expires
        else:
            pending = found.webhook is not None and found.webhook.told == PENDING
            assert (found.due is not None) == pending
        assert found.webhook is None or found.webhook.attempts <= 4
