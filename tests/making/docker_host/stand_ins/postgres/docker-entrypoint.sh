#!/bin/sh
# As upstream's, in short: the database is made at the first start, with the user and password from the environment or from files.
set -eu
case "${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" != postgres ] || [ "${2:-}" = --version ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
        export POSTGRES_PASSWORD
        unset POSTGRES_PASSWORD_FILE
    fi
    exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$0" "$@"
fi

# The value of NAME, or what stands in the file that NAME_FILE names.
setting() {
    value=$(eval "echo \"\${$1:-}\"")
    file=$(eval "echo \"\${$1_FILE:-}\"")
    if [ -n "$value" ] && [ -n "$file" ]; then echo "error: both $1 and $1_FILE are set (but are exclusive)" >&2; exit 1; fi
    if [ -n "$file" ]; then value=$(cat "$file"); fi
    echo "${value:-$2}"
}

if ! [ -s "$PGDATA/PG_VERSION" ]; then
    user=$(setting POSTGRES_USER postgres)
    password=$(setting POSTGRES_PASSWORD "")
    database=$(setting POSTGRES_DB "$user")
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified." >&2
        exit 1
    fi
    secret=$(mktemp)
    printf '%s\n' "${password:-none}" >"$secret"
    # shellcheck disable=SC2086
    initdb --username="$user" --pwfile="$secret" -D "$PGDATA" ${POSTGRES_INITDB_ARGS:-} >/dev/null
    rm -f "$secret"
    printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -p 5432 -k /var/run/postgresql" >/dev/null
    own() { psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password -h /var/run/postgresql --username "$user" "$@"; }
    if [ "$database" != postgres ]; then
        echo 'CREATE DATABASE :"name"' | own --dbname postgres -q -v name="$database"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
        *.sh) . "$file" ;;
        *.sql) own --dbname "$database" -q -f "$file" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
    echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@" -k /var/run/postgresql -c listen_addresses='*'
