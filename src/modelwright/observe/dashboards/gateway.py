"""The gateway's page: calls, failures, times, tokens and cost, by release and variant, so that a canary is seen."""

from __future__ import annotations

from modelwright.observe.alerts import FAILED
from modelwright.observe.dashboards.panels import Dashboard, Panel, Query

_WHICH = 'endpoint=~"$endpoint", release=~"$release"'
_RELEASE = 'release=~"$release"'
_BY = "release, variant"
_KEPT = 'result=~"hit|semantic|shared"'
_LINE = "{{release}} {{variant}}"


def _rate(metric: str, by: str, *, where: str = _WHICH) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def _share(metric: str, by: str, *, where: str) -> str:
    """Of those that are `where`, too."""
    return f"{_rate(metric, by, where=f'{_WHICH}, {where}')} / {_rate(metric, by)}"


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', f'le, {by}')})"


def _times(metric: str) -> tuple[Query, ...]:
    return tuple(Query(_quantile(share, metric, _BY), f"{_LINE} p{share * 100:.0f}") for share in (0.5, 0.95, 0.99))


def _total(metric: str) -> str:
    return f"sum(rate({metric}{{{_WHICH}}}[$__rate_interval]))"


_FAILS = f"sum(rate(modelwright_calls_total{{{_WHICH}, {FAILED}}}[$__rate_interval]))"

GATEWAY = Dashboard(
    "modelwright-gateway",
    "Gateway",
    {"release": "modelwright_build_info", "endpoint": "modelwright_calls_total"},
    (
        (
            Panel("Gateways that answer", "short", (Query('sum(up{job="gateway"})', ""),), kind="stat"),
            Panel("Calls", "reqps", (Query(_total("modelwright_calls_total"), ""),), kind="stat"),
            Panel(
                "Failed", "percentunit", (Query(f"{_FAILS} / {_total('modelwright_calls_total')}", ""),), kind="stat"
            ),
            Panel(
                "First token, p95",
                "s",
                (Query(_quantile(0.95, "modelwright_first_token_seconds", "job"), ""),),
                kind="stat",
            ),
            Panel("Under way", "short", (Query(f"sum(modelwright_in_flight{{{_RELEASE}}})", ""),), kind="stat"),
            Panel(
                "Cost of an hour",
                "short",
                (Query(f"3600 * {_rate('modelwright_cost_total', 'currency')}", "{{currency}}"),),
                kind="stat",
            ),
        ),
        (
            Panel("Calls by release and variant", "reqps", (Query(_rate("modelwright_calls_total", _BY), _LINE),)),
            Panel(
                "Share that failed",
                "percentunit",
                (Query(_share("modelwright_calls_total", _BY, where=FAILED), _LINE),),
                "What clients did wrong, and what they left, is not counted.",
            ),
            Panel(
                "How calls end, but well",
                "reqps",
                (
                    Query(
                        _rate("modelwright_calls_total", "release, outcome", where=f'{_WHICH}, outcome!="ok"'),
                        "{{release}} {{outcome}}",
                    ),
                ),
            ),
        ),
        (
            Panel("Time to the first token", "s", _times("modelwright_first_token_seconds")),
            Panel("Time of a call", "s", _times("modelwright_call_duration_seconds")),
        ),
        (
            Panel(
                "Tokens",
                "short",
                (
                    Query(
                        _rate("modelwright_tokens_total", "release, variant, direction"),
                        f"{_LINE} {{{{direction}}}}",
                    ),
                ),
                "A second; cached ones are part of input, those of reasoning part of output.",
            ),
            Panel(
                "Cost of an hour",
                "short",
                (
                    Query(
                        f"3600 * {_rate('modelwright_cost_total', 'release, variant, currency')}",
                        f"{_LINE} {{{{currency}}}}",
                    ),
                ),
                "Calls without a price are not in it: see the ledger.",
            ),
            Panel(
                "Answers out of the cache",
                "percentunit",
                (
                    Query(
                        _share("modelwright_cache_calls_total", "release, endpoint", where=_KEPT),
                        "{{release}} {{endpoint}}",
                    ),
                ),
            ),
        ),
        (
            Panel(
                "Asked again unseen",
                "reqps",
                (
                    Query(
                        _rate("modelwright_failed_attempts_total", "release, variant, outcome"),
                        f"{_LINE} {{{{outcome}}}}",
                    ),
                ),
                "Requests to providers that failed, after which another one was made for the same call.",
            ),
            Panel(
                "Providers left alone",
                "short",
                (
                    Query(
                        f"sum by (release, provider) (modelwright_breakers_open{{{_RELEASE}}})",
                        "{{release}} {{provider}}",
                    ),
                ),
            ),
            Panel(
                "What guards found",
                "reqps",
                (Query(_rate("modelwright_guard_verdicts_total", "guard, action"), "{{guard}} {{action}}"),),
            ),
        ),
        (
            Panel(
                "Models: rows that wait",
                "short",
                (
                    Query(
                        f"sum by (release, model) (modelwright_serving_queue_rows{{{_RELEASE}}})",
                        "{{release}} {{model}}",
                    ),
                ),
            ),
            Panel(
                "Language models: answers",
                "short",
                (
                    Query(
                        f"sum by (release, model, state) (modelwright_serving_sequences{{{_RELEASE}}})",
                        "{{release}} {{model}} {{state}}",
                    ),
                ),
            ),
            Panel(
                "Language models: cache in use",
                "percentunit",
                (
                    Query(
                        f"max by (release, model) (modelwright_serving_kv_usage_ratio{{{_RELEASE}}})",
                        "{{release}} {{model}}",
                    ),
                ),
            ),
        ),
        (
            Panel(
                "Processes started again",
                "short",
                (
                    Query(
                        f"sum by (instance, part) (increase(modelwright_restarts_total{{{_RELEASE}}}[15m]))",
                        "{{instance}} {{part}}",
                    ),
                ),
                "In the last quarter of an hour.",
            ),
            Panel(
                "Turned away unread",
                "reqps",
                (Query(_rate("modelwright_turned_away_total", "instance", where=_RELEASE), "{{instance}}"),),
            ),
            Panel(
                "Disk that is free",
                "percentunit",
                (
                    Query(
                        f"min by (instance) (modelwright_disk_free_bytes{{{_RELEASE}}} / "
                        f"modelwright_disk_bytes{{{_RELEASE}}})",
                        "{{instance}}",
                    ),
                ),
            ),
        ),
    ),
)
