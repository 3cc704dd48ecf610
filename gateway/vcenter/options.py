"""Where vCenter is and how its certificate is checked."""

from __future__ import annotations

import contextlib
import re
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gateway import __version__

__all__ = ["USER_AGENT", "VCenterOptions", "ssl_context"]

USER_AGENT = f"vcenter-gateway/{__version__}"

# Names as DNS and hosts files have them, and addresses of both families; the latter with a zone too.
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?|[0-9a-f:.]+(%[a-z0-9._-]+)?", re.ASCII | re.IGNORECASE)
_THUMBPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class VCenterOptions:
    """How to reach one vCenter. Raises ValueError with a sentence for a value that makes no sense."""

    url: str
    """Scheme, host and optionally port, for instance `https://vcenter.example.com`."""
    ca_file: str | None = None
    """PEM file of the authorities to trust in place of the system's. The asyncio client notices when it changes."""
    thumbprint: str | None = None
    """SHA-256 thumbprint of vCenter's own certificate; it is then trusted by this alone, whoever signed it."""
    verify: bool = True
    """False turns every check of the certificate off."""
    connect_timeout: float = 10.0
    """Seconds for DNS, TCP and TLS together."""
    read_timeout: float = 60.0
    """Seconds for a whole call without side effects when the caller sets no deadline."""
    change_timeout: float = 120.0
    """The same for a call that changes something."""
    max_timeout: float = 600.0
    """Seconds that no call takes longer than, whatever deadline the caller sets."""
    max_concurrent_calls: int = 64
    """Calls that are with vCenter at once, each on a connection of its own; further ones wait for their turn."""
    max_waiting_calls: int = 4096
    """Calls that wait for their turn; further ones are refused."""
    max_response_bytes: int = 32 * 1024 * 1024
    """Largest answer that is read."""

    def seconds_for(self, read_only: bool, timeout: float | None) -> float:
        """How long a call may take, given the caller's own remaining seconds, None where the caller set no deadline."""
        if timeout is None:
            timeout = self.read_timeout if read_only else self.change_timeout
        return min(timeout, self.max_timeout)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the vCenter URL must look like https://vcenter.example.com, not {self.url!r}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the vCenter URL must not hold a user name or a password")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("the vCenter URL is scheme, host and port alone; the gateway adds the path")
        object.__setattr__(self, "url", f"{parts.scheme}://{_authority(parts)}")
        if self.thumbprint is not None:
            digits = self.thumbprint.lower().replace(":", "").replace(" ", "")
            if not _THUMBPRINT.fullmatch(digits):
                raise ValueError("the thumbprint must be a SHA-256 one: 64 hexadecimal digits, with or without colons")
            object.__setattr__(self, "thumbprint", digits)


def _authority(parts: SplitResult) -> str:
    """Host and port as they go into the Host field of a request: in ASCII, a name of other letters in IDNA's form."""
    host = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port in the vCenter URL must be a number from 1 to 65535") from None
    if port == 0:
        raise ValueError("the port in the vCenter URL must be a number from 1 to 65535")
    with contextlib.suppress(UnicodeError):
        name = host.encode("idna").decode("ascii")
        if _HOST.fullmatch(name):
            shown = f"[{name}]" if ":" in name else name
            return shown if port is None else f"{shown}:{port}"
    raise ValueError(f"{host!r} in the vCenter URL is neither the name of a host nor an address")


def ssl_context(options: VCenterOptions) -> ssl.SSLContext:
    """The TLS settings without the thumbprint, which the transports compare themselves.

    Raises OSError or ssl.SSLError when the CA file cannot be read.
    """
    context = ssl.create_default_context(cafile=options.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not options.verify or options.thumbprint is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
