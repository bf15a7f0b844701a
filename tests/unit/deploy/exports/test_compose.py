from typing import Any

import pytest
from ruamel.yaml import YAML

from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.exports.compose.folder import edge_file, pieces
from modelwright.deploy.exports.compose.text import compose, example
from tests.unit.deploy.exports.stacks import ASKING, WATCHED, WHOLE


def _read(desired: Desired) -> Any:
    return YAML(typ="safe", pure=True).load(compose(desired))


def test_services_are_inside_alone_and_the_edge_is_the_only_one_with_a_port() -> None:
    file = _read(WHOLE)
    assert file["networks"]["inside"] == {"internal": True}
    services = file["services"]
    assert services["redis"]["networks"] == ["inside"]
    assert services["api"]["networks"] == ["inside", "outside"]
    assert [name for name, one in services.items() if "ports" in one] == ["edge"]
    assert services["edge"]["ports"] == ["${EDGE_8080:-127.0.0.1:8080}:8080"]


def test_everybody_waits_for_what_it_needs() -> None:
    services = _read(WHOLE)["services"]
    assert services["api"]["depends_on"] == {
        "redis": {"condition": "service_healthy"},
        "api-release": {"condition": "service_completed_successfully"},
    }
    assert services["api-release"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert services["api-release"]["restart"] == "no"
    assert "healthcheck" not in services["api-release"]
    assert services["edge"]["depends_on"] == {"api": {"condition": "service_healthy"}}


def test_limits_data_and_what_compose_would_fill_in() -> None:
    file = _read(WHOLE)
    services = file["services"]
    assert services["redis"]["deploy"]["resources"]["limits"] == {"memory": str(256 << 20)}
    assert services["api"]["deploy"]["resources"]["limits"] == {"cpus": "0.5"}
    assert file["volumes"] == {"redis": {}}
    assert services["api"]["environment"]["PRICE"] == "5 $$ a month"
    assert all(one["init"] is True for one in services.values())


def test_secrets_are_files_of_one_program_and_never_variables() -> None:
    file = _read(WHOLE)
    assert file["secrets"] == {"api.env.TOKEN": {"file": "./secrets/api/env/TOKEN"}}
    assert file["services"]["api"]["secrets"] == [{"source": "api.env.TOKEN", "target": "/run/secrets/env/TOKEN"}]
    assert {piece.path: (piece.secret, piece.archive) for piece in pieces(WHOLE).values()} == {
        "secrets/api/env/TOKEN": (True, False),
        "files/api/site/index.html": (False, False),
        "weights/weights-1": (False, True),
    }


def test_monitoring_is_started_when_it_is_asked_for() -> None:
    file = _read(WATCHED)
    assert file["services"]["grafana"]["profiles"] == ["monitoring"]
    assert "profiles" not in file["services"]["redis"]
    assert "--profile monitoring" in compose(WATCHED)
    assert "--profile monitoring" not in compose(WHOLE)


def test_the_example_names_every_setting_with_what_holds_without_it() -> None:
    text = example(WHOLE)
    for line in ("COMPOSE_PROJECT_NAME=shop-test", "REDIS_IMAGE=redis:7", "EDGE_8080=127.0.0.1:8080"):
        assert line in text.splitlines()


def test_the_edge_reaches_programs_by_their_names() -> None:
    place, inside, text = edge_file(WHOLE)
    assert (place, inside) == ("edge/haproxy.cfg", "/edge/haproxy.cfg")
    assert " api:8080 " in text


def test_certificates_that_nobody_would_ask_for_are_refused() -> None:
    with pytest.raises(DeployError, match="asks for no certificates"):
        edge_file(ASKING)
