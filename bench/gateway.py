"""Measures the gateway beside nginx: direct, nginx `proxy_pass` with keep-alive, and Modelwright, in one run.

The upstream is a second nginx that answers a fixed chat completion of about 600 bytes (for streams: `dev-provider`).
The proxy under test has one processor, upstream and load the other. Modelwright runs as users run it: keys, ledger,
metrics and logs on.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from bench.process import (
    LOAD_CPU,
    SERVER_CPU,
    Site,
    children,
    cpu_seconds,
    free_port,
    modelwright,
    pin,
    resident_mb,
    running,
    scratch,
    site,
    wait_for,
)
from bench.wrk import Load, wrk

T = TypeVar("T")
Running = AbstractContextManager["subprocess.Popen[bytes]"]

SECONDS = 6.0
STREAMS, TOKENS, DELAY = 500, 200, "20ms"
BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "Say something short about gateways."}]}
).encode()
PATH = "/v1/chat/completions"

ANSWER = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "A gateway stands between callers and models. " * 6},
        }
    ],
    "usage": {"prompt_tokens": 14, "completion_tokens": 54, "total_tokens": 68},
}

NGINX = """
worker_processes 1; daemon off; master_process on; pid {folder}/nginx-{name}.pid; error_log {folder}/nginx-{name}.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy; fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u;
  scgi_temp_path {folder}/{name}-s;
  {upstream}
  server {{ listen 127.0.0.1:{port} backlog=4096; {location} }}
}}
"""
MANIFEST = """
schema: 1
name: bench
providers:
  up: {{kind: vllm, base_url: "http://127.0.0.1:{port}/v1"}}
endpoints:
  m: {{variants: {{only: {{provider: up, model: m}}}}}}
gateway: {{max_in_flight: 4096}}
"""
KEEPING = MANIFEST.replace("model: m}}}}}}", "model: m}}}}, cache: {{exact: {{ttl: 1h}}}}}}")
"""The same with an endpoint that keeps its answers: after the first call, all are hits."""
LIMITED = (
    MANIFEST.replace('/v1"}}', '/v1", prices: {{m: {{input: 0.15, output: 0.60, currency: USD}}}}}}')
    + """
access:
  limits:
    key: {{requests: 100M/min, tokens: 10G/min, concurrency: 4000}}
    tenant: {{cost: 1000000 USD/day}}
"""
)
"""The same with prices, limits and a budget, none of which is reached."""
GUARDED = LIMITED.replace(
    "model: m}}}}}}", "model: m}}}}, guard: {{input: {{pii: mask, injection: block}}, output: {{pii: mask}}}}}}"
)
"""The same with guards on questions and answers."""


def main() -> None:
    """Print both tables."""
    with scratch() as folder:
        upstream, proxy = free_port(), free_port()
        answer = json.dumps(ANSWER)
        fixed = f"default_type application/json; location / {{ return 200 '{answer}'; }}"
        with (
            _nginx(folder, "upstream", port=upstream, location=fixed, cpu=LOAD_CPU),
            _proxy(folder, "proxy", port=proxy, to=upstream) as nginx,
            site(MANIFEST.format(port=upstream), _made(folder / "calls")) as ours,
            site(LIMITED.format(port=upstream), _made(folder / "limited")) as limited,
            site(GUARDED.format(port=upstream), _made(folder / "guarded")) as guarded,
            site(KEEPING.format(port=upstream), _made(folder / "kept")) as keeping,
        ):
            sites = {"modelwright": ours, "+ limits": limited, "+ guards": guarded, "cache hits": keeping}
            _calls(folder, upstream=upstream, proxy=proxy, nginx=children(nginx.pid), sites=sites)
        _streams(folder)


def _calls(folder: Path, *, upstream: int, proxy: int, nginx: list[int], sites: Mapping[str, Site]) -> None:
    pids_of = {name: one.pid("gateway-0") for name, one in sites.items()}
    for pid in pids_of.values():
        pin(pid, SERVER_CPU)
    gateway, keys = pids_of["modelwright"], {one.public: one.key for one in sites.values()}
    idle = resident_mb(gateway)

    def run(url: str, connections: int) -> Load:
        key = keys.get(url, "none")
        return wrk(
            url + PATH,
            connections=connections,
            seconds=SECONDS,
            cpu=LOAD_CPU,
            folder=folder,
            body=BODY,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )

    print(
        f"non-streamed chat completion, {len(BODY)} bytes in, {len(json.dumps(ANSWER))} bytes out, {SECONDS:g} s each\n"
    )
    names = ("RPS c=64", "CPU µs/request", "x nginx", "p50 c=1 ms", "p99 c=64 ms", "errors")
    print(f"{'':12} {names[0]:>9} {names[1]:>15} {names[2]:>8} {names[3]:>11} {names[4]:>12} {names[5]:>7}")
    baseline = 0.0
    rows: list[tuple[str, str, list[int]]] = [
        ("direct", f"http://127.0.0.1:{upstream}", []),
        ("nginx", f"http://127.0.0.1:{proxy}", nginx),
        *((name, one.public, [pids_of[name]]) for name, one in sites.items()),
    ]
    for name, url, pids in rows:
        run(url, 8)  # warm
        single = run(url, 1)
        load, cpu = _with_cpu(lambda url=url: run(url, 64), pids)
        each = 1e6 * cpu / load.requests
        baseline = each if name == "nginx" else baseline
        ratio = f"{each / baseline:.2f}" if baseline else ""
        print(
            f"{name:12} {load.rate:9.0f} {each:15.1f} {ratio:>8} {single.p50:11.3f} {load.p99:12.2f} "
            f"{load.errors + single.errors:7}"
        )
    print(f"\ngateway worker: {idle:.0f} MB idle, {resident_mb(gateway):.0f} MB after the load\n")


def _streams(folder: Path) -> None:
    upstream, proxy = free_port(), free_port()
    command = modelwright("dev-provider", "--port", str(upstream), "--tokens", str(TOKENS), "--delay", DELAY)
    with (
        running(command, cpu=LOAD_CPU, log=folder / "provider.log"),
        _proxy(folder, "streams", port=proxy, to=upstream) as nginx,
        site(MANIFEST.format(port=upstream), _made(folder / "streamed")) as ours,
        site(GUARDED.format(port=upstream), _made(folder / "streams-guarded")) as guarded,
    ):
        wait_for(f"http://127.0.0.1:{upstream}/healthz")
        gateways = [one.pid("gateway-0") for one in (ours, guarded)]
        for pid in gateways:
            pin(pid, SERVER_CPU)
        keys = {ours.public: ours.key, guarded.public: guarded.key}
        print(f"{STREAMS} streams at once, {TOKENS} tokens each, {DELAY} per token\n")
        print(
            f"{'':12} {'events/s each':>14} {'CPU µs/token':>13} {'x nginx':>8} {'first ms p50/p99':>17} "
            f"{'gap ms p50/p99':>15} {'whole':>6} {'KiB each':>9}"
        )
        baseline = 0.0
        rows: list[tuple[str, str, list[int]]] = [
            ("direct", f"http://127.0.0.1:{upstream}", []),
            ("nginx", f"http://127.0.0.1:{proxy}", children(nginx.pid)),
            ("modelwright", ours.public, gateways[:1]),
            ("+ all", guarded.public, gateways[1:]),
        ]
        for name, url, pids in rows:
            before = sum(map(resident_mb, pids))
            (told, held), cpu = _with_cpu(
                lambda url=url, pids=pids: _stream_load(url, keys.get(url, "none"), pids), pids
            )
            each = 1e6 * cpu / (STREAMS * TOKENS)  # of the upstream: a guard joins what it held, so clients get fewer
            baseline = each if name == "nginx" else baseline
            ratio = f"{each / baseline:.2f}" if baseline else ""
            memory = f"{1024 * (held - before) / STREAMS:.0f}" if pids else ""
            print(
                f"{name:12} {told['rate']:14.1f} {each:13.1f} {ratio:>8} "
                f"{told['first_p50']:8.1f}/{told['first_p99']:<8.1f} {told['gap_p50']:6.1f}/{told['gap_p99']:<8.1f} "
                f"{told['whole']:6.0f} {memory:>9}"
            )


def _stream_load(url: str, key: str, pids: list[int]) -> tuple[dict[str, float], float]:
    arguments = [url + PATH, key, str(STREAMS), str(TOKENS)]
    command = ["taskset", "-c", str(LOAD_CPU), sys.executable, "-m", "bench.streams", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)  # memory is read while all streams run
    held = sum(map(resident_mb, pids))
    out, _ = process.communicate(timeout=180)
    return json.loads(out), held


def _with_cpu(action: Callable[[], T], pids: list[int]) -> tuple[T, float]:
    before = cpu_seconds(pids)
    result = action()
    return result, cpu_seconds(pids) - before


def _nginx(folder: Path, name: str, *, port: int, location: str, cpu: int, upstream: str = "") -> Running:
    config = folder / f"{name}.conf"
    config.write_text(NGINX.format(folder=folder, name=name, port=port, location=location, upstream=upstream))
    return running(["nginx", "-p", str(folder), "-c", str(config)], cpu=cpu, log=folder / f"{name}.out")


def _proxy(folder: Path, name: str, *, port: int, to: int) -> Running:
    upstream = f"upstream up {{ server 127.0.0.1:{to}; keepalive 512; }}"
    settings = [
        "proxy_pass http://up",
        "proxy_http_version 1.1",
        "proxy_set_header Connection ''",
        "proxy_buffering off",
    ]
    location = "location / { " + "; ".join(settings) + "; }"
    return _nginx(folder, name, port=port, location=location, cpu=SERVER_CPU, upstream=upstream)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
