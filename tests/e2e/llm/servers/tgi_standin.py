"""A stand-in for TGI's `text-generation-launcher`: binds at once, and `/health` fails until weights are loaded."""

import argparse
import os
import signal
import threading

from standin import Engine, serve

parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("model-id", "hostname"):
    parser.add_argument(f"--{name}", required=True)
for name in ("port", "max-concurrent-requests", "max-batch-size"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--max-total-tokens", type=int, default=0)
parser.add_argument("--max-input-tokens", type=int, default=0)
parser.add_argument("--dtype", default="")
told = parser.parse_args()


def health() -> tuple[int, str]:
    return (200, "") if engine.loaded.is_set() else (503, '{"error": "unhealthy"}')


def metrics() -> tuple[int, str]:
    running = min(engine.running, told.max_batch_size)
    return 200, (
        f"# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size {running}\n"
        f"# TYPE tgi_queue_size gauge\ntgi_queue_size {engine.running - running}\n"
        f"# TYPE tgi_request_generated_tokens histogram\n"
        f'tgi_request_generated_tokens_bucket{{le="+Inf"}} 1\n'
        f"tgi_request_generated_tokens_sum {engine.words}\ntgi_request_generated_tokens_count 1\n"
    )


ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
engine = Engine(told.port, key=os.environ["API_KEY"], gets={"/health": health, "/metrics": metrics})
serve(engine)
ended.wait(0.5)
engine.loaded.set()
ended.wait()
engine.drain(60)
