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
compile run --extra serving --extra llm --extra deploy -c requirements/dev.txt "$@"
# What a client of the tests needs beside these, and none of its own wishes about these.
resolve --no-deps -c requirements/dev.txt -o requirements/kserve.txt "$@" requirements/kserve.in
# What the back end of an example runs with.
backend=examples/knowledge-base/backend
resolve -c requirements/dev.txt -o "$backend/requirements.txt" "$@" "$backend/requirements.in"
# What goes into images: everything that some model may need, and which of it each extra stands for.
images=src/modelwright/app/packaging
extras="aws embeddings grpc images lightgbm llm openvino serving sklearn tflite xgboost"
set --
for extra in $extras; do set -- "$@" --extra "$extra"; done
resolve -c requirements/constraints.in -c requirements/dev.txt -o "$images/requirements.txt" "$@" pyproject.toml
for extra in none $extras; do
    if [ "$extra" = none ]; then set --; else set -- --extra "$extra"; fi
    "$tool/bin/uv" pip compile --quiet --no-config --system-certs --universal --python-version 3.11 --no-header \
        --no-emit-index-url --no-annotate -c requirements/constraints.in -c requirements/dev.txt "$@" \
        -o "$tool/$extra.txt" pyproject.toml >/dev/null
done
.venv/bin/python - "$tool" $extras >"$images/extras.json" <<'END'
import json, pathlib, sys

def names(extra):
    return {line.partition("==")[0] for line in (folder / f"{extra}.txt").read_text().splitlines() if "==" in line}

folder = pathlib.Path(sys.argv[1])
every = names("none")
print(json.dumps({"": sorted(every), **{extra: sorted(names(extra) - every) for extra in sys.argv[2:]}}, indent=1))
END
