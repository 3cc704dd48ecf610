"""HTTP responses of the VIM API: a SOAP envelope around a result, or around a fault with the status 500."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gateway.simulator.errors import VapiError
from gateway.simulator.exchange import Response
from gateway.simulator.vim.faults import soap_fault
from gateway.simulator.vim.values import write

__all__ = ["answer", "failure"]

_MEDIA_TYPE = "text/xml; charset=utf-8"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope'
    ' xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"'
    ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
_TAIL = "\n</soapenv:Body>\n</soapenv:Envelope>"


def answer(method: str, result: Any, headers: Mapping[str, str]) -> Response:
    """The result of a method."""
    content = f'<{method}Response xmlns="urn:vim25">{write("returnval", result)}</{method}Response>'
    return _response(content, HTTPStatus.OK, headers, executed=True)


def failure(error: VapiError) -> Response:
    """The error of a method."""
    return _response(soap_fault(error), HTTPStatus.INTERNAL_SERVER_ERROR, {}, executed=False)


def _response(content: str, status: HTTPStatus, headers: Mapping[str, str], *, executed: bool) -> Response:
    body = f"{_HEAD}{content}{_TAIL}".encode()
    return Response(status, body, _MEDIA_TYPE, {"Cache-Control": "no-cache", **headers}, executed)
