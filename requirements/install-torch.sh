#!/bin/sh
# Installs PyTorch into .venv for the tests of PyTorch models, once per version; the lock and the product do without it.
# usage: install-torch.sh
set -eu
cd "$(dirname "$0")/.."
key=$(cksum <requirements/torch.txt)
stamp=.venv/.installed-torch
if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then exit 0; fi
echo "Installing PyTorch into .venv, once, for the tests of its models ..." >&2
.venv/bin/python -m pip --disable-pip-version-check --no-input -q install -r requirements/torch.txt
printf '%s\n' "$key" >"$stamp"
