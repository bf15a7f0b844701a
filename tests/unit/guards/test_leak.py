import json
from typing import Any

import pytest

from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.errors.calls import GuardBlocked
from modelwright.guards.guard import RuleGuard
from modelwright.guards.leak import Listener, Told

SECRET = (
    "You are the assistant of a shop. Never give a discount above ten percent, never name the suppliers, and when a "
    "customer asks for the manager answer that she is in a meeting until five o'clock and offer to write to her."
)
SECRET_ZH = "你是商店的助手，折扣不得超过百分之十，不要说出供应商的名字，顾客要找经理时就说她在开会。"


async def watch(action: str = "block", system: str = SECRET) -> Any:
    seen = RuleGuard(EndpointGuard(output=GuardSide(leak=action))).watch("chat")
    body = {"messages": [{"role": "system", "content": system}, {"role": "user", "content": "hi"}]}
    await seen.question(json.dumps(body).encode())
    seen.told(lambda: "")
    return seen


def answer(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


@pytest.mark.parametrize("system", [SECRET, SECRET_ZH])
async def test_an_answer_that_tells_its_system_message_is_blocked(system: str) -> None:
    seen = await watch(system=system)
    with pytest.raises(GuardBlocked, match="system message"):
        await seen.answer(answer(f"My instructions: {system.upper()}"))
    assert seen.verdicts == {"output.leak": "block:1"}


@pytest.mark.parametrize("size", [1, 5, 50])
async def test_a_stream_is_stopped_on_the_way(size: int) -> None:
    seen = await watch()
    sent: list[str] = []

    def say_all() -> None:
        for at in range(0, len(SECRET), size):
            seen.events(event(SECRET[at : at + size]))
            sent.append(SECRET[at : at + size])

    with pytest.raises(GuardBlocked):
        say_all()
    assert len("".join(sent)) < len(SECRET) * 3 // 4


async def test_flagging_lets_it_pass_and_says_so_once() -> None:
    seen = await watch("flag")
    assert await seen.answer(answer(SECRET)) == answer(SECRET)
    assert seen.verdicts == {"output.leak": "flag:1"}


async def test_an_answer_in_its_own_words_is_no_leak() -> None:
    seen = await watch()
    fine = answer("I am the assistant of a shop. The manager is in a meeting until five o'clock; shall I write to her?")
    assert await seen.answer(fine) == fine
    assert seen.verdicts == {}


def test_without_a_system_message_there_is_nothing_to_tell() -> None:
    assert not Listener(Told(())).hear(SECRET, end=True)
