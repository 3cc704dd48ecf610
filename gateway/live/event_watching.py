"""`WatchEvents` and `ListEvents` of `vcenter.gateway.v1.WatchService`: vCenter's events about machines."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from gateway.access.scope import Scope
from gateway.calls import Call
from gateway.errors import Failure, GatewayError
from gateway.live.heartbeat import heartbeat_seconds
from gateway.live.messages import Messages
from gateway.live.occurrences.feed import EventFeed
from gateway.live.occurrences.history import EventHistory, Occurrence, Place
from gateway.live.serves import serves
from gateway.transcoding.encoder import Violation
from gateway.vcenter.client import VCenter
from gateway.vim.values import Ref

__all__ = ["EventWatching"]

_PAGE = 200
"""Maximum number of events in one message of a stream."""
_DEFAULT_PAGE, _MAX_PAGE = 100, 1000
_MOST_LOOKED_AT = 10_000
"""Maximum number of events read for one response of a list if hardly any matches the filter."""
_MAX_FILTER = 10_000


_BEFORE_ALL = Place(0, datetime.fromtimestamp(0, UTC))


class EventWatching:
    """Serves the two rpcs."""

    def __init__(self, messages: Messages, vcenter: VCenter, scope: Callable[[Call], Scope]) -> None:
        self._messages = messages
        self._vcenter = vcenter
        self._scope = scope
        self._feeds: dict[tuple[bytes, str], EventFeed] = {}

    @serves("vcenter.gateway.v1.WatchService/WatchEvents")
    async def watch_events(self, call: Call) -> AsyncIterator[Message]:
        """Events as they happen, preceded by those since a bookmark. Raises GatewayError."""
        request: Any = call.message
        quiet = heartbeat_seconds(request)
        fits = _Filter(request.filter)
        place = _place_in(request.bookmark, "bookmark") if request.bookmark else None
        await self._vcenter.authenticate(call)
        feed = self._feed(call)
        with feed.followed():
            async for newest in feed.newest.watch(quiet):
                if feed.failure is not None:
                    raise GatewayError(feed.failure)
                if newest is None and feed.newest.value is None:
                    continue  # vCenter has not answered yet.
                if newest is None or place is None:
                    place = newest or place
                    yield self._response(place, heartbeat=self._messages.heartbeat())
                    continue
                # A place beyond the newest event may be one of a vCenter that counts its events anew: it was restored
                # from a backup, for example.
                found, is_lost = feed.after(place.key) if place.key <= newest.key else None, False
                if found is None:
                    found, is_lost = await self._since(call, place)
                known = [newest, *(each.place for each in found), *([] if is_lost else [place])]
                place = max(known, key=lambda each: each.key)
                scope = self._scope(call)
                allowed = [each for each in found if fits(each, scope)]
                for start in range(0, max(len(allowed), int(is_lost)), _PAGE):
                    page = allowed[start : start + _PAGE]
                    told = page[-1].place if start + _PAGE < len(allowed) else place
                    events = self._messages("EventPage", events=[each.message for each in page])
                    yield self._response(told, events=events, **({"reset": True} if is_lost and not start else {}))

    @serves("vcenter.gateway.v1.WatchService/ListEvents")
    async def list_events(self, call: Call) -> Any:
        """A page of past events, the newest first. Raises GatewayError."""
        request: Any = call.message
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE
        if not 1 <= size <= _MAX_PAGE:
            raise GatewayError(Failure.of_request([Violation("page_size", f"must be from 1 to {_MAX_PAGE:,}")]))
        fits = _Filter(request.filter)
        before = _place_in(request.page_token, "page_token") if request.page_token else None
        begin = request.start.ToDatetime(UTC) if request.HasField("start") else None
        end = request.end.ToDatetime(UTC) if request.HasField("end") else None
        if before is not None:
            end = before.time if end is None else min(before.time, end)
        only = request.filter.vms[0] if len(request.filter.vms) == 1 and not request.filter.folder else None
        history = self._history(call, call, Ref("VirtualMachine", only) if only else None)
        response = self._messages("ListEventsResponse")
        scope = self._scope(call)
        looked_at, last = 0, before
        async with contextlib.aclosing(history.back(begin, end)) as pages:
            async for page in pages:
                for event in page:
                    if last is not None and event["key"] >= last.key:
                        continue
                    if request.HasField("end") and event["createdTime"] >= request.end.ToDatetime(UTC):
                        continue
                    if len(response.events) == size or looked_at == _MOST_LOOKED_AT:
                        if last is not None:
                            response.next_page_token = _bookmark(last)
                        return response
                    looked_at += 1
                    last = Place(event["key"], event["createdTime"])
                    occurrence = history.occurrence(event)
                    if occurrence is not None and fits(occurrence, scope):
                        response.events.append(occurrence.message)
        return response

    def close(self, failure: Failure) -> None:
        """Ends all streams with `failure`."""
        for feed in self._feeds.values():
            feed.end(failure)
        self._feeds.clear()

    async def _since(self, call: Call, place: Place) -> tuple[list[Occurrence], bool]:
        """The events since a place, read apart from the feed, and whether some of them are lost."""
        history = self._history(call, call)
        found: list[Occurrence] = []
        is_lost = True
        async with contextlib.aclosing(history.forward(place)) as pages:
            async for page in pages:
                if not page:
                    break
                for event in page:
                    if event["key"] <= place.key:
                        is_lost &= event["key"] != place.key
                    elif (occurrence := history.occurrence(event)) is not None:
                        found.append(occurrence)
        return found, is_lost

    def _response(self, place: Place | None, **event: Any) -> Any:
        return self._messages("WatchEventsResponse", bookmark=_bookmark(place or _BEFORE_ALL), **event)

    def _history(self, call: Call, on_behalf_of: Call | None, below: Ref | None = None) -> EventHistory:
        request: Any = call.message
        vim, folder = self._vcenter.vim, request.filter.folder
        if folder:
            below = Ref("Folder", folder)
        return EventHistory(vim, vim.client(call.caller.credential, on_behalf_of), self._messages, below)

    def _feed(self, call: Call) -> EventFeed:
        """The feed of a credential and a folder. Feeds without followers are forgotten."""
        for key in [key for key, feed in self._feeds.items() if feed.is_idle or feed.failure is not None]:
            del self._feeds[key]
        request: Any = call.message
        key = (call.caller.credential.digest, request.filter.folder)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = EventFeed(self._history(call, None))
        return feed


class _Filter:
    """The part of a request's filter that vCenter does not apply itself. Raises GatewayError (INVALID_ARGUMENT)."""

    def __init__(self, filter: Any) -> None:  # noqa: A002 - the API's word
        if len(filter.vms) + len(filter.types) > _MAX_FILTER:
            text = f"has more than {_MAX_FILTER:,} values in all"
            raise GatewayError(Failure.of_request([Violation("filter", text)]))
        self._vms = frozenset(filter.vms)
        self._types = frozenset(filter.types)

    def __call__(self, occurrence: Occurrence, scope: Scope) -> bool:
        if self._vms and occurrence.vm not in self._vms:
            return False
        if self._types and occurrence.type not in self._types:
            return False
        return scope.is_unlimited or scope.allows(occurrence.about)


def _bookmark(place: Place) -> str:
    return f"{place.key}@{place.time.isoformat()}"


def _place_in(text: str, field: str) -> Place:
    """The position in a bookmark or a page token. Raises GatewayError (INVALID_ARGUMENT)."""
    key, _, time = text.partition("@")
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(time)
        if moment.tzinfo is not None and (place := Place(int(key), moment.astimezone(UTC))).key >= 0:
            return place
    raise GatewayError(Failure.of_request([Violation(field, "was not issued by this gateway")]))
