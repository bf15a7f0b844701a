import msgspec

from modelwright.app.explaining.facts import Explanation, LimitTold, Share
from modelwright.cli.explain import text_of

FILE = "So says the manifest; nothing runs that could have other weights or aliases by now."


def share(variant: str, weight: float, *, off: str = "") -> Share:
    return Share(
        variant=variant, provider="p", model="m", weight=weight, share=weight / 4, begin=0.0, end=weight / 4, off=off
    )


def test_shares_are_told_where_weights_decide() -> None:
    found = Explanation(
        endpoint="e", variant="a", reason="user 'u' stands at 0.1", split_by="user", fallback=("b", "a"),
        shares=(share("a", 3.0), share("b", 1.0, off="set KEY")),
    )  # fmt: skip
    assert text_of(found) == (
        "e: a answers, since user 'u' stands at 0.1\n"
        "> a   75.00%  0.000000 to 0.750000  weight 3  p m\n"
        "  b   25.00%  0.000000 to 0.250000  weight 1  p m  (off: set KEY)\n"
        "When it fails before its answer has begun: b, a\n"
        f"{FILE}"
    )


def test_where_something_else_decides_there_are_none() -> None:
    found = Explanation(
        endpoint="e", variant="", reason="the quickest", split_by="user", choose="latency",
        shares=(share("a", 1.0), share("b", 0.0)),
    )  # fmt: skip
    assert text_of(found) == f"e: the quickest\n  a  may be chosen  p m\n  b  not chosen     p m\n{FILE}"


def test_all_that_decides_about_the_call_is_told() -> None:
    found = Explanation(
        endpoint="e", variant="a", reason="why", split_by="user", told_by="gateway", retries=2, shadow="b",
        shares=(msgspec.structs.replace(share("a", 4.0), prompt="support@v2"),), operations=("chat", "messages"),
        limits=(
            LimitTold(by="tenant", subject="acme", limit="9 requests per minute"),
            LimitTold(by="address", subject="", limit="3 calls at once"),
        ),
        guard=("input pii mask",), cache=("the same question for 60 s",),
    )  # fmt: skip
    assert text_of(found).splitlines()[1:] == [
        "> a  100.00%  0.000000 to 1.000000  weight 4  p m  prompt support@v2",
        "Sent again at most: 2",
        "Asked beside it, for nobody: b",
        "Answers: chat, messages",
        "Limits: 9 requests per minute for tenant acme, 3 calls at once for its address",
        "Guard: input pii mask",
        "Kept answers: the same question for 60 s",
        "So does the gateway that runs.",
    ]
