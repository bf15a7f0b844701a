#!/bin/sh
# Writes the locks: exact versions with hashes for Python 3.11 to 3.14 on every platform, naming no index.
# usage: lock.sh [--upgrade | --upgrade-package NAME]
set -eu
cd "$(dirname "$0")/.."

# Only the public index counts, whatever mirrors this machine is set to.
for name in $(env | sed -n 's/^\(UV_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT INT TERM
.venv/bin/python -m pip --disable-pip-version-check -qq install --target "$tool" 'uv>=0.9'

resolve() {
    "$tool/bin/uv" pip compile --quiet --no-config --system-certs --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --no-annotate "$@" >/dev/null
}
compile() {
    out=requirements/$1.txt
    shift
    resolve -c requirements/constraints.in -o "$out" "$@" pyproject.toml requirements/build.in
}
# Users run the versions that the tests run with.
compile dev --all-extras "$@"
compile run --extra serving --extra llm -c requirements/dev.txt "$@"
# What a client of the tests needs beside these, and none of its own wishes about these.
resolve --no-deps -c requirements/dev.txt -o requirements/kserve.txt "$@" requirements/kserve.in
