"""The fault script: what a spec means, what is refused, and which request it strikes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.dev_provider.faults import CALM, KINDS, FaultScript, parse_fault, parse_faults


@pytest.mark.parametrize(
    ("spec", "kind", "argument", "status", "times"),
    [
        ("cut@3", "cut", 3, 0, None),
        ("cut@3x2", "cut", 3, 0, 2),
        ("stall@0", "stall", 0, 0, None),
        ("hold", "hold", 0, 0, None),
        ("hold@3x2", "hold", 3, 0, 2),
        ("error@2", "error", 2, 0, None),
        ("slow@2s", "slow", 2.0, 0, None),
        ("slow@20msx3", "slow", 0.02, 0, 3),
        ("split", "split", 3, 0, None),
        ("split@1", "split", 1, 0, None),
        ("lump", "lump", 0, 0, None),
        ("garbagex1", "garbage", 0, 0, 1),
        ("429", "status", 1, 429, None),
        ("429@7sx2", "status", 7, 429, 2),
        (" 500 ", "status", 1, 500, None),
    ],
)
def test_what_a_spec_means(spec: str, kind: str, argument: float, status: int, times: int | None) -> None:
    fault = parse_fault(spec)
    assert (fault.kind, fault.argument, fault.status, fault.times) == (kind, argument, status, times)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "write one of cut, stall"),
        ("boom", "write one of cut, stall"),
        ("200", "a status such as 429"),
        ("600", "a status such as 429"),
        ("cut", "lacks its tokens: write it like cut@3"),
        ("slow", "lacks its seconds: write it like slow@2s"),
        ("cut@x", "write one of"),
        ("cut@-1", "'-1' is no number of tokens"),
        ("cut@1.5", "'1.5' is no number of tokens"),
        ("split@0", "'0' is no number of bytes"),
        ("slow@2", "has no unit"),
        ("lump@3", "takes nothing after its name: leave out @3"),
        ("cut@3x0", "applies to no request"),
        ("cut@3x2x2", "write one of"),
    ],
)
def test_what_is_refused(spec: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_fault(spec)


def test_split_and_lump_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        parse_faults(["split", "429", "lump"])


def test_faults_take_turns_and_modifiers_join() -> None:
    script = FaultScript(parse_faults(["429x2", "cut@3x1", "slow@1sx2", "split"]))
    struck = [script.next().specs for _ in range(5)]
    assert struck == [
        ("slow@1s", "split", "429"),
        ("slow@1s", "split", "429"),
        ("split", "cut@3"),
        ("split",),
        ("split",),
    ]
    assert script.left() == ["split"]


def test_effects_of_one_request() -> None:
    effects = FaultScript(parse_faults(["slow@1s", "slow@500ms", "split@5", "stall@4"])).next()
    assert (effects.wait, effects.split, effects.lump, effects.stop) == (1.5, 5, False, 4)
    assert FaultScript().next() is CALM


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cut@1", "stall@0", "429", "empty", "lump", "slow@1s"]), st.none() | st.integers(1, 4)
        ),
        max_size=5,
    ),
    st.integers(0, 30),
)
def test_every_fault_strikes_as_often_as_it_says(specs: list[tuple[str, int | None]], requests: int) -> None:
    texts = [spec + (f"x{times}" if times else "") for spec, times in specs]
    script = FaultScript(parse_faults(texts))
    struck = [script.next().specs for _ in range(requests)]
    for spec in {spec for spec, _ in specs}:
        counts = [times for name, times in specs if name == spec]
        if None not in counts:
            assert sum(specs.count(spec) for specs in struck) <= sum(times or 0 for times in counts)
    if not any(times is None for _, times in specs) and requests >= 20:
        assert script.left() == []
    assert all(sum(not KINDS[name.split("@")[0]].joins for name in specs if name[0].isalpha()) <= 1 for specs in struck)
