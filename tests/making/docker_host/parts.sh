#!/bin/sh
# Makes what stand-ins for upstream images are made of, once per content: a Debian root, and PostgreSQL as PyPI has it.
# usage: parts.sh     prints the folder
set -eu
umask 022
cd "$(dirname "$0")/../../.."
wheel=requirements/stand-ins.txt
parts=.venv/stand-ins-$(cat tests/making/docker_host/parts.sh $wheel | cksum | cut -d' ' -f1)
exec 9>.venv/stand-ins.lock
flock 9
if ! [ -e "$parts" ]; then
    echo "Making a Debian root for stand-ins of images, once ..." >&2
    rm -rf .venv/stand-ins-*
    mkdir "$parts.part"
    .venv/bin/python -m pip install -qq --no-deps --no-compile --require-hashes --only-binary :all: --python-version 3.11 \
        --target "$parts.part/postgresql" -r $wheel >&2
    log=$(mktemp)
    mmdebstrap --quiet --variant=minbase --format=tar \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include=ca-certificates,python3.11-venv,nginx-light,haproxy,redis-server,busybox-static \
        --customize-hook='chroot "$1" sh -eu' bookworm "$parts.part/root.tar" 2>"$log" 9>&- <<'INSIDE' || { cat "$log" >&2; exit 1; }
cd /usr/lib/python3.11
rm -f EXTERNALLY-MANAGED
ln -s /usr/bin/python3.11 /usr/local/bin/python
ln -sf /usr/bin/python3.11 /usr/local/bin/python3
wheels=/usr/share/python-wheels
python "$(echo $wheels/pip-*.whl)/pip" --quiet install --no-index --no-compile --root-user-action ignore \
    $wheels/pip-*.whl $wheels/setuptools-*.whl
# Users as in the images that these stand for.
groupmod -g 99 haproxy && usermod -u 99 -g 99 haproxy
groupmod -g 999 redis && usermod -u 999 -g 999 redis
groupadd -o -g 999 postgres && useradd -o -u 999 -g 999 -d /var/lib/postgresql -s /bin/sh postgres
groupadd -g 101 nginx && useradd -u 101 -g 101 -d /nonexistent -s /bin/false nginx
groupadd -g 1000 node && useradd -m -u 1000 -g 1000 -s /bin/sh node
INSIDE
    rm -f "$log"
    mv "$parts.part" "$parts"
fi
echo "$parts"
