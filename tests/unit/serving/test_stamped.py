"""The header that names the artifact."""

from typing import Any

from modelwright.serving.stamped import StampedDoor
from tests.unit.serving.v2_client import INFER, Make, Told, ask, body

ARTIFACT = b"x-modelwright-artifact"


async def test_every_answer_names_the_artifact_and_is_the_doors_otherwise(make: Make) -> None:
    plain = await make()
    door: Any = StampedDoor(plain, "sha256:a")
    for content, path in ((body(1), INFER), (b"nothing", INFER), (b"", "/v2/models/none")):
        told, bare = await ask(door, content, path=path), await ask(plain, content, path=path)
        assert told.headers.pop(ARTIFACT) == b"sha256:a"
        assert (told.status, told.body, told.headers.keys()) == (bare.status, bare.body, bare.headers.keys())
    assert door.busy() == plain.busy()
    assert [metric.name for metric in door.collect()] == [metric.name for metric in plain.collect()]


async def test_heads_that_answers_share_are_left_as_they_are() -> None:
    shared: list[tuple[bytes, bytes]] = []

    class Streaming:
        async def answer(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": shared})
            await send({"type": "http.response.body", "body": b"x"})

    door = StampedDoor(Streaming(), "sha256:a")  # pyright: ignore[reportArgumentType]
    for _ in range(2):
        told = Told()
        await door.answer({}, None, told.send)  # pyright: ignore[reportArgumentType]
        assert told.headers == {ARTIFACT: b"sha256:a"}
    assert shared == []
