"""What somebody should be woken for, or look at: rules for Prometheus over our own metrics and those of HAProxy.

Each is tested firing, quiet and without any series; a rule of shares counts failures in the same counter as calls, so
that it is not silent in a total outage.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

GROUP = "modelwright"
FAILED = 'outcome!~"ok|refused|guard_blocked|client_disconnect|provider_refused"'
"""Calls that did not end well, and not by the client."""
_BY = "(endpoint, release)"
_ENV = "--env {{ $externalLabels.environment }}"
"""Prometheus puts in the name that its settings have."""
_MISSED = "NoGateway"
_OF_EDGE = ("EdgeDown", "EdgeFails")
_LEAST = 20
"""Calls in five minutes below which a share says nothing."""


class Alert(NamedTuple):
    """One rule; docs/guide/monitoring.md is the twin of the list."""

    name: str
    expression: str
    lasts: str
    """For how long it has to be so."""
    severity: Literal["critical", "warning"]
    """critical: somebody is not served, or rows are lost."""
    summary: str
    action: str
    """What to do, for whoever is woken."""


ALERTS: tuple[Alert, ...] = (
    Alert(
        "GatewayDown",
        'up{job="gateway"} == 0',
        "2m",
        "critical",
        "{{ $labels.instance }} does not answer",
        f"Read its log (docker logs). What is gone comes back by `modelwright deploy {_ENV}`.",
    ),
    Alert(
        _MISSED,
        'absent(up{job="gateway"} == 1)',
        "5m",
        "critical",
        "No gateway answers",
        f"See what runs (`modelwright status {_ENV}`) and the gateway's log; `modelwright rollback {_ENV}` goes to the "
        "release before.",
    ),
    Alert(
        "CallsFail",
        f"sum by {_BY} (rate(modelwright_calls_total{{{FAILED}}}[5m])) / "
        f"sum by {_BY} (rate(modelwright_calls_total[5m])) > 0.05 "
        f"and sum by {_BY} (increase(modelwright_calls_total[5m])) >= {_LEAST}",
        "5m",
        "critical",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.endpoint }} fail in {{ $labels.release }}",
        "See by outcome why (dashboard Gateway). Provider's fault: a fallback or another variant. Only in a new "
        f"release: `modelwright abort {_ENV}` or `modelwright rollback {_ENV}`.",
    ),
    Alert(
        "CallsSlow",
        "histogram_quantile(0.99, sum by (le, endpoint, release) "
        '(rate(modelwright_call_duration_seconds_bucket{operation=~"infer|predict|embeddings"}[10m]))) > 5',
        "10m",
        "warning",
        "One in a hundred calls of {{ $labels.endpoint }} takes more than 5 s in {{ $labels.release }}",
        "See whether rows wait (modelwright_serving_queue_rows): more replicas or threads, or smaller batches.",
    ),
    Alert(
        "FirstTokenSlow",
        "histogram_quantile(0.99, sum by (le, endpoint, release) "
        "(rate(modelwright_first_token_seconds_bucket[10m]))) > 20",
        "10m",
        "warning",
        "One in a hundred streams of {{ $labels.endpoint }} begins after more than 20 s in {{ $labels.release }}",
        "See which variant it is (dashboard Gateway): the provider is slow, or answers wait for a place in the model.",
    ),
    Alert(
        "LedgerLoses",
        "increase(modelwright_ledger_lost_total[15m]) > 0 or "
        "increase(modelwright_ledger_intent_failures_total[15m]) > 0",
        "0s",
        "critical",
        "{{ $labels.instance }} cannot write down calls",
        "See that its disk has room and can be written; calls are refused rather than not written down.",
    ),
    Alert(
        "LedgerBehind",
        "modelwright_ledger_behind == 1",
        "10m",
        "warning",
        "The database takes no rows of {{ $labels.instance }}",
        "See that PostgreSQL runs and has room. Nothing is lost: rows wait on the gateway's disk.",
    ),
    Alert(
        "RedisAway",
        "modelwright_limits_away == 1 or modelwright_cache_away == 1",
        "2m",
        "warning",
        "{{ $labels.instance }} does not reach Redis",
        "See that Redis runs. Meanwhile limits hold as `access.limits` says, and no answer is taken from the cache.",
    ),
    Alert(
        "ProviderLeftAlone",
        "modelwright_breakers_open > 0",
        "5m",
        "warning",
        "{{ $labels.provider }} fails, and is left alone",
        "Ask the provider's own status page; see that its key is valid and paid for.",
    ),
    Alert(
        "WorkersRestart",
        "increase(modelwright_restarts_total[15m]) > 3",
        "0s",
        "warning",
        "{{ $labels.part }} of {{ $labels.instance }} is started again and again",
        "Read its log: a crash of an engine, or more memory than `resources.memory` allows.",
    ),
    Alert(
        "DiskFills",
        "modelwright_disk_free_bytes / modelwright_disk_bytes < 0.1",
        "10m",
        "warning",
        "The disk of {{ $labels.instance }} is {{ $value | humanizePercentage }} free",
        "Remove what nobody needs: old images (docker image prune), releases beyond `keep_releases`, a longer `keep`.",
    ),
    Alert(
        "EdgeDown",
        'up{job="edge"} == 0',
        "2m",
        "critical",
        "The edge does not answer: nobody comes in",
        f"Read its log (docker logs). `modelwright deploy {_ENV}` starts it again with the same release and shares.",
    ),
    Alert(
        "EdgeFails",
        'sum by (proxy) (rate(haproxy_backend_http_responses_total{code="5xx"}[5m])) / '
        "sum by (proxy) (rate(haproxy_backend_http_responses_total[5m])) > 0.05 "
        f"and sum by (proxy) (increase(haproxy_backend_http_responses_total[5m])) >= {_LEAST}",
        "5m",
        "critical",
        "{{ $value | humanizePercentage }} of the requests of {{ $labels.proxy }} fail",
        f"See whether instances behind it answer (`modelwright status {_ENV}`) and read their logs; a new release: "
        f"`modelwright rollback {_ENV}`.",
    ),
    Alert(
        "AlertsLost",
        "increase(prometheus_notifications_dropped_total[15m]) > 0 or "
        "increase(alertmanager_notifications_failed_total[15m]) > 0 or "
        "increase(prometheus_rule_evaluation_failures_total[15m]) > 0",
        "0s",
        "warning",
        "Alerts do not get where they should",
        "Read the logs of Prometheus and Alertmanager: the receiver refuses them, or cannot be reached.",
    ),
)


def rules(*, gateway: bool = True, edge: bool = True) -> dict[str, Any]:
    """A file of rules, as Prometheus reads it. Without a gateway, none is missed; some edges have no numbers."""
    silent = {*(() if gateway else (_MISSED,)), *(() if edge else _OF_EDGE)}
    told = [alert for alert in ALERTS if alert.name not in silent]
    return {"groups": [{"name": GROUP, "rules": [_rule(alert) for alert in told]}]}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasts,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "action": alert.action},
    }
