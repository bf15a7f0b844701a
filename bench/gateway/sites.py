"""What a gateway is measured with: nginx as upstream and as the proxy beside it, and manifests; it measures nothing."""

from __future__ import annotations

import json
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from bench.process import LOAD_CPU, SERVER_CPU, running

Running = AbstractContextManager["subprocess.Popen[bytes]"]

BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "Say something short about gateways."}]}
).encode()
PATH = "/v1/chat/completions"
ANSWER = json.dumps(
    {
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
)

MANIFEST = """
schema: 1
name: bench
providers:
  up: {{kind: vllm, base_url: "http://127.0.0.1:{port}/v1"{provider}}}
endpoints:
  m: {{variants: {{only: {{provider: up, model: m}}}}{endpoint}}}
gateway: {{{gateway}}}
{more}
"""
PRICES = ", prices: {m: {input: 0.15, output: 0.60, currency: USD}}"
LIMITS = """
access:
  limits:
    key: {requests: 100M/min, tokens: 10G/min, concurrency: 4000}
    tenant: {cost: 1000000 USD/day}
  counting: {store_down: {after: 2s}}
"""
"""None of which is reached; and a machine that does other things too is no reason to refuse."""
GUARD = ", guard: {input: {pii: mask, injection: block}, output: {pii: mask}}"
KEPT = ", cache: {exact: {ttl: 1h}}"
"""After the first call, all are hits."""
REDIS = 'store: {redis: "${secret:REDIS_URL}"}'

NGINX = """
worker_processes 1; daemon off; master_process on; pid {folder}/nginx-{name}.pid; error_log {folder}/nginx-{name}.log;
worker_rlimit_nofile 20000; events {{ worker_connections 9000; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy; fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u;
  scgi_temp_path {folder}/{name}-s;
  {upstream}
  server {{ listen 127.0.0.1:{port} backlog=4096; {location} }}
}}
"""
PROXIED = (
    "location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off; }"
)


def manifest(
    port: int, *, provider: str = "", endpoint: str = "", more: str = "", gateway: str = "max_in_flight: 4096"
) -> str:
    """A site whose only provider listens on this port."""
    return MANIFEST.format(port=port, provider=provider, endpoint=endpoint, more=more, gateway=gateway)


def limited(port: int, *, endpoint: str = "", more: str = "", gateway: str = "max_in_flight: 4096") -> str:
    """The same with prices, limits of a key and a budget of its tenant."""
    return manifest(port, provider=PRICES, endpoint=endpoint, more=LIMITS + more, gateway=gateway)


def upstream(folder: Path, *, port: int) -> Running:
    """An nginx on the processor of the load, with one answer for all."""
    location = f"default_type application/json; location / {{ return 200 '{ANSWER}'; }}"
    return _nginx(folder, "upstream", port=port, location=location, cpu=LOAD_CPU)


def proxy(folder: Path, name: str, *, port: int, to: int) -> Running:
    """An nginx with keep-alive and without buffering, on the processor of the server under test."""
    pool = f"upstream up {{ server 127.0.0.1:{to}; keepalive 1024; }}"
    return _nginx(folder, name, port=port, location=PROXIED, cpu=SERVER_CPU, pool=pool)


def made(folder: Path) -> Path:
    """A new folder."""
    folder.mkdir()
    return folder


def _nginx(folder: Path, name: str, *, port: int, location: str, cpu: int, pool: str = "") -> Running:
    config = folder / f"{name}.conf"
    config.write_text(NGINX.format(folder=folder, name=name, port=port, location=location, upstream=pool))
    return running(["nginx", "-p", str(folder), "-c", str(config)], cpu=cpu, log=folder / f"{name}.out")
