"""What is no task is refused with its field."""

import pytest

from modelwright.core.errors.calls import Unprocessable
from modelwright.core.tasks.wish import MOST_URL, read_wish


def test_a_path_may_not_go_on_for_ever() -> None:
    path = b"/v1/chat/completions"
    longest = path + b"/" * (MOST_URL - len(path))
    assert read_wish(b'{"url": "%b", "body": {}}' % longest).url == longest.decode()
    with pytest.raises(Unprocessable) as refused:
        read_wish(b'{"url": "%b/", "body": {}}' % longest)
    assert refused.value.param == "url"
