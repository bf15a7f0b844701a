"""What is seen of variants: whose fault counts, money stays exact, and nothing is made up."""

from modelwright.core.experiments.observations import Seen, observe


def seen(variant: str = "a", outcome: str = "ok", **fields: object) -> Seen:
    return Seen(variant=variant, outcome=outcome, latency_ms=fields.pop("latency_ms", 10.0), **fields)  # type: ignore[arg-type]


def test_only_ends_that_speak_against_the_variant_are_failures() -> None:
    ends = (
        "ok",
        "refused",
        "guard_blocked",
        "client_disconnect",
        "provider_refused",
        "provider_timeout",
        "upstream_stalled",
        "unresolved",
    )
    (found,) = observe([seen(outcome=end) for end in ends])
    assert (found.calls, found.failures) == (8, 3)


def test_costs_are_exact_and_by_currency() -> None:
    rows = [seen(cost="0.1", currency="USD"), seen(cost="0.2", currency="USD"), seen(cost="7", currency="CNY"), seen()]
    (found,) = observe(rows)
    assert found.cost == {"USD": "0.3", "CNY": "7"}
    assert found.unpriced == 1


def test_named_variants_come_first_and_without_calls_they_have_no_figures() -> None:
    named, other = observe([seen("old")], ("new",))
    assert (named.variant, named.calls, named.failure_share, named.latency_p50_ms, named.score) == (
        "new",
        0,
        None,
        None,
        None,
    )
    assert other.variant == "old"


def test_latency_is_that_of_answers() -> None:
    rows = [seen(latency_ms=float(number), first_token_ms=number / 2) for number in range(1, 102)]
    (found,) = observe([*rows, seen(outcome="provider_timeout", latency_ms=60_000.0)])
    assert found.latency_p50_ms is not None
    assert found.latency_p50_ms.value == 51
    assert found.latency_p95_ms is not None
    assert found.latency_p95_ms.high <= 101
    assert found.first_token_p50_ms is not None


def test_feedback_is_counted_by_call() -> None:
    (found,) = observe([seen(score=1.0), seen(score=0.0), seen()])
    assert found.feedback == 2
    assert found.score is not None
    assert found.score.value == 0.5
