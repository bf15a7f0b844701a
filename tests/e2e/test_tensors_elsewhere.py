"""Tensor models that another server has: a whole second Modelwright, reached over HTTP with a key."""

from collections.abc import Iterator

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import Reply, Site, running
from tests.e2e.serving_worker import first_column, request

pytestmark = pytest.mark.e2e
FAR = """
schema: 1
name: far
models:
  sums: {source: ./sums.json, engine: {kind: toy-tensor}}
"""
NEAR = """
schema: 1
name: near
models:
  own: {source: ./sums.json, engine: {kind: toy-tensor}}
providers:
  far: {kind: v2, base_url: "URL", keys: ["${secret:FAR_KEY}"]}
  locked: {kind: v2, base_url: "URL", keys: ["${secret:WRONG_KEY}"]}
  nobody: {kind: v2, base_url: "http://127.0.0.1:9"}
endpoints:
  there: {variants: {only: {provider: far, model: sums@1}}}
  refused: {variants: {only: {provider: locked, model: sums}}}
  saved: {variants: {gone: {provider: nobody, model: sums}, here: {serve: own, weight: 0}}, fallback: [here]}
  mixed: {variants: {here: {serve: own, weight: 0}, there: {provider: far, model: sums}}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folders = [tmp_path_factory.mktemp(name) for name in ("far", "near")]
    for folder in folders:
        (folder / "sums.json").write_text('{"toy": 1, "columns": 4}')
    with running(FAR, folder=folders[0]) as far:
        keys = {"FAR_KEY": far.key, "WRONG_KEY": "nobody"}
        with running(NEAR.replace("URL", far.public), folder=folders[1], env=keys) as near:
            patient(lambda: infer(far, "sums").status == 200, waiting_for="the other server")
            patient(lambda: infer(near, "mixed").status == 200, waiting_for="the gateway")
            yield near


def infer(site: Site, name: str, version: str = "", **headers: str) -> Reply:
    path = f"/v2/models/{name}{f'/versions/{version}' if version else ''}/infer"
    return site.call("POST", path, request([[1, 2, 3, 4]]), headers=headers)


def test_an_endpoint_answers_with_a_model_of_another_server(site: Site) -> None:
    reply = infer(site, "there")
    assert (reply.status, first_column(reply)) == (200, [2.0])
    assert reply.headers["x-modelwright-variant"] == "only"
    assert infer(site, "there", version="1").status == 200
    assert infer(site, "there", version="2").status == 422
    assert first_column(infer(site, "mixed")) == [2.0]


def test_tensors_pass_in_their_binary_form(site: Site) -> None:
    head = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":16}}]}'
    length = {"inference-header-content-length": str(len(head))}
    reply = site.call("POST", "/v2/models/there/infer", head + bytes(16), headers=length)
    assert (reply.status, first_column(reply)) == (200, [0.0])


def test_what_is_wrong_with_a_request_is_told_by_who_has_the_model(site: Site) -> None:
    reply = site.call("POST", "/v2/models/there/infer", request([[1, 2]]))
    assert reply.status == 400
    assert "shape" in reply.json()["error"]


def test_a_refused_key_and_a_server_that_is_away_are_the_operators_matter(site: Site) -> None:
    assert infer(site, "refused").status == 502
    reply = infer(site, "saved")
    assert (reply.status, reply.headers["x-modelwright-variant"]) == (200, "here")


def test_what_such_a_model_takes_is_asked_where_it_is(site: Site) -> None:
    reply = site.call("GET", "/v2/models/there")
    assert (reply.status, "served elsewhere" in reply.json()["error"]) == (404, True)
    assert site.call("GET", "/v2/models/mixed").json()["name"] == "own"
    assert site.call("POST", "/predict/there", b'{"x": [1, 2, 3, 4]}').status == 422
