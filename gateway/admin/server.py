"""The HTTP side of the admin port. It is read-only, has no authentication, and shows no secret."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gateway.address import join_address, split_address
from gateway.admin.machines import Part
from gateway.admin.page import POLICY, Facts, render
from gateway.admin.rates import SAMPLE_SECONDS, RateMeter
from gateway.admin.recent import ErrorGroup
from gateway.admin.summary import summarize
from gateway.vcenter import VCenterOptions
from gateway.vcenter.failures import os_text
from gateway.vcenter.probe import VCenterProbe

__all__ = ["AdminServer", "Source"]


def _is_news(record: logging.LogRecord) -> bool:
    """Ignores malformed requests: their sender gets a status, and a traceback is useless."""
    error = record.exc_info[0] if record.exc_info else None
    return error is None or not issubclass(error, (HttpProcessingError, web.RequestPayloadError))


_log = logging.getLogger(__name__)
_log.addFilter(_is_news)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of the admin port's content."""

    registry: CollectorRegistry
    errors: Callable[[], Sequence[ErrorGroup]]
    """The newest first."""
    not_ready: Callable[[], str | None]
    """Why the gateway does not serve, as a readable message; None if it does."""
    not_alive: Callable[[], str | None]
    """Why it will not recover without a restart."""
    refresh: Callable[[], Awaitable[None]]
    """Updates the metrics."""


class AdminServer:
    """Serves /healthz, /readyz, /metrics, /metrics/machines and the status page on one address.

    With `service_account`, every login is that of the gateway, and a rejected one affects all callers.
    """

    def __init__(
        self,
        listen: str,
        source: Source,
        *,
        vcenter: VCenterOptions,
        workers: int = 1,
        service_account: bool = False,
    ) -> None:
        self._listen = listen
        self._source = source
        self._vcenter = vcenter.url
        self._probe = VCenterProbe(vcenter)
        self._rates = RateMeter()
        self._sampling: asyncio.Task[None] | None = None
        self._service_account = service_account
        self._workers = workers
        self._started = time.time()
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/metrics/machines", self._machine_metrics),
                web.get("/", self._page),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, logger=_log, shutdown_timeout=1.0)

    async def start(self) -> str:
        """Starts serving and returns the address, with the chosen port if it was 0. Raises OSError with a readable
        message if the address cannot be used.
        """
        host, port = split_address(self._listen)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise OSError(f"the admin port cannot listen on {self._listen}: {os_text(error)}") from None
        self._sampling = asyncio.create_task(self._sample())
        port = self._runner.addresses[0][1]
        return join_address(host, port)

    async def stop(self) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
        await self._runner.cleanup()
        await self._probe.close()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            await self._source.refresh()
            self._rates.sample(summarize(self._source.registry))

    async def _healthz(self, request: web.Request) -> web.Response:
        return _verdict(self._source.not_alive())

    async def _readyz(self, request: web.Request) -> web.Response:
        return _verdict(self._source.not_ready())

    async def _metrics(self, request: web.Request) -> web.Response:
        return await self._encoded(request, of_machines=False)

    async def _machine_metrics(self, request: web.Request) -> web.Response:
        return await self._encoded(request, of_machines=True)

    async def _encoded(self, request: web.Request, *, of_machines: bool) -> web.Response:
        await self._source.refresh()
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # A version that is not a number.
            encode, content_type = choose_encoder("")
        part = Part(self._source.registry, of_machines=of_machines)
        return web.Response(body=encode(part), headers={"Content-Type": content_type})

    async def _page(self, request: web.Request) -> web.Response:
        state = await self._probe.current()
        await self._source.refresh()
        summary = summarize(self._source.registry)
        facts = Facts(
            vcenter=self._vcenter,
            state=state,
            service_account=self._service_account,
            workers=self._workers,
            started=self._started,
            not_ready=self._source.not_ready(),
            summary=summary,
            rates=self._rates.rates(summary),
            errors=self._source.errors(),
        )
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return web.Response(text=render(facts, time.time()), content_type="text/html", headers=headers)


def _verdict(problem: str | None) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)
