"""A small real OIDC issuer: discovery, a key set that can be rotated, and tokens signed by its private keys."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

AUDIENCE = "modelwright"


class OidcIssuer:
    """It listens on a port of its own, which it keeps over `away` and `back`."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        """What was asked, in order."""
        self.claims = ""
        """What discovery says that the issuer is; empty: the truth."""
        self.keys: dict[str, RSAKey | ECKey] = {}
        self._published: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.back()
        self.url = f"http://127.0.0.1:{self._port}/realms/company"
        self.add("first", "RSA")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.away()

    def add(self, kid: str, kind: str) -> None:
        """Publish another key: RSA or EC."""
        parameters: Any = {"kid": kid, "use": "sig"}
        make = {
            "RSA": lambda: RSAKey.generate_key(2048, parameters),
            "EC": lambda: ECKey.generate_key("P-256", parameters),
        }
        self.keys[kid] = make[kind]()
        self._published.append(kid)

    def withdraw(self, kid: str) -> None:
        """Publish a key no longer; its private half still signs."""
        self._published.remove(kid)

    def away(self) -> None:
        """Nobody listens."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def back(self) -> None:
        """Listen, at the same place as before."""
        self._server = server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def token(
        self, *, kid: str = "first", algorithm: str = "", header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Signed; a claim that is None is left out."""
        key = self.keys[kid]
        chosen = algorithm or ("RS256" if isinstance(key, RSAKey) else "ES256")
        return self.signed(key, {"alg": chosen, "kid": kid, "typ": "at+jwt", **(header or {})}, **claims)

    def signed(self, key: RSAKey | ECKey | OctKey, header: dict[str, Any], **claims: Any) -> str:
        """By any key and with any header."""
        now = int(time.time())
        whole = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 300, **claims}
        named = {name: value for name, value in whole.items() if value is not None}
        odd = {"odd": HeaderParameter("known to the issuer only", "int")}
        registry = JWSRegistry(odd, algorithms=list(JWSRegistry.algorithms), strict_check_header=False)
        return jwt.encode({n: v for n, v in header.items() if v is not None}, named, key, registry=registry)

    def answer(self, path: str) -> dict[str, Any] | None:
        """What is at a path."""
        self.paths.append(path)
        if path == "/realms/company/.well-known/openid-configuration":
            return {"issuer": self.claims or self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/realms/company/keys":
            return {"keys": [self.keys[kid].as_dict(private=False) for kid in self._published]}
        return None


def _handler(issuer: OidcIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = issuer.answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    return Handler
