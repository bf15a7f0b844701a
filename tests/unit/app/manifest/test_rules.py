"""Rules between the parts of a manifest."""

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from tests.unit.app.manifest.conftest import Write

LOCAL = "providers: {o: {kind: ollama}}\n"
VERSIONS = "models: {d: {source: ./digits.onnx, versions: {v2: {source: ./digits.onnx}}}}\n"
CHAT = "models: {chat: {source: ./chat.gguf}}\n"
BOTH = "models: {chat: {source: ./chat.gguf}, digits: {source: ./digits.onnx}}\n"


def problems(write: Write, text: str) -> list[tuple[str, str]]:
    return [(fault.key, fault.problem) for fault in check_manifest(write(text), env={}).faults]


@pytest.mark.parametrize(
    "text",
    [
        CHAT,
        CHAT + "endpoints: {e: {variants: {a: {serve: chat}, b: {serve: chat, weight: 0}}}}",
        CHAT + "endpoints: {chat: {variants: {a: {serve: chat}}}}",
        CHAT
        + "providers: {o: {kind: ollama}}\nendpoints: {e: {variants: {a: {serve: chat}, b: {provider: o, model: m}}}}",
        VERSIONS + "endpoints: {e: {variants: {a: {serve: d}, b: {serve: d@v2}, c: {serve: d@1}}}}",
        CHAT + "access: {auth: none}",
        CHAT + "access: {auth: none}\ngateway: {listen: '[::1]:0', admin: 'localhost:0'}",
        CHAT + "gateway: {listen: '0.0.0.0:8000'}",
        CHAT + "gateway: {grpc: '127.0.0.1:8081'}",
        CHAT + "gateway: {listen: '127.0.0.1:0', admin: '127.0.0.1:0', grpc: '127.0.0.1:0'}",
        CHAT + "gateway: {workers: 2}\naccess: {limits: {key: {}}}",
        CHAT + "gateway: {workers: 2}\naccess: {limits: {key: {requests: 1/min}}}\nstore: {redis: 'redis://h'}",
        CHAT + "access: {limits: {key: {requests: '1/min, 1.5k / day', tokens: 3M/month}}}\nstore: {redis: none}",
        CHAT + "providers: {p: {kind: openai, base_url: 'http://10.0.0.7/v1'}}",
        CHAT + "providers: {p: {kind: vllm, base_url: 'http://[::1]:8000'}}",
        "models: {chat: {source: ./check.json, engine: {kind: toy-text}}}",
        CHAT + "access: {oidc: {a: {issuer: 'http://127.0.0.1:9/a', audience: b, scopes: {x.y: [chat], z: ['*']}}}}",
    ],
)
def test_what_is_right(write: Write, text: str) -> None:
    assert problems(write, text) == []


JUDGED = """
providers: {o: {kind: ollama}, a: {kind: anthropic, keys: ['${secret:K}'], optional: true}}
models: {digits: {source: ./digits.onnx}}
endpoints:
  plain: {variants: {x: {provider: o, model: m}}}
  tensors: {variants: {x: {serve: digits}}}
  judged: {variants: {x: {provider: o, model: m}}, guard: {output: {judge: {endpoint: plain}}}}
  e: {variants: {x: {provider: o, model: m}}, guard: {input: {judge: %s}}}
"""
HERE = "endpoints.e.guard.input.judge"


@pytest.mark.parametrize(
    ("judge", "place", "problem"),
    [
        ("{endpoint: plain}", "", ""),
        ("{provider: o, model: m}", "", ""),
        ("{}", HERE, "names nobody who judges"),
        ("{endpoint: plain, model: m}", HERE, "`endpoint` stands beside"),
        ("{provider: o}", HERE, "`model` is missing"),
        ("{provider: p, model: m}", f"{HERE}.provider", "no 'p' under `providers`"),
        ("{provider: a, model: m}", f"{HERE}.provider", "has no wire of moderations"),
        ("{endpoint: none}", f"{HERE}.endpoint", "no 'none' under `endpoints`"),
        ("{endpoint: tensors}", f"{HERE}.endpoint", "does not answer chat"),
        ("{endpoint: e}", f"{HERE}.endpoint", "would judge itself"),
        ("{endpoint: judged}", f"{HERE}.endpoint", "has a judge itself"),
        ("{endpoint: plain, threshold: 2}", f"{HERE}.threshold", ""),
        ("{endpoint: plain, piece: 9}", f"{HERE}.piece", ""),
    ],
)
def test_a_judge_is_somebody_who_can(write: Write, judge: str, place: str, problem: str) -> None:
    found = problems(write, JUDGED % judge)
    assert [key for key, _ in found] == ([place] if place else [])
    assert all(problem in said for _, said in found)


WRONG = """
models: {none: {source: ./none.onnx}} | models.none.source | './none.onnx' does not exist
models: {m: {source: ..}} | models.m.source | '..' is of no format that is served here
models: {m: {source: ./check.json}} | models.m.source | of no format that is served here
models: {m: {source: ./chat.gguf, engine: {kind: onnxruntime}}} | models.m.source | no ONNX file, it is GGUF
models: {m: {source: ./check.json, engine: {kind: onnxruntime}}} | models.m.source | is no ONNX file
models: {m: {source: ./chat.gguf, check: ./none.json}} | models.m.check | './none.json' does not exist
models: {m: {source: ./chat.gguf, check: ./chat.gguf}} | models.m.check | is not JSON
models: {m: {source: ./digits.onnx, versions: {v2: {source: ./none.onnx}}}} | models.m.versions.v2.source | not exist
models: {m: {source: ./digits.onnx, versions: {v2: {source: ./chat.gguf}}}} | models.m.versions.v2.source | not answer
models: {m: {source: ./digits.onnx, scale: {min: 3, max: 2}}} | models.m.scale.max | 2 is less than `min`, 3
models: {m: {source: ./digits.onnx, scale: {min: 2, idle: 1m}}} | models.m.scale.idle | nothing is scaled
models: {m: {source: ./digits.onnx, scale: {on: {in_flight: 0}, max: 2}}} | models.m.scale.on.in_flight | is below 1
models: {m: {source: ./chat.gguf, placement: {group: g}}} | models.m.placement.group | is no tensor model
models: {m: {source: ./digits.onnx, placement: {group: m}}} | models.m.placement.group | a model is called 'm', too
models: {m: {source: ./digits.onnx, placement: {group: g}, scale: {min: 2}}} | models.m.scale | a process of their own
models: {m: {source: ./digits.onnx, versions: {1: {source: ./digits.onnx}}}} | models.m.versions.1 | two versions are
models: {m: {source: ./digits.onnx, versions: {a/b: {source: ./digits.onnx}}}} | models.m.versions.a/b | a/b
endpoints: {e: {variants: {a: {serve: digits@v3}}}} | endpoints.e.variants.a.serve | has no version 'v3'
models: {m: {source: ./digits.onnx, engine: {context: 8}}} | models.m.engine.context | is for text models
models: {m: {source: ./digits.onnx, engine: {device: 'gpu:0'}}} | models.m.engine.device | does not run on 'gpu:0'
models: {m: {source: ./check.json, engine: {kind: toy-tensor, precision: f16}}} | models.m.engine.precision | not in f16
models: {m: {source: ./built.plan}} | models.m.engine.device | tensorrt does not run on 'cpu'
models: {m: {source: ./chat.gguf, engine: {device: cuda}}} | models.m.engine.device | does not run on 'cuda'
access: {auth: none}; gateway: {listen: '0.0.0.0:80'} | access.auth | lets everybody call
access: {auth: none}; gateway: {listen: '[::]:80'} | access.auth | lets everybody call
access: {auth: none, oidc: {a: {issuer: 'https://a', audience: b}}} | access.oidc | no token is looked at
access: {oidc: {a: {issuer: 'http://a', audience: b}}} | access.oidc.a.issuer | is http, so that anybody
access: {oidc: {a: {issuer: 'login', audience: b}}} | access.oidc.a.issuer | is not http(s)
access: {oidc: {a: {issuer: 'https://a/?b', audience: b}}} | access.oidc.a.issuer | has a query
access: {oidc: {a: &i {issuer: 'https://i', audience: b}, c: *i}} | access.oidc.c.issuer | of a
access: {oidc: {a: {issuer: 'https://a', audience: b, scopes: {s: [none]}}}} | access.oidc.a.scopes.s[0] | no 'none'
access: {oidc: {a: {issuer: 'https://a', audience: b, algorithms: [HS256]}}} | access.oidc.a.algorithms[0] | HS256
access: {oidc: {a: {issuer: 'https://a', audience: b, algorithms: [none]}}} | access.oidc.a.algorithms[0] | none
gateway: {listen: 'localhost:80', admin: '127.0.0.1:80'} | gateway.admin | same port
gateway: {listen: 'localhost:80', grpc: '127.0.0.1:80'} | gateway.grpc | is the same port as gateway.listen
gateway: {admin: '[::1]:81', grpc: '0.0.0.0:81'} | gateway.grpc | is the same port as gateway.admin
access: {auth: none}; gateway: {grpc: '0.0.0.0:81'} | access.auth | gateway.grpc is open to other machines
gateway: {workers: 2}; access: {limits: {key: {requests: 1/min}}} | access.limits | 2 gateway workers would each count
access: {limits: {endpoints: {nobody: {requests: 1/min}}}} | access.limits.endpoints.nobody | no 'nobody'
store: {redis: 'http://h'} | store.redis | is no address of Redis
store: {redis: 'redis+sentinel://h:26379/main'} | store.redis | is no address of Redis
store: {redis: 'redis://:pw@h'} | store.redis | holds a password
store: {redis: 'redis://h?password=pw'} | store.redis | holds a password
store: {database: 'mysql://h/d'} | store.database | the address is no address of PostgreSQL
store: {database: 'postgres://u:pw@h/d'} | store.database | holds a password
store: {database: 'postgresql://u@h/d?password=pw'} | store.database | holds a password
store: {database: 'postgresql://u@h/d?sslmode=full'} | store.database | the address has an unknown sslmode
gateway: {listen: '0.0.0.0:80', admin: '10.0.0.7:80'} | gateway.admin | same port
providers: {p: {kind: nobody}} | providers.p.kind | no kind of provider
providers: {p: {kind: serving}} | providers.p.kind | no kind of provider
providers: {p: {kind: openai}} | providers.p | needs an API key
providers: {p: {kind: vllm}} | providers.p | `base_url` is missing
providers: {p: {kind: vllm, base_url: 'host:80'}} | providers.p.base_url | is not http(s)
providers: {p: {kind: vllm, base_url: 'ftp://h'}} | providers.p.base_url | is not http(s)
providers: {p: {kind: vllm, base_url: 'http://h:0'}} | providers.p.base_url | is not http(s)
providers: {p: {kind: vllm, base_url: 'http://h:99999'}} | providers.p.base_url | is no URL
providers: {p: {kind: vllm, base_url: 'http://h/?a=1'}} | providers.p.base_url | has a query
providers: {p: {kind: vllm, base_url: 'http://h/a b'}} | providers.p.base_url | holds a blank
providers: {p: {kind: vllm, base_url: 'http://h', options: {a: b}}} | providers.p.options.a | not a known key
endpoints: {e: {variants: {a: {}}}} | endpoints.e.variants.a | names nobody who answers
endpoints: {e: {variants: {a: {serve: chat, model: x}}}} | endpoints.e.variants.a | stands beside
endpoints: {e: {variants: {a: {provider: x, model: m}}}} | endpoints.e.variants.a.provider | there is no 'x'
endpoints: {e: {variants: {a: {serve: digit}}}} | endpoints.e.variants.a.serve | there is no 'digit'
endpoints: {e: {variants: {a: {serve: chat, weight: 0}}}} | endpoints.e.variants | every weight is zero
endpoints: {e: {variants: {a: {serve: chat}, b: {serve: digits}}}} | endpoints.e.variants | no operation in common
endpoints: {digits: {variants: {a: {serve: chat}}}} | endpoints.digits | is used by no endpoint
"""


@pytest.mark.parametrize("row", WRONG.strip().splitlines())
def test_what_is_wrong(write: Write, row: str) -> None:
    text, key, problem = (cell.strip() for cell in row.split(" | "))
    models = "" if text.startswith("models") else BOTH
    ((found, words),) = problems(write, models + text.replace("; ", "\n"))
    assert found == key
    assert problem in words


def test_an_empty_manifest_runs_nothing(write: Write) -> None:
    assert problems(write, "") == [("", "names no model and no endpoint, so nothing could be called")]


def test_names_that_have_faults_of_their_own_still_count_as_there(write: Write) -> None:
    text = "models: {chat: {sorce: x}}\nproviders: {p: {}}\n"
    found = problems(write, text + "endpoints: {e: {variants: {a: {serve: chat}, b: {provider: p, model: m}}}}")
    assert [key for key, _ in found] == ["models.chat.sorce", "providers.p"]


def test_what_a_provider_cannot_do_is_no_operation_of_its_endpoint(write: Write) -> None:
    text = "providers: {t: {kind: tgi, base_url: 'http://h'}, d: {kind: deepseek, base_url: 'http://h'}}\n"
    variants = "endpoints: {e: {variants: {a: {provider: t, model: m}, b: {provider: d, model: m}}}}"
    assert load_manifest(write(text + variants), env={}).operations == {"e": ("chat", "messages", "responses")}


def test_variants_on_different_wires_answer_all_three(write: Write) -> None:
    text = "providers: {a: {kind: anthropic, base_url: 'http://h'}, t: {kind: tgi, base_url: 'http://h'}}\n"
    variants = "endpoints: {e: {variants: {a: {provider: a, model: m}, b: {provider: t, model: m}}}}"
    assert load_manifest(write(text + variants), env={}).operations == {"e": ("chat", "messages", "responses")}


def test_anthropics_limit_is_a_number_above_zero(write: Write) -> None:
    text = "providers: {a: {kind: anthropic, base_url: 'http://h', options: {max_tokens: '0'}}}\n"
    variants = "endpoints: {e: {variants: {a: {provider: a, model: m}}}}"
    assert problems(write, text + variants) == [("providers.a.options.max_tokens", "'0' is not a number above 0")]
