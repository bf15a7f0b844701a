"""Errors as people see them, and the exit statuses that scripts rely on."""

import pytest

from docs.reference_pages.errors import every_error
from modelwright.cli.errors import count_of, fault_lines, report, text_of
from modelwright.cli.exit_codes import EXIT_CODES, MEANINGS, exit_code
from modelwright.core.errors.calls import UnknownEndpoint
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.errors.starting import NotRunning, PortInUse
from modelwright.core.errors.tree import Fault, ManifestError

FAULT = Fault(path="m.yaml", line=3, key="gateway.workers", problem="0 is below 1", remedy="the least value is 1")


def test_an_error_is_place_problem_remedy() -> None:
    error = PortInUse("port 8000 is in use", place="gateway.listen", hint="choose another")
    assert text_of(error) == "error: gateway.listen: port 8000 is in use (choose another)"


def test_behind_the_lines_of_a_log_the_remedy_has_a_line_of_its_own() -> None:
    error = StepFailed("it has ended; its last lines:\none\ntwo", hint="mend it")
    assert text_of(error) == "error: it has ended; its last lines:\none\ntwo\n    Mend it"


def test_faults_stand_one_below_the_other() -> None:
    missing = Fault(path="m.yaml", line=0, key="", problem="there is no such file", remedy="name one")
    assert text_of(ManifestError((FAULT, missing))) == (
        "m.yaml:3: gateway.workers: 0 is below 1\n    The least value is 1\n"
        "m.yaml: there is no such file\n    Name one\n2 faults"
    )
    assert fault_lines((FAULT,), word="warning").startswith("m.yaml:3: warning: gateway.workers: 0 is")
    assert (count_of(1, "fault"), count_of(0, "fault")) == ("1 fault", "0 faults")


def test_they_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(NotRunning("nothing runs")) == 8
    assert capsys.readouterr() == ("", "error: nothing runs\n")


def test_every_exit_status_has_a_meaning_and_every_code_exists() -> None:
    codes = {error.code for error in every_error()}
    assert EXIT_CODES.keys() <= codes
    assert {0, 1, 2, *EXIT_CODES.values()} == MEANINGS.keys()
    assert exit_code(UnknownEndpoint("x")) == 1
    assert exit_code(ManifestError((FAULT,))) == 3
