"""com.vmware.vcenter.ovfs: machines from OVF packages anywhere on the network.

All URLs of packages refer to the same package.
"""

from urllib.parse import urlsplit

from gateway.simulator import errors, ovf
from gateway.simulator.ovf_package import PHOTON
from gateway.simulator.placement import find
from gateway.simulator.registry import Call, Json, operation, perform

__all__ = ["UNTRUSTED_HOST", "deploy_task"]

_MESSAGES = "com.vmware.api.vcenter.ovfs"
UNTRUSTED_HOST = "untrusted.example.com"
"""Its certificate is only trusted if a call contains it."""


@operation("com.vmware.vcenter.ovfs", "deploy_task")
def deploy_task(call: Call) -> Json:
    """Starts the deployment, and returns the task."""
    inventory, spec = call.inventory, call.spec
    url = urlsplit(spec["url"])
    if url.scheme not in ("http", "https") or not url.hostname or not url.path.endswith((".ovf", ".ova")):
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_url", "The URL does not lead to an OVF package.")
    if url.scheme == "https" and url.hostname == UNTRUSTED_HOST and spec.get("source_certificate") is None:
        text = "The certificate of '{0}' is not trusted."
        raise errors.of_type("UNVERIFIED_PEER", f"{_MESSAGES}.untrusted", text, url.hostname)
    target = {"resource_pool": spec.get("resource_pool"), "host": spec.get("host_system"), "folder": spec.get("folder")}
    datastore = find(inventory.places.datastores, "datastore", spec["vm_home_datastore"]["datastore"])
    networks = {name: item["network"] for name, item in (spec.get("network_mapping") or {}).items()}
    for network in networks.values():
        find(inventory.networks, "network", network)
    try:
        site = ovf.site_for_target(call, target, datastore.datastore)
    except errors.VapiError as failure:
        if failure.error_type == "RESOURCE_INACCESSIBLE":
            raise errors.VapiError("ERROR", failure.messages) from None
        raise

    def finish() -> str:
        machine = ovf.deploy(call, PHOTON, spec["name"], site, networks)
        if spec.get("power_on"):
            perform(call, "com.vmware.vcenter.vm.power.start", vm=machine.vm)
        return machine.vm

    return inventory.tasks.start(
        call.operation, call.user.name, call.now(), ovf.copy_duration(inventory, PHOTON), finish
    ).task
