#!/bin/sh
# Installs Debian packages where it may (Debian or Ubuntu, as root); otherwise names the command and fails.
# usage: apt-install.sh PACKAGE...
set -eu
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: $*. Install the same by your system's package manager." >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "Missing: $*. Install with: sudo apt-get install $*" >&2
    exit 1
fi
echo "Installing $* ..." >&2

# A package that brings a service must not start it here.
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
{ apt-get -q update && apt-get -q install -y --no-install-recommends "$@"; } >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "apt-get could not install $*." >&2
    exit 1
}
rm -f "$log"
