"""A stand-in for `vllm serve`: binds when it is loaded, aborts on SIGTERM unless told otherwise, has a child."""

import argparse
import os
import signal
import subprocess
import sys
import threading

from standin import Engine, serve

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("model")
parser.add_argument("--served-model-name", required=True)
parser.add_argument("--host", required=True)
parser.add_argument("--tensor-parallel-size", type=int, default=1)
parser.add_argument("--gpu-memory-utilization", type=float, default=0.9)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--max-num-seqs", type=int, required=True)
parser.add_argument("--shutdown-timeout", type=float, default=0)
parser.add_argument("--max-model-len", type=int, default=0)
parser.add_argument("--dtype", default="auto")
parser.add_argument("--fails", default="")
told = parser.parse_args()
if told.fails:
    print("ValueError:", told.fails, flush=True)
    sys.exit(1)


def metrics() -> tuple[int, str]:
    running = min(engine.running, told.max_num_seqs)
    labels = f'{{engine="0",model_name="{told.served_model_name}"}}'
    values = {
        "vllm:num_requests_running": ("gauge", running),
        "vllm:num_requests_waiting": ("gauge", engine.running - running),
        "vllm:kv_cache_usage_perc": ("gauge", running / told.max_num_seqs / 2),
        "vllm:generation_tokens": ("counter", engine.words),
        "vllm:prompt_tokens": ("counter", engine.words),
    }
    lines = []
    for name, (kind, value) in values.items():
        lines += [f"# TYPE {name} {kind}", f"{name}{'_total' if kind == 'counter' else ''}{labels} {value}"]
    return 200, "\n".join(lines) + "\n"


core = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"])
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
print("Loading weights", flush=True)
ended.wait(0.5)
engine = Engine(
    told.port,
    key=os.environ["VLLM_API_KEY"],
    gets={"/health": lambda: (200, ""), "/metrics": metrics, "/v1/models": lambda: (200, "{}")},
)
engine.loaded.set()
serve(engine)
ended.wait()
engine.drain(told.shutdown_timeout)
