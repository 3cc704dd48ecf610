"""vCenter's address, and how its certificate is verified."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from gateway.address import checked_thumbprint, checked_url
from gateway.settings import VCenterSettings

__all__ = ["VCenterOptions", "ssl_context"]

# Each default is defined once, where it is documented.
_DEFAULTS = VCenterSettings()


@dataclass(frozen=True, slots=True)
class VCenterOptions:
    """How to reach one vCenter. Raises ValueError with a readable message for an invalid value."""

    url: str
    """Scheme, host and optionally port, for example `https://vcenter.example.com`."""
    ca_file: str | None = _DEFAULTS.ca_file
    """PEM file of the authorities to trust instead of the system's. The asyncio client reloads it when it changes."""
    thumbprint: str | None = _DEFAULTS.thumbprint
    """SHA-256 thumbprint of vCenter's own certificate, which is then trusted by this alone, no matter who signed it."""
    verify: bool = _DEFAULTS.verify
    """False turns off all verification of the certificate."""
    proxy: str | None = _DEFAULTS.proxy
    """Host and port of an HTTP proxy that opens a tunnel to vCenter."""
    connect_timeout: float = _DEFAULTS.connect_timeout_seconds
    """Seconds for DNS, TCP and TLS together."""
    read_timeout: float = _DEFAULTS.read_timeout_seconds
    """Seconds for a whole call without side effects if the caller sets no deadline."""
    change_timeout: float = _DEFAULTS.change_timeout_seconds
    """The same for a change."""
    max_timeout: float = _DEFAULTS.max_timeout_seconds
    """Maximum seconds of any call, no matter which deadline the caller sets."""
    max_concurrent_calls: int = _DEFAULTS.max_concurrent_calls
    """Maximum number of concurrent calls to vCenter, each on its own connection; additional ones wait for their
    turn."""
    max_waiting_calls: int = _DEFAULTS.max_waiting_calls
    """Maximum number of calls that wait for their turn; additional ones are refused."""
    max_concurrent_logins: int = _DEFAULTS.max_concurrent_logins
    """The same for logins and other calls about sessions, which have separate places."""
    max_waiting_logins: int = _DEFAULTS.max_waiting_logins
    max_transfers: int = _DEFAULTS.max_transfers
    """Maximum number of concurrent file transfers to and from guests; additional ones are refused."""
    max_response_bytes: int = _DEFAULTS.max_response_bytes
    """Maximum size of a response."""

    def seconds_for(self, read_only: bool, timeout: float | None) -> float:
        """How long a call may take, given the caller's own remaining seconds, None if the caller set no deadline."""
        if timeout is None:
            timeout = self.read_timeout if read_only else self.change_timeout
        return min(timeout, self.max_timeout)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", checked_url(self.url))
        if self.thumbprint is not None:
            object.__setattr__(self, "thumbprint", checked_thumbprint(self.thumbprint))

    @classmethod
    def of(cls, settings: VCenterSettings, url: str | None = None) -> VCenterOptions:
        """The options from the settings; `url` overrides theirs. Raises ValueError without a URL."""
        return cls(
            url=url or settings.url or "",
            ca_file=settings.ca_file,
            thumbprint=settings.thumbprint,
            verify=settings.verify,
            proxy=settings.proxy,
            connect_timeout=settings.connect_timeout_seconds,
            read_timeout=settings.read_timeout_seconds,
            change_timeout=settings.change_timeout_seconds,
            max_timeout=settings.max_timeout_seconds,
            max_concurrent_calls=settings.max_concurrent_calls,
            max_waiting_calls=settings.max_waiting_calls,
            max_concurrent_logins=settings.max_concurrent_logins,
            max_waiting_logins=settings.max_waiting_logins,
            max_transfers=settings.max_transfers,
            max_response_bytes=settings.max_response_bytes,
        )


def ssl_context(options: VCenterOptions) -> ssl.SSLContext:
    """The TLS settings without the thumbprint, which the transports compare themselves. Raises OSError or ssl.SSLError
    if the CA file cannot be read.
    """
    context = ssl.create_default_context(cafile=options.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not options.verify or options.thumbprint is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
