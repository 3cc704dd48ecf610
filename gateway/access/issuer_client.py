"""Fetches the keys that a JWT issuer publishes, by OpenID Connect discovery or from a known URL.

Anyone who can change the response can forge tokens. Therefore, only HTTPS is used, redirects are not followed, the
document must name exactly the configured issuer, and the bearer token for the requests is sent only to the first host.
All responses are limited in size and time. The client uses neither vCenter's credentials nor its connections.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from gateway import USER_AGENT
from gateway.access.jwks import Keys, parse_published_jwks
from gateway.address import checked_key_url, join_address
from gateway.files import ReloadedFile
from gateway.printable import is_word
from gateway.settings import IssuerSettings
from gateway.vcenter.failures import os_text

__all__ = ["KUBERNETES", "IssuerClient", "IssuerError", "IssuerOptions", "Published"]

KUBERNETES = "kubernetes"
"""The name of the cluster's issuer if no other name is configured."""

_DISCOVERY = "/.well-known/openid-configuration"
_POD = "/var/run/secrets/kubernetes.io/serviceaccount"
# Kubernetes returns no JWKS to clients that accept only JSON.
_ACCEPT = "application/json, application/jwk-set+json, */*;q=0.5"
_MAX_BYTES = 256 * 1024
_CHUNK = 16 * 1024
_MAX_TOKEN = 16 * 1024
_MAX_SHOWN = 200


class IssuerError(Exception):
    """The keys cannot be fetched. The text is a readable message without secrets."""


@dataclass(frozen=True, slots=True)
class IssuerOptions:
    """How to fetch the keys of one issuer."""

    name: str
    """The issuer's name in logs, metrics and the status page."""
    issuer: str | None
    """None if the document determines it."""
    discovery_url: str | None = None
    """URL of the document; without one, `jwks_url` has the keys of `issuer`."""
    jwks_url: str | None = None
    """URL of the keys; None if the document determines it."""
    ca_file: str | None = None
    token_file: str | None = None
    proxy: str | None = None
    timeout: float = 10.0
    """Timeout in seconds for all requests together."""

    @classmethod
    def of(cls, settings: IssuerSettings) -> IssuerOptions:
        """The options of an issuer whose keys are fetched. Raises ValueError for the cluster's issuer outside a
        cluster."""
        options = cls(
            settings.issuer or KUBERNETES,
            settings.issuer,
            settings.discovery_url,
            settings.jwks_url,
            settings.ca_file,
            settings.token_file,
            settings.proxy,
        )
        if settings.kubernetes:
            server = _api_server()
            return replace(
                options,
                discovery_url=server + _DISCOVERY,
                # Not `jwks_uri`, which is the URL for clients outside the cluster.
                jwks_url=f"{server}/openid/v1/jwks",
                ca_file=settings.ca_file or f"{_POD}/ca.crt",
                token_file=settings.token_file or f"{_POD}/token",
            )
        if settings.discovery and not settings.discovery_url:
            return replace(options, discovery_url=(settings.issuer or "").rstrip("/") + _DISCOVERY)
        return options


@dataclass(frozen=True, slots=True)
class Published:
    """The published keys of an issuer."""

    issuer: str
    keys: Keys


class IssuerClient:
    """Fetches the keys of one issuer. Raises ValueError for a file that cannot be used."""

    def __init__(self, options: IssuerOptions) -> None:
        self.options = options
        self._trusted = _trusted(options.ca_file)
        self._token = ReloadedFile(options.token_file, _token).current if options.token_file else None

    async def fetch(self) -> Published:
        """Fetches the keys once. Raises IssuerError."""
        options = self.options
        try:
            async with asyncio.timeout(options.timeout), self._session() as session:
                return await self._fetch(session)
        except TimeoutError as error:
            # An operating system's timeout has an error number.
            text = os_text(error) if error.errno else f"no complete response within {options.timeout:g} seconds"
            raise IssuerError(text) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise IssuerError(_why(error)) from None

    def _session(self) -> aiohttp.ClientSession:
        # A new connection each time: minutes pass in between, and authorities may have changed.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._trusted(), force_close=True, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept": _ACCEPT, "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def _fetch(self, session: aiohttp.ClientSession) -> Published:
        options = self.options
        issuer, jwks_url = options.issuer, options.jwks_url
        first = options.discovery_url or jwks_url or ""
        if options.discovery_url is not None:
            document = _document(await self._get(session, options.discovery_url, first))
            issuer = document.get("issuer")
            if not isinstance(issuer, str) or not issuer or issuer != (options.issuer or issuer):
                raise IssuerError(f"the document at {_shown(first)} belongs to another issuer: {_shown(repr(issuer))}")
            jwks_url = jwks_url or _address_in(document, first)
        content = await self._get(session, jwks_url or "", first)
        # Not in the event loop: a hundred keys take some time.
        keys = await asyncio.to_thread(parse_published_jwks, content, options.name)
        return Published(issuer or "", keys)

    async def _get(self, session: aiohttp.ClientSession, url: str, first: str) -> bytes:
        headers = {}
        if self._token is not None and _origin(url) == _origin(first):
            headers["Authorization"] = f"Bearer {self._token()}"
        proxy = f"http://{self.options.proxy}" if self.options.proxy else None
        async with session.get(URL(url, encoded=True), headers=headers, proxy=proxy, allow_redirects=False) as response:
            if response.status != 200:
                why = ", and redirects are not followed" if 300 <= response.status < 400 else ""
                raise IssuerError(f"{_shown(url)} responds with HTTP {response.status}{why}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise IssuerError(f"the response of {_shown(url)} is larger than {_MAX_BYTES} bytes")
            return bytes(body)


def _api_server() -> str:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port and port.isdecimal()):
        raise ValueError(
            "auth.jwt.issuers: `kubernetes` is for a gateway in a pod, where Kubernetes sets KUBERNETES_SERVICE_HOST "
            "and KUBERNETES_SERVICE_PORT; elsewhere, use discovery with the cluster's issuer"
        )
    return checked_key_url(f"https://{join_address(host, int(port))}")


def _trusted(ca_file: str | None) -> Callable[[], ssl.SSLContext]:
    if ca_file is None:
        context = ssl.create_default_context()  # Reads the system's authorities, which takes a while.
        return lambda: context

    def context_of_file(content: bytes) -> ssl.SSLContext:
        # OpenSSL reads the file itself, because it accepts more formats from a file than from text.
        try:
            return ssl.create_default_context(cafile=ca_file)
        except OSError:
            raise ValueError("it contains no certificate in PEM format") from None

    return ReloadedFile(ca_file, context_of_file).current


def _token(content: bytes) -> str:
    """The token in the file."""
    token = content.strip().decode("ascii", "replace")
    if not is_word(token, _MAX_TOKEN):
        raise ValueError("it contains no bearer token")
    return token


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise IssuerError("the discovery document is not a JSON object")
    return document


def _address_in(document: dict[str, Any], first: str) -> str:
    """The URL of the keys in the document. Another host is common; a less secure scheme than the document's is
    refused."""
    url = document.get("jwks_uri")
    if not isinstance(url, str):
        raise IssuerError("the discovery document has no jwks_uri")
    try:
        checked_key_url(url)
    except ValueError as error:
        raise IssuerError(f"the jwks_uri of the discovery document cannot be used: {error}") from None
    if urlsplit(first).scheme == "https" != urlsplit(url).scheme:
        raise IssuerError("the jwks_uri of the discovery document cannot be used: it is not https")
    return url


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _shown(text: str) -> str:
    text = text.partition("?")[0]
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _why(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = getattr(error.certificate_error, "verify_message", "") or "it is not trusted"
            return f"the certificate of {error.host} was rejected: {why}"
        case aiohttp.ClientConnectorDNSError():
            return f"the host name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"{error.host} cannot be reached: {os_text(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy responds with HTTP {error.status}"
        case aiohttp.ClientResponseError():
            return "the response is not HTTP"
        case aiohttp.ClientError():
            return "the connection broke"
        case OSError():
            return os_text(error)
    return str(error)
