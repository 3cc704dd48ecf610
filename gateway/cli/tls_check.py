"""The TLS step of `check`."""

from __future__ import annotations

from gateway.cli.output import Exit
from gateway.cli.steps import StepError
from gateway.vcenter.certificate import CertificateFindingError, check_certificate
from gateway.vcenter.options import VCenterOptions

__all__ = ["check_tls"]


def check_tls(options: VCenterOptions, host: str, port: int) -> str:
    """What the server's certificate says. Raises StepError when it is not trusted, or should change."""
    try:
        return check_certificate(options, host, port)
    except CertificateFindingError as finding:
        raise StepError(finding.text, finding.advice, Exit.OK if finding.usable else Exit.UNREACHABLE) from None
