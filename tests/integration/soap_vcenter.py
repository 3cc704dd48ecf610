"""A vCenter of which a test writes each answer: its list of releases, its REST logins, and its SOAP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.integration.raw_vcenter import Answer, http, raw_vcenter
from tests.soap import fault, response

__all__ = ["NOT_AUTHENTICATED", "Said", "SoapVCenter", "cut", "soap", "soap_vcenter"]

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_METHOD = re.compile(rb'<(\w+) xmlns="urn:vim25">')
_VERSIONS = (
    '<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name><version>{}</version>'
    "<priorVersions><version>7.0.3.2</version></priorVersions></namespace></namespaces>"
)
_SESSION = "<key>52c3aa01-1111</key><userName>alice</userName>"
_CURRENT = (
    "<objects><obj type='SessionManager'>SessionManager</obj><propSet><name>currentSession</name>"
    f"<val xsi:type='UserSession'>{_SESSION}</val></propSet></objects>"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A request."""

    name: str
    """The SOAP method, or the verb and path of a REST call."""
    head: bytes
    body: bytes


class SoapVCenter:
    """Answers to requests by their names; the last of several answers goes on."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.url = ""
        self.said: list[Said] = []
        self.answers: dict[str, list[Answer]] = {
            "Login": [soap(response("Login", _SESSION), 'Set-Cookie: vmware_soap_session="s-1"; Path=/; Secure')],
            "Logout": [soap(response("Logout"))],
            "POST /api/session": [http("201 Created", b'"rest-1"')],
            "GET /api/session": [http("200 OK", b'{"user": "alice"}')],
            "DELETE /api/session": [http("204 No Content", b"")],
        }
        self.has_session = True
        """Whether it says that there is a session, where it is asked which one this is."""

    def answer(self, name: str, *answers: Answer) -> None:
        """What a method answers."""
        self.answers[name] = list(answers)

    def names(self) -> list[str]:
        """What has been asked, in its order."""
        return [said.name for said in self.said]

    def only(self, name: str) -> list[Said]:
        """The requests of this name."""
        return [said for said in self.said if said.name == name]

    async def serve(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request."""
        verb, target, _ = head.split(b" ", 2)
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if target == b"/sdk/vimServiceVersions.xml":
            await http("200 OK", _VERSIONS.format(self.release).encode(), "text/xml")(reader, writer)
            return
        found = _METHOD.search(body)
        name = found[1].decode() if found else f"{verb.decode()} {target.decode()}"
        self.said.append(Said(name, head, body))
        if name == "RetrievePropertiesEx" and b"currentSession" in body and name not in self.answers:
            result = (_CURRENT,) if self.has_session else ()
            await soap(response(name, *result))(reader, writer)
            return
        answers = self.answers[name]
        await (answers.pop(0) if len(answers) > 1 else answers[0])(reader, writer)


def soap(body: bytes, *fields: str, media_type: str = "text/xml; charset=utf-8") -> Answer:
    """A document, with the status that vCenter gives it and further header fields."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status = "500 Internal Server Error" if b":Fault>" in body else "200 OK"
        lines = "".join(f"{field}\r\n" for field in fields)
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    return answer


def cut(body: bytes) -> Answer:
    """The first half of a document, and the end of the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[: len(body) // 2])

    return answer


NOT_AUTHENTICATED = soap(fault("NotAuthenticated", "The session is not authenticated."))


@asynccontextmanager
async def soap_vcenter(release: str = "8.0.2.0") -> AsyncIterator[SoapVCenter]:
    """Listens on a free port of the loopback address."""
    vcenter = SoapVCenter(release)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await vcenter.serve(raw.heads[-1], reader, writer)

    async with raw_vcenter(answer) as raw:
        vcenter.url = raw.url
        yield vcenter
