from modelwright.app.explain import Explanation, Share
from modelwright.cli.explain import text_of


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
        "When it fails before its answer has begun: b, a"
    )


def test_where_something_else_decides_there_are_none() -> None:
    found = Explanation(
        endpoint="e", variant="", reason="the quickest", split_by="user", choose="latency",
        shares=(share("a", 1.0), share("b", 0.0)),
    )  # fmt: skip
    assert text_of(found) == "e: the quickest\n  a  may be chosen  p m\n  b  not chosen     p m"
