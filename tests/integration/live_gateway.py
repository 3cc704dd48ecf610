"""A gateway in front of a server of the VIM API, for tests of the services that the gateway implements itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.access import Admission, AuditLog
from gateway.vcenter import VCenterOptions
from gateway.vim import Data, Ref
from tests.integration.cases import Json
from tests.integration.harness import Client, Failure, Stream, running_gateway
from tests.integration.vim_servers import Inventory, VimServer, inventory_of, running_vcenter

__all__ = ["LiveGateway", "running_live_gateway"]


@dataclass(frozen=True, slots=True)
class LiveGateway:
    """Calls as the server's account."""

    client: Client
    server: VimServer
    inventory: Inventory
    """All machines as they were at the start, seen past the gateway."""

    @property
    def vm(self) -> str:
        """A machine."""
        return self.inventory.machines[0].value

    @property
    def other_vm(self) -> str:
        """Another one."""
        return self.inventory.machines[1].value

    async def call(self, rpc: str, request: Json | None = None, **how: Any) -> dict[str, Any]:
        """Calls an rpc of `vcenter.gateway.v1`. Raises Failure."""
        account = self.server.account
        return await self.client.call(
            f"vcenter.gateway.v1.{rpc}", request, user=account.user, password=account.password, **how
        )

    def stream(self, rpc: str, request: Json | None = None, **how: Any) -> Stream:
        """Opens a stream of responses of an rpc of `vcenter.gateway.v1`."""
        account = self.server.account
        return self.client.stream(
            f"vcenter.gateway.v1.{rpc}", request, user=account.user, password=account.password, **how
        )

    async def failure(self, rpc: str, request: Json | None = None, **how: Any) -> Failure:
        """What the call ends in."""
        try:
            await self.call(rpc, request, **how)
        except Failure as found:
            return found
        raise AssertionError(f"{rpc} did not fail")

    async def ended(self, task: str) -> Data:
        """What became of a task, once it has ended."""
        while True:
            [content] = await self.inventory.client.properties([Ref("Task", task)], ["info"])
            info: Data = content.values["info"]
            if info["state"] in ("success", "error"):
                return info
            await asyncio.sleep(0.01)

    async def read(self, vm: str, path: str) -> Any:
        """A property of a machine, seen past the gateway."""
        [content] = await self.inventory.client.properties([Ref("VirtualMachine", vm)], [path])
        return content.values.get(path)


@asynccontextmanager
async def running_live_gateway(
    server: VimServer, *, admission: Admission | None = None, audit: AuditLog | None = None
) -> AsyncIterator[LiveGateway]:
    """A gateway in front of the server."""
    async with (
        running_vcenter(server.url) as vcenter,
        running_gateway(VCenterOptions(server.url), admission=admission, audit=audit) as client,
    ):
        yield LiveGateway(client, server, await inventory_of(vcenter, server.account))
