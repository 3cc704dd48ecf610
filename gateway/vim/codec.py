"""Encodes calls of VIM methods as HTTP requests, and decodes their responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import Failure, GatewayError, Reason
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.error_response import ErrorReader, leaves_open
from gateway.vim.faults import failure_of
from gateway.vim.reader import MAX_ELEMENTS, NotReadableError, Reader, TooManyElementsError
from gateway.vim.schema import Method, Schema
from gateway.vim.values import Fault, Ref
from gateway.vim.writer import NotWritableError, write_call

__all__ = ["READS", "Codec", "VimMethod"]

READS = frozenset(
    {
        "FindAllByDnsName",
        "FindAllByIp",
        "FindAllByUuid",
        "FindByDatastorePath",
        "FindByDnsName",
        "FindByInventoryPath",
        "FindByIp",
        "FindByUuid",
        "FindChild",
        "ListFilesInGuest",
        "ListProcessesInGuest",
        "QueryAvailablePerfMetric",
        "QueryEvents",
        "QueryPerf",
        "QueryPerfCounter",
        "QueryPerfProviderSummary",
        "ReadEnvironmentVariableInGuest",
        "RetrievePropertiesEx",
        "RetrieveServiceContent",
        "ValidateCredentialsInGuest",
    }
)
"""Methods without side effects, which are retried after a lost connection. Methods that move a cursor or consume a
token are not included."""

_PATH = "/sdk"
_MEDIA_TYPE = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class VimMethod:
    """A method of an object type."""

    method: Method
    operation: str
    """For example `vim.VirtualMachine.CreateSnapshot_Task`."""

    @property
    def is_read_only(self) -> bool:
        """Whether it has no side effects, so that it may be retried."""
        return self.method.name in READS

    @property
    def task_form(self) -> str:
        """None: a long-running method returns a task itself."""
        return ""


class Codec:
    """Encodes calls and decodes responses, without any I/O."""

    def __init__(self, schema: Schema, errors: ErrorReader) -> None:
        self.schema = schema
        self._errors = errors
        self._reader = Reader(schema)

    def method(self, of: Ref, name: str) -> VimMethod:
        """A method of an object. Raises KeyError if the API has none with this name."""
        return VimMethod(self.schema.method(name), f"vim.{of.type}.{name}")

    def encode(self, method: VimMethod, this: Ref, arguments: Mapping[str, Any], release: str) -> RestRequest:
        """The request that calls a method, for a release of the API. Raises GatewayError (INVALID_ARGUMENT) for text
        that cannot be sent.
        """
        try:
            body = write_call(self.schema, method.method, this, arguments)
        except NotWritableError as error:
            raise GatewayError(Failure.of(Reason.REQUEST_INVALID, f"a text of the request {error}")) from None
        return RestRequest("POST", _PATH, body, method.operation, media_type=_MEDIA_TYPE)

    def decode(self, method: VimMethod, response: RestResponse) -> Any:
        """The result of a method. Raises GatewayError for a fault, and for an invalid response."""
        try:
            answer = self._reader.read(method.method, response.body)
        except TooManyElementsError:
            text = f"has more than {MAX_ELEMENTS:,} elements"
            raise self._invalid(method, response, text, Reason.VCENTER_RESPONSE_TOO_LARGE) from None
        except NotReadableError as error:
            if not 200 <= response.status < 300:
                raise self._page(method, response) from None
            raise self._invalid(method, response, str(error)) from None
        if answer.fault is not None:
            raise GatewayError(self.failure(method.operation, answer.fault))
        if not 200 <= response.status < 300:
            raise self._page(method, response)
        return answer.value

    def failure(self, operation: str, fault: Fault) -> Failure:
        """The failure of a call of `operation` that got this fault, or whose task ended with it."""
        return failure_of(self.schema, self._errors, operation, fault)

    def fault(self, response: RestResponse) -> Fault | None:
        """The fault in a response to any method, None if it is something else."""
        try:
            return self._reader.fault(response.body)
        except (NotReadableError, TooManyElementsError):
            return None

    def page(self, operation: str, response: RestResponse) -> Failure:
        """The failure of a response that is not from vCenter itself but, for example, from the proxy in front of it."""
        return self._errors.read(operation, response.status, response.headers, response.body)

    def _page(self, method: VimMethod, response: RestResponse) -> GatewayError:
        failure = self.page(method.operation, response)
        is_open = not method.is_read_only and leaves_open(response.status, response.body)
        return GatewayError(failure.leaving_open() if is_open else failure)

    def _invalid(
        self, method: VimMethod, response: RestResponse, what: str, reason: Reason = Reason.VCENTER_RESPONSE_INVALID
    ) -> GatewayError:
        text = f"vCenter's answer (HTTP {response.status}) {what}"
        metadata = {"operation": method.operation, "http_status": str(response.status)}
        failure = Failure.of(reason, text, metadata=metadata)
        return GatewayError(failure if method.is_read_only else failure.leaving_open())
