"""Runs benchmarks by name, or all: `python -m bench [NAME…] [OPTIONS]`; each takes three minutes, `deploy` six."""

import sys
from importlib import import_module

ALL = {
    "gateway": "bench.gateway",
    "streams": "bench.gateway.streams",
    "limits": "bench.gateway.limits",
    "workers": "bench.gateway.workers",
    "overload": "bench.gateway.overload",
    "kills": "bench.kills",
    "reloads": "bench.reloads",
    "edge": "bench.edge",
    "soak": "bench.soak",
    "serving": "bench.serving",
    "llm": "bench.llm",
    "grpc": "bench.grpc_door",
    "start": "bench.start",
    "http_client": "bench.http_client",
    "guards": "bench.guards",
    "keys": "bench.keys",
    "peer": "bench.gateway.peer",
    "serving_peers": "bench.peers.serving",
    "deploy": "bench.deploy",
}
"""Name → module, in the order of a whole run."""
WITH_OPTIONS = ("kills", "reloads", "soak")


def main(arguments: list[str]) -> int:
    """Exit status."""
    first = next((at for at, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    names, options = arguments[:first], arguments[first:]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; take one of {', '.join(ALL)}", file=sys.stderr)
        return 2
    if options and (len(names) != 1 or names[0] not in WITH_OPTIONS):
        print(f"options are for one of {', '.join(WITH_OPTIONS)} alone", file=sys.stderr)
        return 2
    for name in names or ALL:
        print(f"== {name}\n", flush=True)
        run = import_module(ALL[name]).main
        run(options) if options else run()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
