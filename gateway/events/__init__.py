"""What happens in the gateway, told once to everybody who keeps or shows it: log, metrics, audit, traces, status
page."""

from gateway.events.events import (
    BreakerChanged,
    CallEnded,
    CertificateChanged,
    Events,
    Exchanged,
    FileChanged,
    KeysFetched,
    LoginEnded,
    Retried,
    SessionEnded,
    combined,
)

__all__ = [
    "BreakerChanged",
    "CallEnded",
    "CertificateChanged",
    "Events",
    "Exchanged",
    "FileChanged",
    "KeysFetched",
    "LoginEnded",
    "Retried",
    "SessionEnded",
    "combined",
]
