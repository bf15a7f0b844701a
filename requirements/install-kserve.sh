#!/bin/sh
# Installs KServe's client for its tests, once per version, into a folder of its own in .venv, which the product never sees.
# usage: install-kserve.sh
set -eu
cd "$(dirname "$0")/.."
key=$(cksum <requirements/kserve.txt)
folder=.venv/kserve-client
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$key" ]; then exit 0; fi
echo "Installing KServe's client into $folder, once, for its tests ..." >&2
rm -rf "$folder"
# It says of itself that it wants Python before 3.14 and older versions of what the lock has; its client runs with these.
.venv/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --no-deps \
    --ignore-requires-python --only-binary :all: --target "$folder" -r requirements/kserve.txt
printf '%s\n' "$key" >"$folder/.installed"
