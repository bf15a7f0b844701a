"""Processes that come, are replaced and go, and what each has of the machine meanwhile."""

import msgspec

from modelwright.app.parts import ModelPart, PartSpec
from modelwright.app.supervise.fleet.places import Places
from modelwright.core.resources.machine import Gpu, Machine
from modelwright.core.resources.wants import Wants

MACHINE = Machine(cpus=(0, 1, 2, 3), cores=4, gpus=(Gpu(id="a", memory=100), Gpu(id="b", memory=100)))


def spec(name: str, *, version: str = "1", **wants: float) -> PartSpec:
    return PartSpec(
        name=name,
        kind="serving",
        runtime="/run",
        state="/srv/s",
        base="/srv",
        environment="test",
        release=version,
        model=ModelPart(model="m", engine="onnxruntime", wire="v2", path="/srv/m", digest=version, device="cuda:0"),
        wants=msgspec.convert(wants, Wants),
    )


def test_who_wants_nothing_is_left_as_it_is() -> None:
    places = Places(MACHINE)
    gateway = msgspec.structs.replace(spec("gateway-0"), kind="gateway", model=None)
    assert places.placed(gateway) == (gateway, "")
    assert places.placed(spec("serving-m-0")) == (spec("serving-m-0"), "")


def test_replicas_and_models_have_processors_of_their_own() -> None:
    places = Places(MACHINE)
    names = ("serving-m-0", "serving-m-1", "serving-n-0")
    assert [places.placed(spec(name, cpu=1))[0].given.cpus for name in names] == [(0,), (1,), (2,)]
    places.left("serving-m-0")
    assert places.placed(spec("serving-m-2", cpu=1))[0].given.cpus == (0,)


def test_a_new_version_has_what_its_old_one_leaves_to_it_in_the_end() -> None:
    """With as many processors as are wanted, nobody shares one after the change."""
    places = Places(MACHINE)
    for name in ("serving-m-0", "serving-n-0"):
        places.placed(spec(name, cpu=2))
    new = places.placed(spec("serving-m-1", version="2", cpu=2))[0]
    assert new.given.cpus == (0, 1)
    places.left("serving-m-0")
    assert places.placed(spec("serving-n-1", version="2", cpu=2))[0].given.cpus == (2, 3)


def test_versions_side_by_side_need_a_gpu_each() -> None:
    places = Places(MACHINE)
    first, second = (places.placed(spec(f"serving-m-{n}", version=str(n), gpus=1))[0] for n in (0, 1))
    assert (first.given.gpus, second.given.gpus) == (("a",), ("b",))
    assert second.model is not None
    assert (second.model.gpus, second.model.gpu_memory, second.model.gpu_share) == (("b",), 0, 0.0)
    third, lack = places.placed(spec("serving-m-2", version="2", gpus=1))
    assert third.given.gpus == ()
    assert "it wants 1 GPU(s) (`resources`), and 0 of this machine's 2 are free" in lack
    places.left("serving-m-0")
    assert places.placed(spec("serving-m-3", version="3", gpus=1))[0].given.gpus == ("a",)


def test_a_part_of_a_gpu_is_known_in_bytes_and_as_a_share() -> None:
    places = Places(MACHINE)
    each = [places.placed(spec(f"serving-{name}-0", gpu_memory=40))[0] for name in "mnop"]
    assert [one.given.gpus for one in each] == [("a",), ("a",), ("b",), ("b",)]
    assert [(one.model.gpu_memory, one.model.gpu_share) for one in each if one.model] == [(40, 0.4)] * 4
    assert "it wants 40 B of a GPU" in places.placed(spec("serving-q-0", gpu_memory=40))[1]


def test_gpus_that_came_since_are_given_too() -> None:
    places = Places(Machine())
    assert places.placed(spec("serving-m-0", gpus=1))[1]
    places.left("serving-m-0")
    places.machine = MACHINE
    assert places.placed(spec("serving-m-0", gpus=1))[1] == ""
