"""Every rule fires when it should, is quiet when all is well, and says nothing where its series are absent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from modelwright.observe.alerts import ALERTS, rules

G = 'instance="gateway-r1-0", job="gateway", release="r1"'
GATEWAY = 'job="gateway"'
CALLS = f'modelwright_calls_total{{{G}, endpoint="chat", outcome='
EDGE = 'haproxy_backend_http_responses_total{instance="edge", job="edge", proxy="route.main", code='


class Case(NamedTuple):
    """Series by what they are at each minute."""

    firing: dict[str, str]
    quiet: dict[str, str]


def took(metric: str, labels: str, *, slow: bool) -> dict[str, str]:
    """Calls of which four in a hundred are slow, or none is."""
    many, few = "0+96x40", "0+100x40"
    buckets = {"0.5": many if slow else few, "30.0": few, "+Inf": few}
    return {f'{metric}_bucket{{{G}, endpoint="chat"{labels}, le="{le}"}}': told for le, told in buckets.items()}


CASES = {
    "GatewayDown": Case({f"up{{{G}}}": "1x5 0x35"}, {f"up{{{G}}}": "1x5 0x1 1x35"}),
    "NoGateway": Case({'up{instance="prometheus", job="prometheus"}': "1x40"}, {f"up{{{G}}}": "1x40"}),
    "CallsFail": Case(
        {f'{CALLS}"provider_timeout"}}': "0+10x40"},  # a total outage: nothing has ended well
        {f'{CALLS}"ok"}}': "0+96x40", f'{CALLS}"provider_error"}}': "0+4x40", f'{CALLS}"refused"}}': "0+500x40"},
    ),
    "CallsSlow": Case(
        took("modelwright_call_duration_seconds", ', operation="infer"', slow=True),
        took("modelwright_call_duration_seconds", ', operation="infer"', slow=False)
        | took("modelwright_call_duration_seconds", ', operation="chat"', slow=True),
    ),
    "FirstTokenSlow": Case(
        took("modelwright_first_token_seconds", "", slow=True), took("modelwright_first_token_seconds", "", slow=False)
    ),
    "LedgerLoses": Case(
        {f"modelwright_ledger_intent_failures_total{{{G}}}": "0x20 1x20"},
        {f"modelwright_ledger_lost_total{{{G}}}": "3x40"},
    ),
    "LedgerBehind": Case(
        {f"modelwright_ledger_behind{{{G}}}": "1x40"}, {f"modelwright_ledger_behind{{{G}}}": "0x5 1x5 0x30"}
    ),
    "RedisAway": Case({f"modelwright_limits_away{{{G}}}": "1x40"}, {f"modelwright_cache_away{{{G}}}": "0x40"}),
    "ProviderLeftAlone": Case(
        {f'modelwright_breakers_open{{{G}, provider="p"}}': "1x40"},
        {f'modelwright_breakers_open{{{G}, provider="p"}}': "0x40"},
    ),
    "WorkersRestart": Case(
        {f'modelwright_restarts_total{{{G}, part="serving"}}': "0+1x40"},
        {f'modelwright_restarts_total{{{G}, part="serving"}}': "0x20 2x20"},
    ),
    "DiskFills": Case(
        {f"modelwright_disk_free_bytes{{{G}}}": "5x40", f"modelwright_disk_bytes{{{G}}}": "100x40"},
        {f"modelwright_disk_free_bytes{{{G}}}": "50x40", f"modelwright_disk_bytes{{{G}}}": "100x40"},
    ),
    "EdgeDown": Case({'up{instance="edge", job="edge"}': "0x40"}, {'up{instance="edge", job="edge"}': "1x40"}),
    "EdgeFails": Case(
        {f'{EDGE}"5xx"}}': "0+10x40", f'{EDGE}"2xx"}}': "0+90x40"},
        {f'{EDGE}"5xx"}}': "0+1x40", f'{EDGE}"2xx"}}': "0+2x40"},  # too few calls to say anything
    ),
    "AlertsLost": Case(
        {'alertmanager_notifications_failed_total{instance="alertmanager", integration="webhook"}': "0x20 1x20"},
        {'prometheus_notifications_dropped_total{instance="prometheus"}': "7x40"},
    ),
}


def promtool(*words: str) -> str:
    """What it says; it has to be content."""
    program = shutil.which("promtool")
    assert program, "promtool is not installed: sh tests/system-packages.sh prometheus"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_bytes(msgspec.json.encode(rules()))
    return path


def test_every_rule_has_a_case() -> None:
    assert list(CASES) == [alert.name for alert in ALERTS]


def test_each_fires_and_is_quiet_and_only_the_first_sign_of_life_is_missed(file: Path) -> None:
    tests = [
        *(one for name, case in CASES.items() for one in judged(name, case)),
        held("nothing is told", {}, ["NoGateway"]),
    ]
    (file.parent / "tests.yml").write_bytes(msgspec.json.encode({"rule_files": [file.name], "tests": tests}))
    promtool("test", "rules", str(file.parent / "tests.yml"))


def judged(name: str, case: Case) -> list[dict[str, Any]]:
    """Where no gateway is told of, that one is missed, too."""
    gone = [] if any(series.startswith("up{") and GATEWAY in series for series in case.quiet) else ["NoGateway"]
    return [
        held(f"{name} fires", case.firing, sorted({name, "NoGateway"})),
        held(f"{name} is quiet", case.quiet, gone),
    ]


def held(name: str, series: dict[str, str], firing: list[str]) -> dict[str, Any]:
    """By promtool's own language: which alerts there are after a while."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in firing]
    told = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "24m", "exp_samples": samples}
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [told],
    }


def test_they_are_rules_as_prometheus_reads_them(file: Path) -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(file))
