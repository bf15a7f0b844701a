"""Runs benchmarks by name, or all: `python -m bench [gateway|serving|start|http_client|guards|keys]`."""

import sys
from importlib import import_module

ALL = ("gateway", "serving", "start", "http_client", "guards", "keys")


def main(names: list[str]) -> int:
    """Exit status."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; take one of {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names or ALL:
        print(f"== {name}\n", flush=True)
        import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
