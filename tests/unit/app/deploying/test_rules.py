"""Faults of apps, services, routes and targets: all at once, each with its place and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.core.errors.tree import ManifestError

TOP = "schema: 1\nname: kb\nproviders: {up: {kind: vllm, base_url: 'http://10.0.0.7'}}\n"
ENDPOINT = "endpoints: {chat: {variants: {main: {provider: up, model: m}}}}\n"


def faults(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    """(problem, remedy) by place."""
    (folder / "backend").mkdir(exist_ok=True)
    (folder / "backend" / "main.py").write_text("")
    (folder / "own.yaml").write_text("rules: []\n")
    (folder / "routing.yaml").write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    path = folder / "modelwright.yaml"
    path.write_text(f"{TOP}{ENDPOINT}{text}")
    found = check_manifest(path, env={}).faults
    return {fault.key: (fault.problem, fault.remedy) for fault in found}


def alone(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    """Likewise, of a manifest that names no model and no endpoint."""
    path = folder / "modelwright.yaml"
    path.write_text(f"schema: 1\nname: kb\n{text}")
    return {fault.key: (fault.problem, fault.remedy) for fault in check_manifest(path, env={}).faults}


def test_programs_without_a_model_or_an_endpoint_are_for_a_target_alone(tmp_path: Path) -> None:
    here = "apps: {api: {image: a, port: 80}}\nroutes: {all: {paths: {/: api}}}\ntargets: {here: {kind: docker}}\n"
    assert alone(tmp_path, f"{here}environments: {{production: {{target: here}}}}") == {}
    assert alone(tmp_path, "services: {redis: {}}")[""][0].startswith("names no model and no endpoint")


def test_without_a_gateway_nothing_leads_to_it(tmp_path: Path) -> None:
    env = "{A: '${gateway:url}', B: '${key:api}', C: c}"
    found = alone(
        tmp_path, f"apps: {{api: {{image: a, port: 80, env: {env}}}}}\nroutes: {{all: {{paths: {{/: gateway}}}}}}"
    )
    assert [*found] == ["apps.api.env.A", "apps.api.env.B", "routes.all.paths./"]
    assert {problem for problem, _ in found.values()} == {"no gateway runs, since no model and no endpoint is named"}


CASES = [
    ("apps: {api: {port: 1}}", "apps.api", "has neither `build` nor `image`", "write `build: ./api`"),
    ("apps: {api: {build: ./backend, image: a}}", "apps.api.image", "stands beside `build`", "remove one"),
    ("apps: {api: {build: ./bakend}}", "apps.api.build", "'./bakend' does not exist", "name the folder"),
    ("apps: {gateway: {image: a}}", "apps.gateway", "is the name of a part of ours", "another name"),
    ("apps: {api: {image: a, health: /up}}", "apps.api.health", "listens on no port", "write `port: …`"),
    ("apps: {api: {image: a, command: 'a \"b'}}", "apps.api.command", "a quote that is not closed", "close it"),
    (
        "apps: {api: {image: a, env: {D: '${service:postgres.url}'}}}",
        "apps.api.env.D",
        "there is no 'postgres' under `services`",
        "add `services: {postgres: {}}`",
    ),
    (
        "services: {postgres: {}}\napps: {api: {image: a, env: {D: '${service:postgres.ulr}'}}}",
        "apps.api.env.D",
        "has no 'ulr'",
        "did you mean `postgres.url`?",
    ),
    (
        "targets: {t: {kind: docker, host: 'ssh://a', hosts: ['ssh://b']}}",
        "targets.t.host",
        "is one host",
        "remove one",
    ),
    ("targets: {t: {kind: docker, hosts: ['ssh://a', 'ssh://a']}}", "targets.t.hosts[1]", "stands there twice", "once"),
    (
        "targets: {t: {kind: docker, hosts: ['ssh://a', 'tcp://b']}}",
        "targets.t.hosts[1]",
        "without encryption",
        "ssh://",
    ),
    (
        "targets: {t: {kind: compose, hosts: ['ssh://a']}}",
        "targets.t.hosts",
        "is for hosts that we deploy",
        "remove it",
    ),
    ("services: {postgers: {}}", "services.postgers", "is no service", "did you mean postgres?"),
    ("services: {redis: {vector: true}}", "services.redis.vector", "is for postgres", "remove it"),
    (
        "services: {redis: {url: 'redis://u:hunter2@h'}}",
        "services.redis.url",
        "holds a password",
        "write `${secret:REDIS_URL}`",
    ),
    ("services: {redis: {url: 'redis://h', size: 1Gi}}", "services.redis.size", "names one elsewhere", "remove"),
    (
        "apps: {web: {image: a, port: 80}}\nroutes: {main: {paths: {/: wbe}}}",
        "routes.main.paths./",
        "there is no 'wbe' under `apps`",
        "did you mean web?",
    ),
    (
        "apps: {web: {image: a}}\nroutes: {main: {paths: {/: web}}}",
        "routes.main.paths./",
        "leads to web, which listens on no port",
        "write `port: …` under apps.web",
    ),
    (
        "routes: {one: {paths: {/v1: gateway}}, two: {paths: {/v1/: gateway}}}",
        "routes.two.paths./v1/",
        "is a path of the route one at the same host, too",
        "remove one of them",
    ),
    ("routes: {r: {tls: {}, paths: {/: gateway}}}", "routes.r.tls", "neither `acme` nor", "write one of them"),
    (
        "routes: {r: {tls: {acme: a@b.c}, paths: {/: gateway}}}",
        "routes.r.tls.acme",
        "needs the name of a host",
        "write `host: …`",
    ),
    (
        "routes: {r: {host: '*.b.c', tls: {acme: a@b.c}, paths: {/: gateway}}}",
        "routes.r.host",
        "is not given by HTTP",
        "name one host",
    ),
    ("routes: {r: {affinity: {}, paths: {/: gateway}}}", "routes.r.affinity", "by one thing", "`cookie: NAME`"),
    ("target: egde\ntargets: {edge: {kind: docker}}", "target", "there is no 'egde'", "did you mean edge?"),
    (
        "targets: {t: {kind: compose, host: 'unix:///x'}}",
        "targets.t.host",
        "Compose is started by somebody else",
        "remove it",
    ),
    (
        "targets: {t: {kind: docker, publish: {http: '0.0.0.0:80', https: '0.0.0.0:80'}}}",
        "targets.t.publish.https",
        "is the port of `http`, too",
        "choose another",
    ),
    ("services: {loki: {}}", "services.loki", "no Loki is run on a target", "name one that runs elsewhere"),
    ("services: {redis: {keep: 1d}}", "services.redis.keep", "is for prometheus", "remove it"),
    (
        "services: {prometheus: {rules: ./none.yaml}}",
        "services.prometheus.rules",
        "there is no such file",
        "mend the file",
    ),
    ("services: {prometheus: {rules: ./own.yaml}}", "services.prometheus.rules", "it has no `groups`", "mend the file"),
    (
        "services: {alertmanager: {webhook: 'https://h'}}",
        "services.alertmanager",
        "no Prometheus",
        "add `prometheus: {}`",
    ),
    (
        "services: {prometheus: {url: 'http://p'}, alertmanager: {webhook: 'https://h'}}",
        "services.alertmanager",
        "no Prometheus is run here",
        "settings of that one",
    ),
    (
        "services: {prometheus: {}, alertmanager: {}}",
        "services.alertmanager",
        "tells nobody",
        "write such as `webhook:",
    ),
    (
        "services: {prometheus: {}, alertmanager: {webhook: 'ops@h'}}",
        "services.alertmanager.webhook",
        "is no address of the web",
        "https://",
    ),
    (
        "services: {prometheus: {}, alertmanager: {webhook: 'https://u:p@h'}}",
        "services.alertmanager.webhook",
        "holds a password",
        "write `${secret:ALERTS_URL}`",
    ),
    (
        "services: {prometheus: {}, alertmanager: {webhook: 'https://h', secrets: {WORD: '${secret:WORD}'}}}",
        "services.alertmanager.secrets",
        "is for what `config` reads",
        "write `config`",
    ),
    (
        "services: {prometheus: {}, alertmanager: {config: ./own.yaml}}",
        "services.alertmanager.config",
        "it has no `route`",
        "mend the file",
    ),
    (
        "services: {prometheus: {}, alertmanager: {config: ./routing.yaml, secrets: {WORD: hunter2}}}",
        "services.alertmanager.secrets.WORD",
        "stands in the file",
        "write `${secret:WORD}`",
    ),
    (
        "services: {prometheus: {}, alertmanager: {config: ./routing.yaml, webhook: 'https://h'}}",
        "services.alertmanager.webhook",
        "stands beside `config`",
        "remove one",
    ),
    ("services: {grafana: {}}", "services.grafana", "has nothing to show", "add `prometheus: {}`"),
    (
        "services: {prometheus: {}, grafana: {}}\nroutes: {r: {paths: {/g: grafana}}}",
        "routes.r.paths./g",
        "answers for all of a host",
        "`/: grafana`",
    ),
    (
        "services: {prometheus: {}}\nroutes: {r: {paths: {/: prometheus}}}",
        "routes.r.paths./",
        "there is no 'prometheus' under `apps`",
        "known: gateway",
    ),
    ("rollout: {steps: [50%, 10%]}", "rollout.steps[1]", "10% is not more than 50%", "let the shares rise"),
    ("rollout: {steps: [0.5%]}", "rollout.steps[0]", "'0.5%' is no share", "write whole percent, such as 10%"),
    ("rollout: {gates: {errors: 1}}", "rollout.gates", "all traffic goes over at once", "write such as `steps:"),
    ("access: {keys: {api: {}}}", "access.keys.api", "has no `key`", "write `key:"),
    (
        "access: {keys: {api: {key: '${secret:K}', endpoints: [cht]}}}",
        "access.keys.api.endpoints[0]",
        "there is no 'cht'",
        "did you mean chat?",
    ),
    (
        "targets: {far: {kind: docker, host: 'tcp://192.0.2.7:2375'}}",
        "targets.far.host",
        "is reached without encryption",
        "write such as ssh://user@host",
    ),
    ("gateway: {listen: '${gateway:url}'}", "gateway.listen", "cannot stand here", "write the value itself"),
]
"""(text, place, problem, remedy)."""


@pytest.mark.parametrize(("text", "place", "problem", "remedy"), CASES)
def test_a_fault_names_its_place_its_problem_and_a_remedy(
    tmp_path: Path, text: str, place: str, problem: str, remedy: str
) -> None:
    found = faults(tmp_path, text)
    assert place in found, found
    assert problem in found[place][0]
    assert remedy in found[place][1]
    assert "hunter2" not in str(found)


def test_what_is_right_has_no_fault(tmp_path: Path) -> None:
    text = """\
apps: {web: {build: ./backend, port: 80, env: {D: "${service:postgres.url}", K: "${key:web}"}}, work: {image: w}}
services: {postgres: {vector: true}, redis: {url: "redis://cache.example.com:6379/0"}}
routes: {main: {host: a.b.c, tls: {acme: a@b.c}, paths: {/: web, /v1: gateway}}}
targets: {edge: {kind: docker}}
store: {database: "${service:postgres.url}", redis: "${service:redis.url}"}
target: edge
"""
    assert faults(tmp_path, text) == {}


def test_on_a_target_a_database_that_is_a_file_is_refused_with_the_lines_to_write(tmp_path: Path) -> None:
    text = "targets: {edge: {kind: docker}}\nenvironments: {production: {target: edge}}\n"
    found = faults(tmp_path, text)
    assert found["store.database"] == (
        "is a file, and on a target the gateway of the next release runs beside this one's (in production)",
        (
            'write `store: {database: "${service:postgres.url}"}` under environments.production, '
            "and `services: {postgres: {}}`"
        ),
    )
    services = "services: {postgres: {}}\n"
    assert list(faults(tmp_path, f"{text}{services}")) == ["store.database"]
    right = text.replace("target: edge}", 'target: edge, store: {database: "${service:postgres.url}"}}')
    assert faults(tmp_path, f"{right}{services}") == {}


def test_on_a_target_nobody_is_found_on_its_own_loopback(tmp_path: Path) -> None:
    text = "targets: {edge: {kind: docker}}\nservices: {postgres: {}}\nenvironments: {production: {target: edge, "
    text += 'store: {database: "${service:postgres.url}"}, providers: {up: {base_url: "http://localhost:11434"}}}}\n'
    assert faults(tmp_path, text) == {
        "providers.up.base_url": (
            "is the gateway's own container, on a target (in production)",
            "name the host by an address that others reach",
        )
    }


def test_up_runs_no_services_and_says_so(tmp_path: Path) -> None:
    text = 'services: {postgres: {}}\nstore: {database: "${service:postgres.url}"}\n'
    found = faults(tmp_path, text)["store.database"]
    assert found[0].startswith("`${service:postgres.url}` is there on a target alone; here no service is run")
    assert "modelwright deploy" in found[1]


def test_up_takes_the_address_of_a_service_that_runs_elsewhere(tmp_path: Path) -> None:
    text = 'services: {postgres: {url: "${secret:D}"}}\nstore: {database: "${service:postgres.url}"}\n'
    (tmp_path / "modelwright.yaml").write_text(f"{TOP}{ENDPOINT}{text}")
    loaded = load_manifest(tmp_path / "modelwright.yaml", env={"D": "postgresql://h/d"})
    assert loaded.manifest.store.database is not None
    assert loaded.manifest.store.database.reveal() == "${secret:D}"
    assert loaded.secrets == ("D",)
    with pytest.raises(ManifestError, match=r"store\.database"):
        load_manifest(tmp_path / "modelwright.yaml", env={})


def test_a_key_that_a_target_replaces_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.yaml"
    key = "mw-abcdefgh-0123456789abcdef0123456789abcdef"
    path.write_text(
        f"{TOP}{ENDPOINT}access: {{keys: {{api: {{key: '${{env:KEY}}'}}, team: {{key: '${{env:KEY_2}}'}}}}}}\n"
        "apps: {api: {image: a, port: 80, env: {KEY: '${key:api}'}}}\ntargets: {here: {kind: docker}}\n"
        "environments: {production: {target: here}}\n"
    )
    env = {"KEY": key, "KEY_2": key.replace("a", "b")}
    assert check_manifest(path, environment="development", env=env).warnings == ()
    (warning,) = check_manifest(path, environment="production", env=env).warnings
    assert warning.key == "access.keys.api.key"
    assert "is not used on a target" in warning.problem
