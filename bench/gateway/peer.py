"""Measures calls through LiteLLM's proxy and through Modelwright in one run, each in an environment of its own.

LiteLLM is installed from PyPI for the run, in a scratch folder, and started as its manual says: one worker, a master
key, no database. Modelwright has prices, limits and a budget on besides keys, ledger, metrics and logs.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.gateway.calls import Row, baselines, row_of, table
from bench.gateway.sites import limited, made, proxy, upstream
from bench.process import SERVER_CPU, free_port, pin, running, scratch, site, wait_for

PEER = "litellm[proxy]==1.106.2"
KEY = "sk-bench"
CONFIG = """
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_base: "http://127.0.0.1:{port}/v1", api_key: sk-upstream}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""
ALONE = ("LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_LOG=ERROR", "DO_NOT_TRACK=1")
"""It fetches nothing at its start."""


def main() -> None:
    """Print the table."""
    with scratch() as folder, ExitStack() as stack:
        program = _installed(folder)
        up, door, peer = free_port(), free_port(), free_port()
        stack.enter_context(upstream(folder, port=up))
        nginx = stack.enter_context(proxy(folder, "proxy", port=door, to=up))
        ours = stack.enter_context(site(limited(up), made(folder / "site")))
        pin(ours.pid("gateway-0"), SERVER_CPU)
        config = folder / "litellm.yaml"
        config.write_text(CONFIG.format(port=up, key=KEY))
        command = ["env", *ALONE, program, "--config", str(config), "--host", "127.0.0.1", "--port", str(peer)]
        theirs = stack.enter_context(running(command, cpu=SERVER_CPU, log=folder / "litellm.log"))
        wait_for(f"http://127.0.0.1:{peer}/health/liveliness", seconds=90.0)
        print(f"{PEER}, one worker\n")
        rows = [*baselines(up, door, nginx.pid), row_of("modelwright + limits", ours)]
        table(folder, [*rows, Row("LiteLLM", f"http://127.0.0.1:{peer}", KEY, [theirs.pid])])


def _installed(folder: Path) -> str:
    """Its program, in an environment that goes away with the run."""
    home = folder / "litellm"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(home / "bin/pip"), "install", "--quiet", PEER], check=True)
    return str(home / "bin/litellm")
