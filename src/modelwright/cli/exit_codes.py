"""Exit statuses of the command line: one table from error codes to numbers, stable, since scripts rely on them."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError

OK = 0
FAILURE = 1
USAGE = 2

EXIT_CODES: dict[str, int] = {
    "manifest_invalid": 3,
    "port_in_use": 4,
    "missing_extra": 5,
    "bad_model_file": 6,
    "artifact_damaged": 6,
    "already_running": 7,
    "not_running": 8,
    "access_invalid": 9,
    "key_name_taken": 9,
    "key_not_found": 9,
    "target_unreachable": 10,
    "deploy_undone": 11,
    "step_failed": 12,
    "drifted": 13,
    "interrupted": 14,
    "lease_held": 14,
    "lease_lost": 14,
    "on_trial": 15,
    "no_way_back": 16,
    "nothing_open": 17,
}

MEANINGS: dict[int, str] = {
    OK: "it worked",
    FAILURE: "it failed; the message says why",
    USAGE: "the command line is wrong",
    3: "the manifest has faults",
    4: "a port is in use",
    5: "a library that the manifest needs is not installed",
    6: "a model file is missing, truncated, of another format or not of the stated digest",
    7: "the same manifest runs already",
    8: "nothing of the manifest runs",
    9: "an API key cannot be made, found or revoked",
    10: "the target does not answer, or lets nobody in",
    11: "the deploy failed and was undone: what served before serves",
    12: "a step failed and the deploy has not ended: `modelwright resume` goes on, `modelwright abort` goes back",
    13: "the target is not as it was when the plan was made",
    14: "somebody else is changing the environment, or has left it half changed",
    15: "a release stays on trial: nobody can say yet whether it goes well",
    16: "there is no release to go back to, or it is not whole",
    17: "nothing was left open, and nothing is on trial",
}


def exit_code(error: ModelwrightError) -> int:
    """The exit status for an error; 1 for one that has none of its own."""
    return EXIT_CODES.get(error.code, FAILURE)
