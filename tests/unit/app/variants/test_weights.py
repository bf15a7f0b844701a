"""Live weights: kept with who and why, laid over the manifest's, never leaving an endpoint without an answer."""

import pytest

from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.app.variants.weights import KIND, LiveWeights, checked, shares, with_weights
from modelwright.core.contracts.snapshot import Endpoint, Snapshot, Variant
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.registry import RegistryError
from modelwright.core.ports.clock import ManualClock
from modelwright.registry.registry import By, Registry

ENDPOINT = Endpoint(
    name="e",
    operations=("chat",),
    variants=(
        Variant(name="a", provider="p", model="m", weight=9),
        Variant(name="b", provider="p", model="m", weight=1),
    ),
)
SNAPSHOT = Snapshot(
    serial=1,
    name="s",
    environment="test",
    manifest="",
    release="",
    auth="required",
    split_salt="00",
    max_body=1,
    max_in_flight=1,
    endpoints=(ENDPOINT,),
)


def weights_of(snapshot: Snapshot) -> dict[str, float]:
    return {variant.name: variant.weight for variant in snapshot.endpoints[0].variants}


@pytest.fixture
def live() -> LiveWeights:
    return LiveWeights(Registry(KIND, store=MemoryRegistryStore(), clock=ManualClock()))


async def test_history_says_who_when_and_why(live: LiveWeights) -> None:
    assert await live.history("e") == []
    await live.set("e", {"a": 50.0, "b": 50.0}, by=By("ann", "looks good"))
    await live.set("e", {}, by=By("bob", "back"))
    await live.set("e", {"a": 50.0, "b": 50.0}, by=By("ann", "once more"))
    found = await live.history("e")
    assert [(change.who, change.why, change.weights) for change in found] == [
        ("ann", "once more", {"a": 50.0, "b": 50.0}),
        ("bob", "back", {}),
        ("ann", "looks good", {"a": 50.0, "b": 50.0}),
    ]
    assert await live.all() == {"e": {"a": 50.0, "b": 50.0}}


async def test_a_change_without_a_reason_is_refused(live: LiveWeights) -> None:
    with pytest.raises(RegistryError, match="reason"):
        await live.set("e", {"a": 1.0}, by=By("ann", " "))
    assert await live.all() == {}


@pytest.mark.parametrize(
    ("live", "weights"),
    [
        ({}, {"a": 9, "b": 1}),
        ({"e": {"a": 0.0, "b": 5.0}}, {"a": 0, "b": 5}),
        ({"e": {"b": 5.0}}, {"a": 9, "b": 5}),
        ({"e": {"gone": 5.0}}, {"a": 9, "b": 1}),
        ({"e": {"a": 0.0, "b": 0.0, "gone": 100.0}}, {"a": 9, "b": 1}),
        ({"other": {"a": 0.0}}, {"a": 9, "b": 1}),
    ],
)
def test_live_weights_go_before_the_manifests(live: dict[str, dict[str, float]], weights: dict[str, float]) -> None:
    assert weights_of(with_weights(SNAPSHOT, live)) == weights


def test_variants_that_are_not_named_keep_their_weight() -> None:
    assert checked(ENDPOINT, {"b": 3}) == {"a": 9, "b": 3}


@pytest.mark.parametrize(
    "wanted", [{"c": 1.0}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}, {"a": 0.0, "b": 0.0}]
)
def test_weights_that_cannot_be_are_refused(wanted: dict[str, float]) -> None:
    with pytest.raises(Unprocessable):
        checked(ENDPOINT, wanted)


def test_shares_are_parts_of_one() -> None:
    assert shares([9, 1]) == [0.9, 0.1]
    assert shares([0, 0]) == [0, 0]
