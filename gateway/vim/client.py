"""The client of vCenter's VIM API, which has what the REST API lacks.

It shares connections, limiter, breaker and retry policy with the REST API. From release 8.0.3 on, one session serves
both APIs. Before, a credential has a second session here, with the same rules; one guard counts the rejected passwords
of both, so that no account is locked. A wait for changes normally takes minutes, so it bypasses limiter and breaker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.rpc import code_pb2

from gateway.calls import Call
from gateway.calls.credential import Basic, Credential, SessionId
from gateway.errors import VCENTER_DOMAIN, Failure, GatewayError, Reason
from gateway.outliving import outlived
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.error_response import ErrorReader
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import NotSentTimeoutError, TransportError
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retrying import Retries
from gateway.vcenter.sessions import SessionPool
from gateway.vcenter.version import VersionReader
from gateway.vcenter.with_session import in_session
from gateway.vim.codec import Codec, VimMethod
from gateway.vim.filters import of_objects
from gateway.vim.schema import load_schema
from gateway.vim.sessions import PROPERTY_COLLECTOR, SESSION_MANAGER, VimSessions, is_cookie
from gateway.vim.values import Data, Fault, ObjectContent, Ref, objects_in

__all__ = ["SHARED_SESSIONS", "Vim", "VimClient", "VimParts"]

SHARED_SESSIONS = (8, 0, 3)
"""From this release on, a session of the REST API is valid for this API too."""
_LARGE = 256 * 1024
"""Size of a response in bytes from which reading it takes milliseconds."""
_WAIT_MARGIN = 30.0
"""Seconds by which a wait may exceed the requested time."""
_GRACE = 5.0
"""Seconds that ending an abandoned wait or collector may take."""
_SERVICE_INSTANCE = Ref("ServiceInstance", "ServiceInstance")


@dataclass(frozen=True, slots=True)
class _FileRead:
    """The call that reads a file served next to the API."""

    operation: str = "GET /folder"
    is_read_only: bool = True
    task_form: str = ""


_FILE = _FileRead()


@dataclass(frozen=True, slots=True)
class VimParts:
    """What this API shares with the REST API of the same vCenter."""

    options: VCenterOptions
    errors: ErrorReader
    versions: VersionReader
    sessions: SessionPool
    """Those of the REST API."""
    own_sessions: Callable[[VimSessions], SessionPool]
    """Creates the pool of this API's sessions, for a vCenter with separate sessions."""
    send: Send
    """Sends exchanges of calls, through the limiter."""
    send_wait: Send
    """Sends exchanges that are intentionally slow."""
    retries: Retries


class Vim:
    """The VIM API of one vCenter. Use and close it within one event loop."""

    def __init__(self, parts: VimParts) -> None:
        self.parts = parts
        self._release = ""
        self._shares_sessions = False
        self._content: Data | None = None
        self._endings: set[asyncio.Task[Any]] = set()

    @cached_property
    def codec(self) -> Codec:
        """Created on first use, because reading the table of types takes a few milliseconds."""
        return Codec(load_schema(), self.parts.errors)

    @cached_property
    def sessions(self) -> VimSessions:
        """How sessions are opened and closed."""
        return VimSessions(self.codec, lambda: self._release)

    @cached_property
    def _own_sessions(self) -> SessionPool:
        return self.parts.own_sessions(self.sessions)

    @property
    def own_sessions(self) -> SessionPool | None:
        """The sessions that only this API has, None before the first one."""
        return self._own_sessions if "_own_sessions" in vars(self) else None

    @property
    def endings(self) -> int:
        """Background tasks that end something at vCenter."""
        return len(self._endings)

    def client(self, credential: Credential, call: Call | None = None) -> VimClient:
        """The API for a credential, on behalf of `call`, or of the gateway itself if there is none."""
        return VimClient(self, credential, call)

    async def close(self) -> None:
        """Logs out of the sessions that only this API has."""
        if self._endings:
            _, late = await asyncio.wait(self._endings, timeout=_GRACE)
            for ending in late:
                ending.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self.own_sessions is not None:
            await self.own_sessions.close()

    async def release(self) -> str:
        """The API release to use: the latest one that both vCenter and the schema support. Raises GatewayError if
        vCenter does not report its releases.
        """
        version = await self.parts.versions.current()
        if version.releases:
            known = _numbers(self.codec.schema.release)
            spoken = next((name for name in version.releases if _numbers(name) <= known), self.codec.schema.release)
            if spoken != self._release:
                self._release, self._content = spoken, None
            self._shares_sessions = _numbers(version.releases[0]) >= SHARED_SESSIONS
        elif not self._release:
            reason = Reason.VCENTER_RESPONSE_INVALID
            if isinstance(version.error, TransportError):
                reason = version.error.reason
            code = {} if version.error is None else {"code": code_pb2.UNAVAILABLE}
            text = f"the release of vCenter's VIM API is unknown: {version.problem}"
            raise GatewayError(Failure.of(reason, text, **code))
        return self._release

    def session_pool(self, credential: Credential) -> SessionPool:
        """The pool with the sessions of a credential. Raises GatewayError for a session id that is not valid for this
        API."""
        if self._shares_sessions:
            if isinstance(credential, SessionId) and not is_cookie(credential.value):
                raise GatewayError(Failure.of(Reason.CREDENTIALS_MALFORMED, "the session id is not one of vCenter's"))
            return self.parts.sessions
        if isinstance(credential, SessionId):
            text = (
                "a session id of vCenter's REST API gives access to its VIM API from vCenter 8.0.3 on, and this one is "
                f"{self._release}; call with a user name and a password"
            )
            raise GatewayError(Failure.of(Reason.VCENTER_TOO_OLD, text))
        return self._own_sessions

    async def content_of(self, ask: Callable[[], Awaitable[Data]]) -> Data:
        """The references to vCenter's singletons, requested once per release."""
        if self._content is None:
            self._content = await ask()
        return self._content

    def finish(self, ending: Awaitable[Any]) -> None:
        """Ends something in the background, at most until the shutdown. It may fail."""

        async def quietly() -> None:
            with contextlib.suppress(GatewayError, TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await ending

        task = asyncio.ensure_future(quietly())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


class VimClient:
    """The VIM API for one credential."""

    def __init__(self, vim: Vim, credential: Credential, call: Call | None) -> None:
        self._vim = vim
        self._parts = vim.parts
        self._credential = credential
        self._call = call

    async def content(self) -> Data:
        """The references to vCenter's singletons, such as `rootFolder` and `viewManager`, and `about`."""
        await self._vim.release()
        found: Data = await self._vim.content_of(lambda: self.call(_SERVICE_INSTANCE, "RetrieveServiceContent"))
        return found

    async def call(
        self, this: Ref, name: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Any:
        """Calls a method and returns its result, None for a method without one. `timeout` is in seconds; by default,
        that of reads or changes. Reads are retried according to the retry policy. Raises GatewayError.
        """
        release = await self._vim.release()
        method = self._vim.codec.method(this, name)
        request = self._vim.codec.encode(method, this, arguments or {}, release)
        deadline = self._deadline(self._parts.options.seconds_for(method.is_read_only, timeout))
        return await self._parts.retries.run(
            lambda: self._once(method, request, release, deadline),
            method.operation,
            deadline,
            is_repeatable=method.is_read_only,
            call=self._call,
        )

    async def file(self, target: str) -> bytes:
        """A file that vCenter serves next to its API, by path and query, which are sent unchanged. Raises
        GatewayError."""
        await self._vim.release()
        request = RestRequest("GET", target, None, _FILE.operation, media_type="*/*")
        deadline = self._deadline(self._parts.options.seconds_for(_FILE.is_read_only, None))
        exchange = Exchange(request, {}, deadline, self._call, _FILE.is_read_only)
        try:
            response = await self._in_session(exchange, self._parts.send)
        except TransportError as error:
            raise GatewayError(error.failure(_FILE)) from None
        if not 200 <= response.status < 300:
            raise GatewayError(self._vim.codec.page(_FILE.operation, response))
        return response.body

    async def wait_for_updates(self, collector: Ref, version: str, *, seconds: int, most: int) -> Data | None:
        """Waits up to `seconds` for changes after `version`; returns at most `most` of them, None if there are none.
        Nothing else may wait on `collector`. The wait bypasses limiter and breaker and is never retried. A cancelled
        caller returns immediately; the wait is then ended at vCenter, because one that only loses its connection may
        consume changes. Raises GatewayError.
        """
        release = await self._vim.release()
        method = self._vim.codec.method(collector, "WaitForUpdatesEx")
        options = {"maxWaitSeconds": seconds, "maxObjectUpdates": most}
        arguments = {"version": version, "options": options}
        request = self._vim.codec.encode(method, collector, arguments, release)
        deadline = self._deadline(seconds + _WAIT_MARGIN)
        waiting = asyncio.ensure_future(self._once(method, request, release, deadline, is_wait=True))
        try:
            result: Data | None = await outlived(waiting)
        except asyncio.CancelledError:
            if not waiting.done():
                self._vim.finish(self._end_wait(collector, waiting))
            raise
        return result

    async def call_own(self, this: Ref, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Calls a method of an object that the gateway created in its session, such as a collector. If it no longer
        exists, its session has ended: nothing that callers know is missing. Raises GatewayError."""
        try:
            return await self.call(this, name, arguments)
        except GatewayError as error:
            if error.failure.metadata.get("vi_fault") != "ManagedObjectNotFound":
                raise
            raise self.session_ended() from None

    async def properties(self, objects: Sequence[Ref], paths: Sequence[str]) -> list[ObjectContent]:
        """Properties of known objects, all of one type. Objects that no longer exist, or that the credential may not
        see, are missing. Raises GatewayError."""
        filters = [of_objects(objects, paths)]
        arguments = {"specSet": filters, "options": {}}
        for is_last in (False, True):
            result = await self.call(PROPERTY_COLLECTOR, "RetrievePropertiesEx", arguments)
            if result is not None and "token" in result:
                # More than vCenter returns at a time. Other reads with the common collector would end these pages.
                token = {"token": result["token"]}
                self._vim.finish(self.call(PROPERTY_COLLECTOR, "CancelRetrievePropertiesEx", token))
                return [found async for page in self.retrieve(filters) for found in page]
            found = objects_in(result)
            if found or await self._has_session(renew=not is_last):
                return found
        raise self.session_ended()

    async def retrieve(
        self, filters: Sequence[Data], *, page_size: int = 200
    ) -> AsyncGenerator[list[ObjectContent], None]:
        """Properties of any number of objects, in pages. Objects may change between pages.

        The pages use a separate collector: on a common one, two reads would end each other. It is destroyed at the end,
        so a caller that stops early must close the iterator. Raises GatewayError, with UNAVAILABLE if the session ended
        meanwhile, and never returns a shorter list.
        """
        collector: Ref = await self.call(PROPERTY_COLLECTOR, "CreatePropertyCollector")
        try:
            arguments = {"specSet": list(filters), "options": {"maxObjects": page_size}}
            page = await self.call_own(collector, "RetrievePropertiesEx", arguments)
            if not objects_in(page) and not await self._has_session():
                raise self.session_ended()
            while page is not None:
                yield objects_in(page)
                token = page.get("token")
                if token is None:
                    return
                page = await self.call_own(collector, "ContinueRetrievePropertiesEx", {"token": token})
        finally:
            self._vim.finish(self.call(collector, "DestroyPropertyCollector"))

    def failure(self, operation: str, fault: Fault) -> Failure:
        """The failure of a call whose task ended with a fault, or that found one in a property."""
        return self._vim.codec.failure(operation, fault)

    async def _has_session(self, *, renew: bool = False) -> bool:
        """Whether the session is valid for vCenter. Without one, the property collector returns nothing instead of an
        error, which must never be mistaken for an empty inventory."""
        asked = {"specSet": [of_objects([SESSION_MANAGER], ["currentSession"])], "options": {}}
        found = objects_in(await self.call(PROPERTY_COLLECTOR, "RetrievePropertiesEx", asked))
        if any("currentSession" in content.values for content in found):
            return True
        if renew and isinstance(self._credential, Basic):
            pool = self._vim.session_pool(self._credential)
            session = await pool.get(self._credential, self._call)
            await pool.renew(self._credential, session, pool.now(), self._call)
        return False

    def session_ended(self) -> GatewayError:
        """The error of a call during which its session ended."""
        if isinstance(self._credential, SessionId):
            text = "vCenter does not accept the session id"
            return GatewayError(Failure(code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED", text, domain=VCENTER_DOMAIN))
        text = "the session with vCenter ended during the call"
        return GatewayError(Failure.of(Reason.VCENTER_CONNECTION_LOST, text))

    async def _end_wait(self, collector: Ref, waiting: asyncio.Future[Any]) -> None:
        try:
            await self.call(collector, "CancelWaitForUpdates", timeout=_GRACE)
            await asyncio.wait((waiting,))
        finally:
            waiting.cancel()
            with contextlib.suppress(GatewayError, asyncio.CancelledError):
                await waiting

    async def _once(
        self, method: VimMethod, request: RestRequest, release: str, deadline: float, *, is_wait: bool = False
    ) -> Any:
        """Sends a request, in a new session if vCenter has ended the old one, and reads the response."""
        large: list[Any] = []

        async def read(response: RestResponse) -> None:
            if response.status < 300 and len(response.body) >= _LARGE:
                # In a separate thread, because this would block the event loop.
                large.append(await asyncio.to_thread(self._vim.codec.decode, method, response))

        headers = dict(self._vim.sessions.soap_action(release))
        if self._call is not None:
            headers["X-Request-ID"] = self._call.request_id
        exchange = Exchange(request, headers, deadline, self._call, method.is_read_only, read)
        try:
            response = await self._in_session(exchange, self._parts.send_wait if is_wait else self._parts.send)
        except TransportError as error:
            raise GatewayError(error.failure(method)) from None
        if is_wait:
            await read(response)
        return large[0] if large else self._vim.codec.decode(method, response)

    async def _in_session(self, exchange: Exchange, send: Send) -> RestResponse:
        if asyncio.get_running_loop().time() >= exchange.deadline:
            raise NotSentTimeoutError("the deadline passed before vCenter was called")
        pool, api = self._vim.session_pool(self._credential), self._vim.sessions
        if isinstance(self._credential, SessionId):
            return await send(exchange.with_headers(api.header(self._credential.value)))
        return await in_session(pool, api, self._credential, exchange, send)

    def _deadline(self, seconds: float) -> float:
        deadline = asyncio.get_running_loop().time() + seconds
        return deadline if self._call is None else min(deadline, self._call.deadline)


def _numbers(release: str) -> tuple[int, ...]:
    """A release as comparable numbers; `6.7.3` and similar ones are older than all supported ones."""
    return tuple(int(part) for part in release.split(".") if part.isdigit())
