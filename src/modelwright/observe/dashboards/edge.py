"""The page of what stands in front: HAProxy's routes, how they answer, and what runs behind them."""

from __future__ import annotations

from modelwright.observe.dashboards.panels import Dashboard, Panel, Query

_ROUTE = 'proxy=~"$proxy"'
_BROKEN = f'{_ROUTE}, code="5xx"'
_RATE = "[$__rate_interval]"


def _rate(metric: str, by: str, *, where: str = _ROUTE) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}{_RATE}))"


_ANSWERS = "haproxy_backend_http_responses_total"

EDGE = Dashboard(
    "modelwright-edge",
    "Edge",
    {"proxy": _ANSWERS},
    (
        (
            Panel("Requests by route", "reqps", (Query(_rate(_ANSWERS, "proxy"), "{{proxy}}"),)),
            Panel("Answers by status", "reqps", (Query(_rate(_ANSWERS, "code"), "{{code}}"),)),
            Panel(
                "Share of 5xx",
                "percentunit",
                (
                    Query(
                        f"{_rate(_ANSWERS, 'proxy', where=_BROKEN)} / {_rate(_ANSWERS, 'proxy')}",
                        "{{proxy}}",
                    ),
                ),
            ),
        ),
        (
            Panel(
                "Time of an answer, mean",
                "s",
                (Query(f"max by (proxy) (haproxy_backend_response_time_average_seconds{{{_ROUTE}}})", "{{proxy}}"),),
                "Until it begins, over the last 1024 requests.",
            ),
            Panel(
                "Requests under way",
                "short",
                (
                    Query(
                        f"sum by (proxy, server) (haproxy_server_current_sessions{{{_ROUTE}}}) > 0",
                        "{{proxy}} {{server}}",
                    ),
                ),
                "By place of an instance; its file, haproxy.cfg, says who is there.",
            ),
            Panel(
                "Places that answer",
                "short",
                (Query(f"sum by (proxy) (haproxy_backend_active_servers{{{_ROUTE}}})", "{{proxy}}"),),
            ),
        ),
        (
            Panel(
                "Connections of clients",
                "short",
                (Query('sum(haproxy_frontend_current_sessions{proxy="doors"})', "open"),),
            ),
            Panel("Bytes out", "Bps", (Query(_rate("haproxy_backend_bytes_out_total", "proxy"), "{{proxy}}"),)),
            Panel(
                "Connections that failed",
                "reqps",
                (
                    Query(_rate("haproxy_backend_connection_errors_total", "proxy"), "{{proxy}} refused"),
                    Query(_rate("haproxy_backend_response_errors_total", "proxy"), "{{proxy}} broken off"),
                ),
            ),
        ),
    ),
)
