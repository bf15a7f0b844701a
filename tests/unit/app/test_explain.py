"""Which variant answers, and why: the same answer as the gateway's."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.app.explain import Caller, explain
from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.core import split
from modelwright.core.errors.calls import UnknownEndpoint

SALT = bytes(range(32))
FILE = """
schema: 1
name: test
providers: {p: {kind: ollama}, q: {kind: openai, keys: ["${secret:KEY}"], optional: true}}
endpoints:
  two:
    variants: {a: {provider: p, model: m, weight: 90}, b: {provider: q, model: n, weight: 10}}
    split: {header: X-User}
  one: {variants: {a: {provider: p, model: m, weight: 0}, b: {provider: q, model: n}}}
  key: {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, split: {by: key}}
  call: {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, split: {by: call}}
  talk:
    {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, split: {by: conversation, header: x-session}}
  quick: {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, choose: latency}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedManifest:
    path = tmp_path_factory.mktemp("explain") / "modelwright.yaml"
    path.write_text(FILE, "utf-8")
    return load_manifest(path, env={})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user=st.text(min_size=1).filter(lambda text: text.strip() == text))
def test_the_answer_is_that_of_the_rule(loaded: LoadedManifest, user: str) -> None:
    found = explain(loaded, "two", caller=Caller(user=user, key="k"), salt=SALT)
    at = split.position(SALT, "two", user)
    assert found.position == at
    assert found.variant == ("a", "b")[split.choose([90, 10], at)]
    assert (found.subject, found.source) == (user, "user")
    (share,) = (share for share in found.shares if share.variant == found.variant)
    assert share.begin <= at < share.end


def test_the_header_comes_before_the_user_and_that_before_the_key(loaded: LoadedManifest) -> None:
    caller = Caller(user="u", key="k", headers={"x-user": "é"})
    found = explain(loaded, "two", caller=caller, salt=SALT)
    assert (found.subject, found.source) == ("é", "header x-user")
    # The gateway reads a header's UTF-8 bytes as one character each.
    assert found.position == split.position(SALT, "two", "é".encode().decode("latin-1"))
    assert explain(loaded, "two", caller=Caller(user="u", key="k"), salt=SALT).source == "user"
    assert explain(loaded, "two", caller=Caller(key="k"), salt=SALT).source == "key"
    assert explain(loaded, "key", caller=caller, salt=SALT).subject == "k"


def test_what_is_decided_at_the_time_is_not_foretold(loaded: LoadedManifest) -> None:
    found = explain(loaded, "quick", caller=Caller(user="u", key="k"), salt=SALT)
    assert (found.variant, found.reason) == ("", "the one that is quickest at the time, of two taken by chance")


def test_a_conversation_is_known_by_its_header_or_its_messages(loaded: LoadedManifest) -> None:
    found = explain(loaded, "talk", caller=Caller(user="u", headers={"x-session": "s"}), salt=SALT)
    assert (found.subject, found.source) == ("s", "header x-session")
    assert found.variant == ("a", "b")[split.choose([1, 1], split.position(SALT, "talk", "s"))]
    found = explain(loaded, "talk", caller=Caller(user="u"), salt=SALT)
    assert (found.variant, found.reason[:45]) == ("", "it depends on the header x-session, then the ")


def test_what_is_not_known_is_said(loaded: LoadedManifest) -> None:
    nobody = explain(loaded, "two", caller=Caller(), salt=SALT)
    assert (nobody.variant, nobody.position) == ("", None)
    assert nobody.reason.startswith("it depends on the header x-user")
    assert explain(loaded, "call", caller=Caller(user="u"), salt=SALT).reason == "every call is drawn by itself"
    assert explain(loaded, "key", caller=Caller(user="u"), salt=SALT).reason == "it depends on the key"
    assert "no salt yet" in explain(loaded, "two", caller=Caller(user="u"), salt=None).reason


def test_one_variant_with_a_weight_answers_everybody(loaded: LoadedManifest) -> None:
    found = explain(loaded, "one", caller=Caller(), salt=None)
    assert found.variant == "b"
    assert [(share.share, share.off) for share in found.shares] == [(0.0, ""), (1.0, "set KEY")]


def test_an_unknown_endpoint_gets_a_proposal(loaded: LoadedManifest) -> None:
    with pytest.raises(UnknownEndpoint) as caught:
        explain(loaded, "tow", caller=Caller(), salt=SALT)
    assert caught.value.hint == "did you mean two?"
