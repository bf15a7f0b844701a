"""The process that tries grammars ends with whoever has started it, however that ends."""

import subprocess
import sys
from functools import partial

import psutil

from modelwright.adapters.engines.grammar_trial import GrammarTrial
from modelwright.core.ports.engines import Constraint
from tests.e2e.clients import patient

ASKS = """
import os
import psutil
from modelwright.adapters.engines.grammar_trial import GrammarTrial
from modelwright.core.ports.engines import Constraint
trial = GrammarTrial(lambda: ["\\u2581h\\u00e9llo", "Ġworld", "two words"])
assert trial.verdict(Constraint("regex", "[a-z]+")).result() == ""
assert "not closed" in trial.verdict(Constraint("regex", "(")).result()
(child,) = psutil.Process().children()
print(child.pid, flush=True)
END
"""


def _pid(end: str) -> int:
    said = subprocess.run([sys.executable, "-c", ASKS.replace("END", end)], capture_output=True, text=True, check=False)
    assert said.stdout, said.stderr
    return int(said.stdout)


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_ends_with_its_worker() -> None:
    for end in ("", "os.kill(os.getpid(), 9)"):
        pid = _pid(end)
        patient(partial(_has_ended, pid), waiting_for="the end of the process that tries grammars")


def test_what_nobody_could_try_is_tried_again() -> None:
    problems = ["the tokens cannot be read"]

    def tokens() -> list[str]:
        if problems:
            raise ValueError(problems.pop())
        return ["a", "b"]

    trial, grammar = GrammarTrial(tokens), Constraint("regex", "[ab]+")
    assert trial.verdict(grammar).result() == "nobody could try it: the tokens cannot be read"
    assert trial.verdict(grammar).result() == ""
    assert trial.verdict(grammar) is trial.verdict(grammar), "this one is remembered"
