"""Prices in the manifest: amounts come through as they are written, faults are told with their remedy."""

from decimal import Decimal

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from tests.unit.app.manifest.conftest import Write

HEAD = "endpoints: {e: {variants: {v: {provider: p, model: m}}}}\nproviders: {p: {kind: ollama, prices: {m: "


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("0.15", "0.15"),
        ("'0.15'", "0.15"),
        ("0.60", "0.60"),
        ("3", "3"),
        ("0", "0"),
        ("1e-3", "0.001"),
        ("123456789.123456", "123456789.123456"),
        ("'${env:AMOUNT}'", "0.075"),
    ],
)
def test_an_amount_comes_through_as_it_is_written(write: Write, written: str, amount: str) -> None:
    loaded = load_manifest(write(f"{HEAD}{{input: {written}, output: 1}}}}}}}}"), env={"AMOUNT": "0.075"})
    found = loaded.manifest.providers["p"].prices["m"].input
    assert found == Decimal(amount)


WRONG = """
{} | providers.p.prices.m | names no amount
{currency: USD} | providers.p.prices.m | names no amount
{input: -1, output: 1} | providers.p.prices.m.input | is no amount
{input: .nan, output: 1} | providers.p.prices.m.input | is no amount
{input: yes, output: 1} | providers.p.prices.m.input | is no amount
{input: true, output: 1} | providers.p.prices.m.input | is no amount
{input: [1], output: 1} | providers.p.prices.m.input | is no amount
{input: '1,5', output: 1} | providers.p.prices.m.input | is no amount
{input: 0.0000001, output: 1} | providers.p.prices.m.input | too many decimals
{input: '0.12345678901234567890', output: 1} | providers.p.prices.m.input | too many decimals
{request: 0.0000000000001} | providers.p.prices.m.request | too many decimals
{input: 1, reasoning: 1} | providers.p.prices.m.reasoning | stands without `output`
{output: 1, cached_input: 1} | providers.p.prices.m.cached_input | stands without `input`
{input: 1, output: 1, currency: dollar} | providers.p.prices.m.currency | is no currency
{input: 1, output: 1, per: 1G} | providers.p.prices.m.per | not known here
{input: 1, ouput: 1} | providers.p.prices.m.ouput | not a known key
""".strip().splitlines()


def test_a_model_of_ours_is_paid_by_the_second(write: Write) -> None:
    found = load_manifest(write("models: {chat: {source: ./chat.gguf, price: {second: 0.0002}}}"), env={})
    price = found.manifest.models["chat"].price
    assert price is not None
    assert price.second == Decimal("0.0002")
    wrong = {"{}": "names no amount", "{second: -1}": "is no amount", "{second: 0.0000000000001}": "too many decimals"}
    for text, problem in wrong.items():
        path = write(f"models: {{chat: {{source: ./chat.gguf, price: {text}}}}}")
        (fault,) = check_manifest(path, env={}).faults
        assert problem in fault.problem


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_with_a_price_is_told(write: Write, line: str) -> None:
    text, key, problem = line.split(" | ")
    (fault,) = check_manifest(write(f"{HEAD}{text}}}}}}}"), env={}).faults
    assert fault.key == key
    assert problem in fault.problem
    assert fault.remedy
    assert fault.line


def test_a_price_for_a_model_that_nobody_asks_is_a_warning_with_the_nearest(write: Write) -> None:
    text = HEAD.replace("model: m}", "model: gpt-4o-mini}").replace("{m: ", "{gpt-4o-mni: ")
    report = check_manifest(write(f"{text}{{request: 1}}}}}}}}"), env={})
    assert report.faults == ()
    (warning,) = report.warnings
    assert (warning.key, warning.problem) == ("providers.p.prices.gpt-4o-mni", "no variant names this model")
    assert "gpt-4o-mini" in warning.remedy


def test_a_model_of_ours_is_paid_by_its_tokens(write: Write) -> None:
    found = load_manifest(write("models: {chat: {source: ./chat.gguf, price: {input: 1, output: 2}}}"), env={})
    price = found.manifest.models["chat"].price
    assert price is not None
    assert (price.input, price.output, price.second) == (Decimal(1), Decimal(2), None)


@pytest.mark.parametrize(
    ("model", "key", "problem"),
    [
        ("{source: ./digits.onnx, price: {input: 1, second: 2}}", "input", "have no tokens that are counted"),
        ("{engine: {kind: 'python:models:Own'}, price: {output: 1}}", "output", "have no tokens that are counted"),
        ("{source: ./chat.gguf, price: {input: 1, reasoning: 1}}", "reasoning", "stands without `output`"),
        ("{source: ./chat.gguf, engine: {kind: llama-server}, price: {second: 1}}", "second", "does not tell its time"),
    ],
)
def test_what_no_call_of_the_model_tells_has_no_price(write: Write, model: str, key: str, problem: str) -> None:
    (fault,) = check_manifest(write(f"models: {{m: {model}}}"), env={}).faults
    assert (fault.key, problem in fault.problem) == (f"models.m.price.{key}", True)
