"""The list of the SOAP API's versions, which vCenter serves without authentication: SDKs choose the newest known
one."""

from gateway.simulator.exchange import Response
from gateway.simulator.releases import Release

__all__ = ["PATH", "version_list"]

PATH = "/sdk/vimServiceVersions.xml"

# All versions, the newest first.
_VERSIONS = (
    "9.1.1.0", "9.1.0.0", "9.0.0.0", "8.0.3.0", "8.0.2.0", "8.0.1.0", "8.0.0.2", "8.0.0.1", "8.0.0.0", "7.0.3.0",
    "7.0.2.1", "7.0.2.0", "7.0.1.1", "7.0.1.0", "7.0.0.2", "7.0.0.0", "6.9.1", "6.8.7", "6.7.3", "6.7.2", "6.7.1",
    "6.7", "6.5", "6.0", "5.5", "5.1", "5.0", "4.1", "4.0", "2.5u2server", "2.5u2", "2.5",
)  # fmt: skip


def version_list(release: Release) -> Response:
    """The version of the release first, then those that clients may still request."""
    newest, *earlier = _VERSIONS[_VERSIONS.index(release.version) :]
    prior = "".join(f"<version>{version}</version>" for version in earlier)
    text = (
        '<?xml version="1.0" encoding="UTF-8" ?><namespaces version="1.0">'
        f"<namespace><name>urn:vim25</name><version>{newest}</version><priorVersions>{prior}</priorVersions></namespace>"
        "<namespace><name>urn:vim2</name><version>2.0</version></namespace></namespaces>"
    )
    return Response(200, text.encode(), "text/xml", executed=True)
