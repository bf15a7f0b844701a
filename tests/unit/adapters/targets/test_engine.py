"""An engine that is not there: told in words, with the remedy, and without Python's own."""

from __future__ import annotations

import pytest

from modelwright.adapters.targets.docker.engine import unreachable

HERE = "see that Docker runs there; `host` under the target names another place"
SAID = {
    FileNotFoundError(2, "No such file or directory"): ("there is no such socket", HERE),
    ConnectionRefusedError(111, "Connection refused"): ("nobody listens there", HERE),
    PermissionError(13, "Permission denied"): (
        "Permission denied",
        "see that this user may use the engine, by the group docker",
    ),
}


@pytest.mark.parametrize("error", SAID, ids=lambda error: type(error).__name__)
def test_what_python_says_of_a_socket_is_told_in_words(error: OSError) -> None:
    words, hint = SAID[error]
    refused = unreachable(
        "unix:///var/run/docker.sock",
        OSError(f"Error while fetching server API version: ('Connection aborted.', {error!r})"),
    )
    assert (refused.message, refused.hint) == (f"the Docker engine does not answer: {words}", hint)
