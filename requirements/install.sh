#!/bin/sh
# Makes .venv and installs one of the locks and this checkout into it, once per content of the lock.
# usage: install.sh run|dev
set -eu
lock=$1
cd "$(dirname "$0")/.."

# What decides about a new installation: the lock, the project's own tables (not the tools' settings), and the folder.
key="$({ cat "requirements/$lock.txt"; sed '/^\[tool/,$d' pyproject.toml; } | cksum | tr ' ' -) $PWD"
stamp=.venv/.installed-$lock
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then exit 0; fi

say() { printf '%s\n' "$*" >&2; }

# Python 3.11 to 3.14: for these the lock is made.
fits() {
    "$1" -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 14) and sys.implementation.name == "cpython"))' 2>/dev/null
}

find_python() {
    second=
    for name in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
        command -v "$name" >/dev/null 2>&1 && fits "$name" || continue
        # Debian keeps ensurepip apart: an interpreter that has it goes first.
        if "$name" -c 'import ensurepip, venv' 2>/dev/null; then echo "$name"; return; fi
        second=${second:-$name}
    done
    if [ -n "$second" ]; then echo "$second"; return; fi
    say "Modelwright needs Python 3.11, 3.12, 3.13 or 3.14; found $("${PYTHON:-python3}" --version 2>/dev/null || echo none)."
    say "Install one, or name it: make run PYTHON=/path/to/python3.12"
    return 1
}

make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        sh requirements/apt-install.sh "$package"
    fi
    "$python" -m venv --clear .venv
}

# A .venv of another interpreter, or one that was moved (its scripts name their old place), is made again.
made_for=$(cut -d' ' -f2- "$stamp" 2>/dev/null || true)
if ! [ -x .venv/bin/python ] || ! fits .venv/bin/python || [ "${made_for:-$PWD}" != "$PWD" ]; then make_venv; fi

say "Installing the locked dependencies ($lock, hundreds of MB) into .venv, once; this takes a minute or more ..."
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input -qq "$@"; }
if ! pip install --require-hashes --no-deps -r "requirements/$lock.txt"; then
    say "The dependencies could not be installed: see pip's message above. It reads its usual settings (proxy, mirror, CA)."
    exit 1
fi
pip install --no-deps --no-build-isolation -e .
printf '%s\n' "$key" >"$stamp"
