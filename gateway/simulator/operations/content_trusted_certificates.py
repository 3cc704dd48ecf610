"""com.vmware.content.trusted_certificates: the certificates that libraries trust for signed packages."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "get", "list_"]

_SERVICE = "com.vmware.content.trusted_certificates"
_MESSAGES = "com.vmware.vdcs.cls-main"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All trusted certificates."""
    certificates = call.inventory.libraries.certificates
    return {"certificates": [{"certificate": key, "cert_text": text} for key, text in certificates.items()]}


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One trusted certificate."""
    return {"cert_text": call.inventory.libraries.certificates[_identifier(call)]}


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Trusts a certificate; one that is trusted already keeps its identifier."""
    text = call.spec["cert_text"]
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise errors.error(f"{_MESSAGES}.invalid_certificate", "The text is not a certificate in PEM format.") from None
    identifier = certificate.fingerprint(hashes.SHA256()).hex()
    call.inventory.libraries.certificates.setdefault(identifier, text)
    return identifier


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Ends the trust in a certificate."""
    del call.inventory.libraries.certificates[_identifier(call)]


def _identifier(call: Call) -> str:
    identifier = call.path["certificate"]
    if identifier not in call.inventory.libraries.certificates:
        text = "The certificate with identifier '{0}' does not exist."
        raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.certificate_not_found", text, identifier)
    return identifier
