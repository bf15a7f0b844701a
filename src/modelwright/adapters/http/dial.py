"""Opens the socket of an upstream connection: names to addresses, IPv6 and IPv4 raced, Unix sockets, TLS; no HTTP."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohappyeyeballs

from modelwright.core.addresses import join_address
from modelwright.core.errors.calls import Overloaded
from modelwright.core.errors.providers import ProviderTimeout, ProviderUnreachable
from modelwright.core.ports.http import Origin

FULL = 0.005
"""Seconds between two tries at a Unix socket that has no room for one more connection that waits."""
LUMP = 1 << 20
"""Bytes that a Unix socket takes at once, if the machine allows it: by itself it is 200 KB, and for each of them both
processes are woken."""
STAGGER = 0.25
"""Seconds that one address family gets before the other is tried beside it (RFC 8305, section 5)."""

Address = tuple[int, int, int, str, tuple[Any, ...]]
"""As `getaddrinfo` gives it: family, type, protocol, canonical name, socket address."""
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
Factory = Callable[[], asyncio.Protocol]


def tls_context(*, ca_bundle: str = "", certificate: str = "", key: str = "") -> ssl.SSLContext:
    """Trust the system's authorities (OpenSSL reads SSL_CERT_FILE itself), and those of the file `ca_bundle` too.

    `certificate` and `key` are PEM files of the client's own certificate, for upstreams that ask for one.
    Raises OSError (ssl.SSLError among them) when a file is missing or no PEM.
    """
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(ca_bundle)
    context.set_alpn_protocols(["http/1.1"])
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context


async def system_resolve(host: str, port: int) -> Sequence[Address]:
    """Ask the system, anew each time: it knows what may be cached."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def place_of(origin: Origin) -> str:
    """How messages name an origin; it holds no secret."""
    if origin.scheme == "unix":
        return f"unix:{origin.host}"
    return f"{origin.scheme}://{join_address(origin.host, origin.port)}"


async def dial(
    factory: Factory, origin: Origin, *, timeout: float, resolve: Resolve, tls: Callable[[], ssl.SSLContext]
) -> Any:
    """The protocol that `factory` made, connected; raises ProviderUnreachable, ProviderTimeout or Overloaded."""
    place = place_of(origin)
    try:
        async with asyncio.timeout(timeout):
            return await _connect(factory, origin, resolve=resolve, tls=tls)
    except TimeoutError:
        if origin.scheme == "unix":  # where the kernel connects at once, if there is room
            raise Overloaded(
                f"no room for one more connection within {timeout:g} s",
                hint="send again later",
                place=place,
                retry_after=1.0,
            ) from None
        raise ProviderTimeout(
            f"no connection within {timeout:g} s", hint="see whether the upstream is reachable from here", place=place
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise ProviderUnreachable(
            f"its certificate is not trusted: {error.verify_message}",
            hint="name the authority's PEM file in MODELWRIGHT_CA_BUNDLE",
            place=place,
        ) from None
    except (OSError, RuntimeError, UnicodeError) as error:  # uvloop turns some socket errors into RuntimeError
        raise ProviderUnreachable(
            f"no connection: {_reason(error)}", hint="is the upstream running?", place=place
        ) from None


async def _connect(factory: Factory, origin: Origin, *, resolve: Resolve, tls: Callable[[], ssl.SSLContext]) -> Any:
    loop = asyncio.get_running_loop()
    if origin.scheme == "unix":
        return (await loop.create_unix_connection(factory, sock=await _unix_socket(origin.host)))[1]
    addresses = await resolve(origin.host, origin.port)
    if not addresses:
        raise OSError("the name has no address")
    connected = await aiohappyeyeballs.start_connection(
        [
            (socket.AddressFamily(family), kind, protocol, name, address)
            for family, kind, protocol, name, address in addresses
        ],  # type: ignore[misc]
        happy_eyeballs_delay=STAGGER,
    )
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if origin.scheme != "https":
            return (await loop.create_connection(factory, sock=connected))[1]
        return (await loop.create_connection(factory, sock=connected, ssl=tls(), server_hostname=origin.host))[1]
    except BaseException:
        connected.close()
        raise


async def _unix_socket(path: str) -> socket.socket:
    """Connected; waits while as many connections as may wait there for a busy process."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LUMP)
        connected.setblocking(False)  # noqa: FBT003 - the only way to say it
        while True:
            try:
                connected.connect(path)
            except BlockingIOError:  # nothing tells when there is room again
                await asyncio.sleep(FULL)
            else:
                return connected
    except BaseException:
        connected.close()
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'handshake failed'}"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__
