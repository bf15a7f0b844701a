"""Properties of the key: whatever can change an answer changes it, whatever cannot does not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelwright.core.contracts.snapshot import Price, ProviderEntry, Variant
from modelwright.gateway.cache.keys import MOST_FIELDS, Seed, canonical, read_fields

VARIANT = Variant(name="main", provider="vendor", model="theirs")
PROVIDER = ProviderEntry(name="vendor", kind="vllm", base_urls=("http://upstream/v1",), keys=("sk",))
BODY = {
    "model": "chat",
    "messages": [{"role": "user", "content": "What is 3 plus 4?"}],
    "temperature": 0.2,
    "top_p": 0.9,
    "n": 1,
    "max_tokens": 100,
    "seed": 7,
    "stop": ["\n"],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"a": 1, "b": 2}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_object"},
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "user": "u1",
    "metadata": {"a": "b"},
    "input": ["a", "b"],
    "dimensions": 8,
    "encoding_format": "base64",
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(sorted(BODY)) | st.text(max_size=12), VALUES, max_size=8)
STYLES = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n ", " :\t")])


def seed(**changes: Any) -> Seed:
    known: dict[str, Any] = {"endpoint": "chat", "variant": VARIANT, "provider": PROVIDER, "settled": ("sha256:r", "")}
    return Seed(changes.pop("salt", b"salt"), **{**known, **changes})


def written(body: dict[str, Any], style: tuple[str, str] = (",", ":")) -> bytes:
    return json.dumps(body, separators=style, ensure_ascii=False).encode("utf-8", "surrogatepass")


def key(body: bytes, *, ignored: tuple[str, ...] = (), tenant: str = "t", stream: bool = False) -> bytes:
    fields = read_fields(body)
    assert fields is not None
    return seed().key(tenant, "chat", canonical(fields, ignored), stream=stream)


@given(BODIES, st.text(max_size=12), VALUES, STYLES)
def test_changing_any_field_changes_the_key(
    body: dict[str, Any], name: str, value: Any, style: tuple[str, str]
) -> None:
    assume(name not in {"stream", "stream_options"})
    changed = {**body, name: value}
    assume(name not in body or json.dumps(body[name]) != json.dumps(value))
    assert key(written(body, style)) != key(written(changed, style))


@pytest.mark.parametrize("name", BODY)
def test_every_usual_parameter_counts(name: str) -> None:
    without = {field: value for field, value in BODY.items() if field != name}
    assert key(written(BODY)) != key(written(without)) != key(written({**without, name: "another"}))


@given(BODIES, st.randoms(), STYLES, st.booleans())
def test_order_and_blanks_between_fields_and_the_way_of_delivery_mean_nothing(
    body: dict[str, Any],
    random: Any,
    style: tuple[str, str],
    asks: bool,  # noqa: FBT001
) -> None:
    names = list(body)
    random.shuffle(names)
    fields = {name: body[name] for name in names if name not in {"stream", "stream_options"}}
    plain = written(fields)
    more = {**fields, "stream": False, "stream_options": {"include_usage": asks}}
    inside = {name: json.dumps(value, ensure_ascii=False, separators=(",", ":")) for name, value in more.items()}
    comma, colon = style
    text = comma.join(json.dumps(name) + colon + value for name, value in inside.items())
    spaced = ("{ " + text + " }\n").encode("utf-8", "surrogatepass")
    assert key(plain) == key(spaced)


@given(BODIES, VALUES)
def test_what_the_manifest_ignores_means_nothing(body: dict[str, Any], value: Any) -> None:
    assert key(written({**body, "user": value}), ignored=("user",)) == key(
        written({name: kept for name, kept in body.items() if name != "user"}), ignored=("user",)
    )


@given(BODIES.filter(bool), st.data(), STYLES)
def test_a_field_that_stands_there_twice_has_no_key(
    body: dict[str, Any], data: st.DataObject, style: tuple[str, str]
) -> None:
    name = data.draw(st.sampled_from(sorted(body)))
    value = data.draw(VALUES | st.just(body[name]))
    comma, colon = style
    second = json.dumps(name) + colon + json.dumps(value)
    text = written(body, style).decode("utf-8", "surrogatepass")
    assert read_fields(("{" + second + comma + text[1:]).encode("utf-8", "surrogatepass")) is None
    assert read_fields((text[:-1] + comma + second + "}").encode("utf-8", "surrogatepass")) is None


def test_a_name_in_escapes_is_that_name() -> None:
    assert read_fields(b'{"model":"a","\\u006dodel":"b"}') is None
    assert key(b'{"\\u006dodel":"a"}') == key(b'{"model":"a"}')


@pytest.mark.parametrize(
    "change",
    [
        {"salt": b"other"},
        {"endpoint": "other"},
        {"settled": ("sha256:other", "")},
        {"settled": ("sha256:r", "sha256:prompt")},
        {"variant": msgspec.structs.replace(VARIANT, name="canary")},
        {"variant": msgspec.structs.replace(VARIANT, model="bigger")},
        {"provider": msgspec.structs.replace(PROVIDER, base_urls=("http://other/v1",))},
        {"provider": msgspec.structs.replace(PROVIDER, options={"api_version": "2"})},
    ],
    ids=str,
)
def test_what_answers_is_in_the_key(change: dict[str, Any]) -> None:
    assert seed(**change).key("t", "chat", b"{}") != seed().key("t", "chat", b"{}")


def test_weight_price_and_secrets_are_not_in_the_key() -> None:
    heavy = msgspec.structs.replace(VARIANT, weight=9.0, price=Price(request=1))
    rotated = msgspec.structs.replace(PROVIDER, keys=("other",), off="")
    assert seed(variant=heavy, provider=rotated).key("t", "chat", b"{}") == seed().key("t", "chat", b"{}")


def test_the_sockets_of_our_own_workers_are_not_in_the_key() -> None:
    own = [ProviderEntry(name="serving:m", kind="serving", base_urls=(f"unix:/run/{run}.sock",)) for run in "ab"]
    assert len({seed(provider=entry).key("t", "chat", b"{}") for entry in own}) == 1


@given(st.text(max_size=6), st.text(max_size=6), st.lists(st.binary(max_size=6), max_size=4))
def test_tenant_operation_mode_and_parts_cannot_be_taken_for_each_other(
    tenant: str, operation: str, parts: list[bytes]
) -> None:
    found = seed().key(tenant, operation, *parts)
    others = [
        seed().key(tenant + "x", operation, *parts),
        seed().key(tenant, operation + "x", *parts),
        seed().key(tenant, operation, *parts, stream=True),
        seed().key(tenant, operation, *parts, b""),
        seed().key(tenant, operation, b"".join(parts), b"x"),
    ]
    assert len(found) == 32
    assert found not in others


def test_the_key_is_the_same_in_every_process() -> None:
    program = (
        "from tests.unit.gateway.cache.test_keys import BODY, key, written\nprint(key(written(BODY)).hex(), end='')"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(salt)},
        ).stdout
        for salt in (1, 2)
    }
    assert found == {key(written(BODY)).hex()}


def test_more_fields_than_any_vendor_has_are_not_compared() -> None:
    fields = [b'"%d": 1' % number for number in range(MOST_FIELDS)]
    assert read_fields(b"{" + b",".join(fields) + b"}") is not None
    assert read_fields(b"{" + b",".join([*fields, b'"x": 1']) + b"}") is None
