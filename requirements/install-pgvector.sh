#!/bin/sh
# Installs PostgreSQL with pgvector for the tests, once per version, into a folder of its own in .venv, which the product never sees.
# usage: install-pgvector.sh
set -eu
cd "$(dirname "$0")/.."
key=$(cksum <requirements/stand-ins.txt)
folder=.venv/pgvector
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$key" ]; then exit 0; fi
echo "Installing PostgreSQL with pgvector into $folder, once, for the tests ..." >&2
rm -rf "$folder"
# Only its programs are used, whatever Python it was packed for.
.venv/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --no-deps --only-binary :all: \
    --python-version 3.11 --target "$folder" -r requirements/stand-ins.txt
printf '%s\n' "$key" >"$folder/.installed"
