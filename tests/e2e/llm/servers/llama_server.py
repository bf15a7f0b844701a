"""The real server of llama.cpp, by llama-server's own arguments: PyPI's xllamacpp carries it as a library."""

# pyright: reportAttributeAccessIssue=false

import argparse
import os
import signal

import xllamacpp

parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("model", "alias", "host"):
    parser.add_argument(f"--{name}", required=True)
for name in ("port", "parallel", "ctx-size", "threads"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--metrics", action="store_true")
parser.add_argument("--kv-unified", action="store_true")
told = parser.parse_args()

params = xllamacpp.CommonParams()
params.model.path = told.model
params.model_alias = {told.alias}
params.hostnames = [told.host]
params.port = told.port
params.n_parallel = told.parallel
params.n_ctx = told.ctx_size
params.kv_unified = told.kv_unified
params.cpuparams.n_threads = told.threads
params.endpoint_metrics = told.metrics
params.api_keys = [os.environ["LLAMA_API_KEY"]]
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
signal.pause()
