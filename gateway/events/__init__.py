"""Events in the gateway, each reported once to all subscribers: log, metrics, audit log, traces, status page."""

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
