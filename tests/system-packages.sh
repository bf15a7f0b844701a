#!/bin/sh
# Makes sure that programs outside Python are there; installs them where it may, otherwise names them.
# usage: system-packages.sh [--where-possible] PROGRAM...     where possible: who may not install them goes on without
set -eu
missing=
optional=
if [ "$1" = --where-possible ]; then
    optional=yes
    shift
fi
for program in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':') command -v "$program" >/dev/null 2>&1 &&
        continue
    case $program in
    nginx) missing="$missing nginx-light" ;;
    apache2) missing="$missing apache2-bin" ;;
    nft) missing="$missing nftables" ;;
    postgres) missing="$missing postgresql" ;;
    dockerd) missing="$missing docker.io iptables" ;;
    ip) missing="$missing iproute2" ;;
    sshd) missing="$missing openssh-server openssh-client" ;;
    *) missing="$missing $program" ;;
    esac
done
if [ -n "$optional" ] && { [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; }; then exit 0; fi
[ -z "$missing" ] || exec sh "$(dirname "$0")/../requirements/apt-install.sh" $missing
