"""The simulated vCenter without a network: requests go straight into its endpoint."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gateway.simulator import DEFAULT_USERS, ManualClock, SessionLimits, User
from gateway.simulator.endpoint import Endpoint
from gateway.simulator.exchange import Request, Response
from gateway.simulator.inventory import Inventory
from gateway.simulator.releases import NEWEST, Release
from gateway.simulator.sessions import Sessions

__all__ = ["ADMIN", "NOACCESS", "PASSWORD", "READONLY", "Answer", "Api", "basic"]

ADMIN, READONLY, NOACCESS = (user.name for user in DEFAULT_USERS)
PASSWORD = "VMware1!"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, taken apart."""

    status: int
    json: Any
    headers: Mapping[str, str]
    response: Response = field(repr=False)

    @property
    def error_type(self) -> str:
        return str(self.json["error_type"])

    @property
    def message_ids(self) -> list[str]:
        return [message["id"] for message in self.json["messages"]]


def basic(user: str, password: str = PASSWORD) -> dict[str, str]:
    """The header fields of a login."""
    return {"authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


class Api:
    """Makes requests to an endpoint, logged in or not."""

    def __init__(
        self,
        clock: ManualClock,
        *,
        vms: int = 20,
        limits: SessionLimits | None = None,
        users: tuple[User, ...] = DEFAULT_USERS,
        release: Release = NEWEST,
    ) -> None:
        self.clock = clock
        self.inventory = Inventory(vms, 1, clock(), timedelta(seconds=2), release)
        self.sessions = Sessions(users, limits or SessionLimits(), clock)
        self.endpoint = Endpoint(self.inventory, self.sessions, clock)
        self.session = ""

    def request(
        self, method: str, target: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request exactly as given; the clock moves on for an operation that takes its time."""
        response = self.endpoint.handle(Request(method, target, headers or {}, body))
        if response.later is not None:
            self.clock.advance((response.later.due - self.clock()).total_seconds())
            response = response.later.response()
        json_body = json.loads(response.body) if response.content_type == "application/json" and response.body else None
        return Answer(response.status, json_body, response.headers, response)

    def login(self, user: str = ADMIN, password: str = PASSWORD) -> Answer:
        """Logs in; the further calls are made with that session."""
        answer = self.request("POST", "/api/session", headers=basic(user, password))
        if answer.status == 201:
            self.session = answer.json
        return answer

    def __call__(self, method: str, target: str, body: Any = None, *, session: str | None = None) -> Answer:
        """One request with a session, and a body in JSON when there is one."""
        headers = {"vmware-api-session-id": self.session if session is None else session}
        if body is None:
            return self.request(method, target, headers=headers)
        headers["content-type"] = "application/json"
        return self.request(method, target, json.dumps(body).encode(), headers=headers)
