#!/bin/sh
# Makes sure that programs outside Python are there; installs them where it may, otherwise names them.
# usage: system-packages.sh PROGRAM...
set -eu
missing=
for program in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':') command -v "$program" >/dev/null 2>&1 &&
        continue
    case $program in
    nginx) missing="$missing nginx-light" ;;
    postgres) missing="$missing postgresql" ;;
    *) missing="$missing $program" ;;
    esac
done
[ -z "$missing" ] || exec sh "$(dirname "$0")/../requirements/apt-install.sh" $missing
