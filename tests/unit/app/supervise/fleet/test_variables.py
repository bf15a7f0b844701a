"""Variables of single models: resolved, kept from what is written down, told apart from those of others."""

from typing import Any

import msgspec
import pytest

from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.secret import Secret
from modelwright.app.parts import ModelPart, PartSpec, PipelinePart, StepPart
from modelwright.app.settings.references import Reference, fill
from modelwright.app.supervise.fleet.units import Unit
from modelwright.app.supervise.fleet.variables import given_to, only_of_models, resolved, without_variables
from modelwright.core.errors.starting import StartError


def resolve(text: str) -> str:
    def look_up(reference: Reference) -> str:
        if reference.name == "GONE":
            raise StartError("the secret GONE is not set", hint="set GONE")
        return f"value of {reference.name}"

    return fill(text, look_up)


def env(**texts: str) -> dict[str, str]:
    return resolved({name: Secret(text) for name, text in texts.items()}, place="models.m", resolve=resolve)


def model(variables: dict[str, str], **fields: Any) -> ModelPart:
    return ModelPart(model="m", engine="python:a:B", wire="plain", path="", env=variables, **fields)


def spec(part: ModelPart) -> PartSpec:
    return PartSpec(
        name="", kind="serving", runtime="/run/mw", state="/srv", base="/srv", environment="test", model=part
    )


def test_values_are_filled_in_and_do_not_show() -> None:
    found = env(MODE="fast", TOKEN="Bearer ${secret:TOKEN}", PLAIN="$${HOME}")
    assert found == {"MODE": "fast", "TOKEN": "Bearer value of TOKEN", "PLAIN": "${HOME}"}
    assert "value of" not in repr(spec(model(found)))


@pytest.mark.parametrize(("text", "problem"), [("${secret:GONE}", "GONE is not set"), ("a\0b", "NUL byte")])
def test_what_no_process_can_have_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(StartError, match=problem) as raised:
        env(TOKEN=text)
    assert raised.value.place == "models.m.engine.env.TOKEN"


def test_a_pipelines_process_has_the_variables_of_its_steps_and_its_file_none() -> None:
    steps = (StepPart(name="a", kind="model", model=model(env(TOKEN="${secret:TOKEN}"))),)
    whole = spec(model({}, pipeline=PipelinePart(steps=steps)))
    assert given_to(whole) == {"TOKEN": "value of TOKEN"}
    written = without_variables(whole)
    assert b"value of" not in msgspec.json.encode(written)
    assert given_to(written) == {}
    assert written.model is not None
    assert written.model.pipeline is not None


def test_a_unit_with_other_values_is_another_one() -> None:
    one, same, other = (Unit(name="m", spec=spec(model(env(MODE=mode)))) for mode in ("a", "a", "b"))
    assert one.is_as(same)
    assert not one.is_as(other)


def test_what_a_provider_needs_too_is_not_of_models_alone() -> None:
    variables = {"ONE": "${secret:ONE}", "TWO": "${secret:TWO} ${secret:THREE}"}
    found = Manifest.model_validate(
        {
            "schema": 1,
            "name": "shop",
            "models": {"m": {"engine": {"kind": "python:a:B", "env": variables}}},
            "providers": {"p": {"kind": "openai", "keys": ["${secret:TWO}"]}},
        }
    )
    assert only_of_models(found) == {"ONE", "THREE"}
