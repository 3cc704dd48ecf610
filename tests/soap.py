"""SOAP answers of vCenter, for tests: in the form in which vCenter 8 writes them."""

from __future__ import annotations

__all__ = ["envelope", "fault", "response"]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope'
    ' xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"'
    ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
_TAIL = "\n</soapenv:Body>\n</soapenv:Envelope>"


def envelope(content: str) -> bytes:
    """A whole document with this content."""
    return (_HEAD + content + _TAIL).encode()


def response(method: str, *results: str) -> bytes:
    """The answer to a method, with results as they stand within `returnval`; they may begin with attributes."""
    values = "".join(
        f"<returnval{result}</returnval>" if result.startswith((" ", ">")) else f"<returnval>{result}</returnval>"
        for result in results
    )
    return envelope(f'<{method}Response xmlns="urn:vim25">{values}</{method}Response>')


def fault(name: str, text: str = "It failed.", members: str = "") -> bytes:
    """A fault, as it stands in the place of an answer."""
    return envelope(
        f"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring><detail>"
        f'<{name}Fault xmlns="urn:vim25" xsi:type="{name}">{members}</{name}Fault></detail></soapenv:Fault>'
    )
