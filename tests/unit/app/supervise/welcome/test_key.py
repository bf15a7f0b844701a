import stat
from pathlib import Path

import msgspec
import pytest

from modelwright.app.supervise.ask import Answer
from modelwright.app.supervise.welcome.key import development_key
from modelwright.core.errors.access import AccessError


class FakeControl:
    """Keys as control's door keeps them, in memory."""

    def __init__(self) -> None:
        self.keys: list[dict[str, object]] = []
        self.refuse = 0

    def __call__(self, method: str, target: str, body: bytes) -> Answer:
        if self.refuse:
            return Answer(self.refuse, b"no")
        if method == "GET":
            return Answer(200, msgspec.json.encode(self.keys))
        if method == "DELETE":
            next(key for key in self.keys if target == f"/keys/{key['id']}")["state"] = "revoked"
            return Answer(200, b"{}")
        asked = msgspec.json.decode(body)
        if any(key["name"] == asked["name"] and key["state"] == "live" for key in self.keys):
            return Answer(409, b'{"error":"exists"}')
        number = f"id{len(self.keys)}"
        self.keys.append({"id": number, "name": asked["name"], "tenant": asked["tenant"], "state": "live"})
        return Answer(201, msgspec.json.encode({"id": number, "key": f"mw-{number}-secret"}))


def test_key_is_made_once_and_kept_for_this_user_alone(tmp_path: Path) -> None:
    control = FakeControl()
    first = development_key(tmp_path, control)
    assert first == "mw-id0-secret"
    assert development_key(tmp_path, control) == first
    assert len(control.keys) == 1
    file = tmp_path / "keys" / "development"
    assert file.read_text() == f"{first}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_lost_file_leads_to_a_new_key_and_the_old_one_is_revoked(tmp_path: Path) -> None:
    control = FakeControl()
    development_key(tmp_path, control)
    (tmp_path / "keys" / "development").unlink()
    assert development_key(tmp_path, control) == "mw-id1-secret"
    assert [key["state"] for key in control.keys] == ["revoked", "live"]


def test_key_that_is_not_live_any_more_is_not_used_again(tmp_path: Path) -> None:
    control = FakeControl()
    development_key(tmp_path, control)
    control.keys[0]["state"] = "expired"
    assert development_key(tmp_path, control) == "mw-id1-secret"


def test_key_of_a_lost_database_is_replaced(tmp_path: Path) -> None:
    development_key(tmp_path, FakeControl())
    again = FakeControl()
    again.keys.append({"id": "other", "name": "app", "tenant": "default", "state": "live"})
    assert development_key(tmp_path, again) == "mw-id1-secret"
    assert again.keys[0]["state"] == "live"


def test_refusal_of_control_is_told(tmp_path: Path) -> None:
    control = FakeControl()
    control.refuse = 500
    with pytest.raises(AccessError, match="control answered 500: no"):
        development_key(tmp_path, control)
