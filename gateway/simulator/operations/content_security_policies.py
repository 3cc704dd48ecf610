"""com.vmware.content.security_policies: how libraries verify their items."""

from gateway.simulator.library import OVF, SECURITY_POLICY
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]


@operation("com.vmware.content.security_policies", "list")
def list_(_: Call) -> Json:
    """The only policy."""
    rules = {OVF: "OVF_STRICT_VERIFICATION"}
    return [{"policy": SECURITY_POLICY, "name": "OVF default policy", "item_type_rules": rules}]
