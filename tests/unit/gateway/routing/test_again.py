"""The pure rules of trying again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.snapshot import Retries
from modelwright.core.errors.calls import (
    CallError,
    Draining,
    EngineFailed,
    LedgerUnavailable,
    Malformed,
    ModelUnavailable,
    Overloaded,
    Stopped,
    Unprocessable,
)
from modelwright.core.errors.providers import (
    ProviderAuth,
    ProviderError,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamTruncated,
)
from modelwright.gateway.routing.again import (
    BUDGET_RESERVE,
    BUDGET_SHARE,
    RetryBudget,
    pause,
    verdict,
    verdict_of_status,
)
from modelwright.gateway.routing.keyring import LONGEST_REST, REFUSED_REST, KeyRing


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (ProviderUnreachable("x"), 0, "again"),
        (ProviderTimeout("x"), 408, "again"),
        (ProviderRateLimited("x"), 429, "again"),
        (UpstreamTruncated("x"), 0, "again"),
        (ProviderError("x"), 500, "again"),
        (ProviderError("x"), 503, "again"),
        (ProviderError("x"), 409, "again"),
        (ProviderError("unreadable"), 0, "again"),
        (ModelUnavailable("x"), 0, "again"),
        (Overloaded("x"), 0, "again"),
        (ProviderError("x"), 501, "elsewhere"),
        (ProviderError("x"), 302, "elsewhere"),
        (ProviderError("x"), 451, "elsewhere"),
        (ProviderAuth("x"), 401, "elsewhere"),
        (EngineFailed("x"), 0, "elsewhere"),
        (Malformed("x"), 0, "never"),
        (Unprocessable("x"), 0, "never"),
        (LedgerUnavailable("x"), 0, "never"),
        (Stopped("x"), 0, "never"),
        (Draining("x"), 0, "never"),
        (CallError("a defect"), 0, "never"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_is_the_clients_never(
    error: CallError, status: int, expected: str
) -> None:
    assert verdict(error, status) == expected


def test_a_worker_of_ours_that_says_no_is_judged_by_its_status() -> None:
    found = {status: verdict_of_status(status) for status in (400, 422, 429, 500, 503)}
    assert found == {400: "never", 422: "never", 429: "again", 500: "elsewhere", 503: "again"}


RULES = st.builds(Retries, attempts=st.integers(0, 10), backoff=st.floats(0.01, 2), longest=st.floats(0.01, 20))


@given(rule=RULES, number=st.integers(0, 200), chance=st.floats(0, 1, exclude_max=True), asked=st.floats(0, 100))
def test_waits_are_bounded_and_never_shorter_than_asked(
    rule: Retries, number: int, chance: float, asked: float
) -> None:
    wait = pause(rule, number, chance=chance)
    assert 0 <= wait <= min(rule.longest, rule.backoff * 2.0 ** min(number, 60))
    assert pause(rule, number, chance=chance, retry_after=asked) == wait + asked


def test_jitter_is_full_and_the_bound_doubles() -> None:
    rule = Retries(attempts=3, backoff=0.5, longest=3.0)
    assert [pause(rule, number, chance=0.5) for number in range(4)] == [0.25, 0.5, 1.0, 1.5]
    assert pause(rule, 0, chance=0.0) == 0.0


@given(st.lists(st.booleans(), max_size=400))
def test_retries_stay_within_their_share_of_the_requests(requests: list[bool]) -> None:
    """True: a request goes out; False: one wants to be tried again."""
    budget, sent, again = RetryBudget(), 0, 0
    for request in requests:
        if request:
            sent += 1
            budget.earn()
        else:
            again += budget.spend()
        assert again <= BUDGET_RESERVE + BUDGET_SHARE * sent + 1e-6


def test_an_outage_costs_a_fifth_on_top() -> None:
    budget = RetryBudget()
    again = 0
    for _ in range(1000):
        budget.earn()
        again += budget.spend() + budget.spend()
    assert 200 <= again <= 200 + BUDGET_RESERVE


def test_keys_take_turns_and_a_refused_one_rests() -> None:
    ring = KeyRing(["a", "b", "c"])
    assert [ring.take(0.0) for _ in range(4)] == ["a", "b", "c", "a"]
    ring.refused("b", error=ProviderRateLimited("x", retry_after=20.0), now=0.0)
    ring.refused("c", error=ProviderAuth("x"), now=0.0)
    ring.refused("a", error=ProviderError("x"), now=0.0)
    assert [ring.take(19.0) for _ in range(3)] == ["a", "a", "a"]
    assert ring.awake(19.0) == 1
    assert {ring.take(20.0) for _ in range(3)} == {"a", "b"}
    assert {ring.take(REFUSED_REST) for _ in range(3)} == {"a", "b", "c"}


def test_when_all_keys_rest_the_first_to_wake_is_used() -> None:
    ring = KeyRing(["a", "b"])
    ring.refused("a", error=ProviderRateLimited("x", retry_after=1e9), now=0.0)
    ring.refused("b", error=ProviderRateLimited("x"), now=0.0)
    assert ring.awake(0.5) == 0
    assert [ring.take(0.5) for _ in range(2)] == ["b", "b"]
    assert ring.awake(LONGEST_REST) == 2


def test_one_key_and_none_need_no_turns() -> None:
    assert (KeyRing(["a"]).take(0.0), KeyRing().take(0.0)) == ("a", "")
