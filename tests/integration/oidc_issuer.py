"""An issuer of JWTs as OpenID Connect has it: an HTTPS server on this machine that publishes keys, and fails when told.

It is written against the specifications (OpenID Connect Discovery 1.0, RFC 7517), never against the gateway.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.integration.certificates import Authority

__all__ = ["AUDIENCE", "DISCOVERY", "JWKS", "OidcIssuer", "public_jwk"]

AUDIENCE = "gateway"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class OidcIssuer:
    """One issuer. Its address is known once it was started, and stays the same when it is started again."""

    def __init__(self, folder: Path, authority: Authority | None = None, jwks_path: str = JWKS) -> None:
        folder.mkdir(exist_ok=True)
        authority = authority or Authority()
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(authority.certificate)
        pair = authority.issue("issuer", names=["127.0.0.1"])
        (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(folder / "pair.pem")
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._jwks_path = jwks_path
        self.keys: dict[str, Key] = {}
        """All keys by their ids."""
        self.published: list[Any] = []
        """What the JWKS has."""
        self.document: dict[str, Any] = {}
        """What the discovery document has in place of what is right; None for what it lacks."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Paths and header fields."""
        self.instead: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        """What answers at a path in place of what is right."""
        self.rotate("first")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Serves, on the port of the last time."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Is away."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def rotate(self, key_id: str, *, keep: bool = False) -> None:
        """Makes a key and publishes it, in the place of all others unless they are kept."""
        key = self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())
        self.published = [*(self.published if keep else []), public_jwk(key, key_id)]

    def token(self, key_id: str = "first", *, key: Key | None = None, **claims: Any) -> str:
        """A token that is good unless the claims say otherwise; those that are None are left out."""
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "build", "exp": int(time.time()) + 3600}
        chosen = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(chosen, key or self.keys[key_id], algorithm="ES256", headers={"kid": key_id})

    def count(self, path: str = JWKS) -> int:
        """How often a path was asked for."""
        return sum(asked == path for asked, _ in self.requests)

    def hold(self, path: str = JWKS) -> tuple[asyncio.Event, asyncio.Event]:
        """Holds answers back. The first event says that a request has come, the second one lets them go."""
        come, go = asyncio.Event(), asyncio.Event()

        async def wait(request: web.Request) -> web.StreamResponse:
            come.set()
            await go.wait()
            return self._right(request)

        self.instead[path] = wait
        return come, go

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        if (instead := self.instead.get(request.path)) is not None:
            return await instead(request)
        return self._right(request)

    def _right(self, request: web.Request) -> web.StreamResponse:
        accepted = re.split(r"[,;]", request.headers.get("Accept", "*/*").replace(" ", ""))
        if request.path == self._jwks_path:
            # As the API server of Kubernetes.
            if not {"application/jwk-set+json", "*/*"} & set(accepted):
                return web.Response(status=406)
            return web.json_response({"keys": self.published}, content_type="application/jwk-set+json")
        if request.path == DISCOVERY:
            document = {"issuer": self.url, "jwks_uri": self.url + self._jwks_path, **self.document}
            return web.json_response({name: value for name, value in document.items() if value is not None})
        return web.Response(status=404)


def public_jwk(key: Key, key_id: str) -> dict[str, Any]:
    """The public half as an entry of a JWKS."""
    if isinstance(key, rsa.RSAPrivateKey):
        return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", "alg": "RS256"}
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", "alg": "ES256"}
