"""Caches the keys that JWT issuers publish, and fetches them again in the background.

A call with a known key never waits. A call with an unknown key waits for one request that all such calls share, and
that is made at most once a minute for each issuer: tokens with made-up keys affect neither the issuer nor other
callers. While an issuer is down, its last keys stay in use.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from functools import partial

from gateway.access.issuer_client import IssuerClient, IssuerError
from gateway.access.jwks import Keys
from gateway.access.unknown_key import UnknownKeyError
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events, KeysFetched

__all__ = ["FetchedKeys", "Issuers"]

_UNKNOWN_KEY_SECONDS = 60.0
"""Minimum time between two requests because of unknown keys."""
_MAX_BACKOFF_SECONDS = 60.0
_MAX_WAITING = 1000
"""Maximum number of calls that wait for one issuer's keys."""

_log = logging.getLogger(__name__)


class FetchedKeys:
    """The keys of one issuer. Start and close it within the same event loop."""

    def __init__(self, client: IssuerClient, refresh_seconds: float) -> None:
        self.name = client.options.name
        self.problem = "they have not been fetched yet"
        """Why the latest request for keys failed, empty if it succeeded."""
        self.client = client
        self.issuer = client.options.issuer
        self.keys: Keys = {}
        self._refresh_seconds = refresh_seconds
        self._has_keys = False
        self._failures = 0
        self._waiting = 0
        self._events = Events()
        self._is_open = False
        self._fetching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asked_for_unknown = -_UNKNOWN_KEY_SECONDS

    async def start(self, events: Events) -> None:
        """Fetches the keys, and then again periodically. Returns when the first request has ended, successfully or
        not."""
        self._events, self._is_open = events, True
        await asyncio.wait((self._fetch(),))

    def refresh(self) -> None:
        """Fetches the keys now, and returns immediately."""
        if self._is_open:
            self._fetch()

    async def close(self) -> None:
        """Fetches no more."""
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait((self._fetching,))

    def unknown(self, key_id: str | None) -> GatewayError:
        return UnknownKeyError(self._failure(), partial(self._refreshed, key_id))

    async def _refreshed(self, key_id: str | None) -> None:
        """Waits until the key is known. Raises GatewayError if it stays unknown."""
        if self._waiting >= _MAX_WAITING:
            raise GatewayError(Failure.of(Reason.OVERLOADED, "too many calls are waiting for the keys of an issuer"))
        self._waiting += 1
        try:
            while not self._is_known(key_id):
                if self._fetching is None and not self._may_ask():
                    raise GatewayError(self._failure())
                # Shared: it continues if the call that waits for it is cancelled.
                await asyncio.wait((self._fetch(),))
        finally:
            self._waiting -= 1

    def _is_known(self, key_id: str | None) -> bool:
        return self._has_keys if key_id is None else key_id in self.keys

    def _may_ask(self) -> bool:
        """Whether an unknown key may cause a request now; if so, it counts as made."""
        now = asyncio.get_running_loop().time()
        if not self._is_open or now - self._asked_for_unknown < _UNKNOWN_KEY_SECONDS:
            return False
        self._asked_for_unknown = now
        return True

    def _failure(self) -> Failure:
        if not self.problem:
            return Failure.of(
                Reason.CALLER_REJECTED, "the token was signed with a key that its issuer does not publish"
            )
        # The reason is only for the log, because the caller is not authenticated.
        delay = None
        if self._timer is not None:
            delay = max(0.0, self._timer.when() - asyncio.get_running_loop().time())
        text = "the token cannot be checked: the keys of its issuer cannot be fetched"
        return Failure.of(Reason.ISSUER_UNREACHABLE, text, retry_delay=delay, cause=f"{self.name}: {self.problem}")

    def _fetch(self) -> asyncio.Task[None]:
        """The request for keys that is in flight, or a new one."""
        if self._fetching is None:
            if self._timer is not None:
                self._timer.cancel()
            self._fetching = asyncio.create_task(self._fetch_once())
        return self._fetching

    async def _fetch_once(self) -> None:
        started = time.monotonic()
        try:
            published = await self.client.fetch()
        except IssuerError as error:
            self.problem = str(error)
        except Exception as error:
            # Its text may contain anything. Whatever it was, the next attempt may succeed.
            _log.error("unexpected %s while fetching the keys of %s", type(error).__name__, self.name)
            self.problem = f"an unexpected {type(error).__name__}"
        else:
            self.problem = ""
            self.issuer, self.keys, self._has_keys = published.issuer, published.keys, True
        finally:
            self._fetching = None
        self._failures = self._failures + 1 if self.problem else 0
        if self._is_open:
            self._timer = asyncio.get_running_loop().call_later(self._delay(), self._fetch)
        seconds = time.monotonic() - started
        self._events.keys_fetched(KeysFetched(self.name, self.problem, frozenset(self.keys), seconds))

    def _delay(self) -> float:
        """Seconds until the next request, with jitter, so that many gateways do not send requests at the same
        moment."""
        if not self._failures:
            return random.uniform(0.9, 1.0) * self._refresh_seconds  # noqa: S311 - no secret
        return random.uniform(0.5, 1.0) * min(2.0 ** min(self._failures, 10), _MAX_BACKOFF_SECONDS)  # noqa: S311


class Issuers:
    """All issuers whose keys are fetched."""

    def __init__(self, sources: Sequence[FetchedKeys]) -> None:
        self.sources = sources

    @property
    def problems(self) -> list[str]:
        """The issuers whose keys cannot be fetched."""
        return [source.name for source in self.sources if source.problem]

    async def start(self, events: Events) -> None:
        """Fetches the keys of all issuers. Returns when the first requests have ended, successfully or not."""
        await asyncio.gather(*(source.start(events) for source in self.sources))

    def refresh(self) -> None:
        """Fetches the keys of all issuers now, and returns immediately."""
        for source in self.sources:
            source.refresh()

    async def close(self) -> None:
        """Fetches no more."""
        await asyncio.gather(*(source.close() for source in self.sources))
