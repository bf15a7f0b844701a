"""One status per code of the error tree, and none for a code that nothing raises."""

from docs.reference_pages.errors import every_error
from modelwright.core.contracts.ledger import OUTCOMES
from modelwright.core.errors.calls import CallError
from modelwright.core.wire.status import STATUS, status_of


def test_every_error_of_a_call_has_a_status() -> None:
    assert {error.code for error in every_error() if issubclass(error, CallError)} == set(STATUS)


def test_statuses_are_those_of_errors() -> None:
    assert all(400 <= status < 600 for status in STATUS.values())


def test_an_unknown_code_is_a_defect_of_ours() -> None:
    class Odd(CallError):
        code = "odd"

    assert status_of(Odd("x")) == 500


def test_what_the_ledger_calls_a_failed_call_is_an_errors_code_or_its_own_word() -> None:
    own = {"intent", "ok", "refused", "provider_refused", "failed", "unresolved"}
    assert set(OUTCOMES) - own <= set(STATUS)
