"""What an edge runs by, as values: its program, its files, who is in which place of its, what it has answered."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.front import EDGE_FOLDER, Server

HAPROXY_FILE, HAPROXY_SOCKET, HAPROXY_MASTER = "haproxy.cfg", "haproxy.sock", "master.sock"
"""In the edge's folder; the sockets are those of its worker and of its master, which stays over reloads."""
NGINX_FILE, NGINX_SOCKET, NGINX_ASKED, NGINX_LOG = "nginx.conf", "nginx.sock", "asked", "seen.log"
"""Likewise; on the socket it says by which configuration it runs, and `asked` is where its hand takes orders."""
NGINX_PID = "nginx.pid"
NGINX_KEEPS = "nginx.keeps"
"""In it stands what only newer ones understand: a connection that was used within the last second stays open over a
change, for one request more. Older ones close it, also under a request that is on its way.
"""
_NOTE = "# places "


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One of the places that a route has ready for instances."""

    route: str
    name: str
    server: Server | None = None
    """None: it is free."""
    weight: int = 0
    """0: nothing new gets there."""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, and what of it can be set while the edge runs."""

    text: str
    shape: str
    """Digest of all that cannot."""
    places: tuple[Place, ...]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One request that an edge has passed on."""

    route: str
    release: str
    at: float
    """Unix seconds of its end."""
    status: int
    """0: there was no answer."""
    whole: bool
    """Whether all of the answer came from the instance; a client that left does not speak against it."""
    first_ms: float
    """Until the answer began."""
    total_ms: float


def haproxy_command(folder: str = EDGE_FOLDER) -> tuple[str, ...]:
    """What runs HAProxy in the foreground: with `-W` a master reloads it without losing a connection."""
    return ("haproxy", "-W", "-db", "-S", f"{folder}/{HAPROXY_MASTER},mode,666", "-f", f"{folder}/{HAPROXY_FILE}")


def nginx_command(folder: str = EDGE_FOLDER) -> tuple[str, ...]:
    """What runs nginx in the foreground, and beside it a hand that reloads it when it is asked to.

    It looks first whether this nginx understands NGINX_KEEPS (1.27.4 does). A line `take ID` has it read its
    configuration, and is answered in `answer.ID` when no worker of before takes anything new; `count ID` is answered
    by the connections that are open here.
    """
    names = {"file": NGINX_FILE, "asked": NGINX_ASKED, "socket": NGINX_SOCKET, "keeps": NGINX_KEEPS}
    return ("sh", "-c", _HAND.format(folder=folder, **names))


_HAND = """
cd {folder} && rm -f {asked} {socket} && mkfifo -m 666 {asked} && exec 3<>{asked} || exit 1
echo 'keepalive_min_timeout 1s;' >{keeps}
echo 'pid {folder}/trial.pid; events {{}} http {{ access_log off; include {folder}/{keeps}; }}' >trial
nginx -t -q -e stderr -c {folder}/trial 2>/dev/null || : >{keeps}
rm -f trial trial.pid
(
    while read -r verb id <&3 && kill -0 $$; do
        case $verb in
        take)
            if nginx -t -q -e stderr -c {folder}/{file} >answer 2>&1; then
                old=$(cat /proc/$$/task/$$/children)
                kill -HUP $$
                for worker in $old; do
                    for _ in $(seq 200); do
                        grep -q 'nginx: [mw]' /proc/$worker/cmdline 2>/dev/null || break
                        grep -q 'shutting down' /proc/$worker/cmdline 2>/dev/null && break
                        sleep 0.05
                    done
                done
                [ -s {keeps} ] && sleep 1.2
            else
                echo refused >>answer
            fi ;;
        count) cat /proc/net/tcp /proc/net/tcp6 >answer 2>/dev/null ;;
        esac
        mv answer answer.$id
    done
) &
exec nginx -e stderr -c {folder}/{file} -g 'daemon off;'
"""


def noted(places: Sequence[Place]) -> str:
    """A line of comment for the head of a configuration; those of routes that are gone tell where streams still are."""
    return _NOTE + msgspec.json.encode(places).decode()


def places_in(text: str) -> tuple[Place, ...]:
    """Those that a configuration was made with; none when it is not one of ours."""
    first, _, _ = text.partition("\n")
    if not first.startswith(_NOTE):
        return ()
    return msgspec.json.decode(first.removeprefix(_NOTE), type=tuple[Place, ...])
