"""Which answer goes when steps become slow."""

from modelwright.adapters.engines.grammar_watch import SECONDS, TIMES, GrammarWatch

QUICK = 0.01


def test_what_is_slow_by_itself_is_nobodys_fault() -> None:
    watch = GrammarWatch()
    assert all(watch.spent(seconds, [1]) is None for seconds in (3.0, 5.0, 3.0 * TIMES) * 100)


def test_the_time_of_one_answer_is_bounded_over_its_steps() -> None:
    watch = GrammarWatch()
    assert watch.spent(QUICK, []) is None
    slow = QUICK * TIMES + SECONDS / 4
    assert [watch.spent(slow, [7]) for _ in range(5)] == [None] * 4 + [7]
    assert watch.spent(slow, [8]) is None, "the next one has time of its own"


def test_without_a_grammar_nobody_is_ended() -> None:
    watch = GrammarWatch()
    assert [watch.spent(seconds, []) for seconds in (QUICK, 1000.0)] == [None, None]


def test_of_several_the_one_with_slower_steps_goes_and_the_others_begin_anew() -> None:
    watch = GrammarWatch()
    assert [watch.spent(QUICK, [1]) for _ in range(50)] == [None] * 50
    assert watch.spent(SECONDS + 1.0, [1, 2]) == 2
    assert watch.spent(SECONDS * 0.9, [1]) is None


def test_a_step_that_had_nothing_to_do_is_soon_forgotten() -> None:
    watch = GrammarWatch()
    assert watch.spent(QUICK / 100, [1]) is None
    assert [watch.spent(QUICK, [1]) for _ in range(1000)] == [None] * 1000
