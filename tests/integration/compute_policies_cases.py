"""Cases of compute policies, their capabilities, and the tags that they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.compute_policies import ComputePolicies, ComputePolicy
from gateway.simulator.tagging import Tagging
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

_SERVICE = "vcenter.compute.v1.PoliciesService"
CREATE, GET, UPDATE, DELETE = (f"{_SERVICE}/{verb}ComputePolicy" for verb in ("Create", "Get", "Update", "Delete"))
LIST, CREATE_ALL, DELETE_ALL = (
    f"{_SERVICE}/{name}" for name in ("ListComputePolicies", "CreateTagsAndPolicies", "DeleteTagsAndPolicies")
)
GET_CAPABILITY, CAPABILITIES = (
    f"vcenter.compute.policies.v1.CapabilitiesService/{name}" for name in ("GetCapability", "ListCapabilities")
)
USAGE = "vcenter.compute.policies.v1.TagUsageService/ListTagUsage"

APART, HOSTS = "7a1c1cb9-1b8a-4f2c-8f35-62a1c3f8a0d1", "c3f7d9a4-5c0e-4c57-9b5e-2f90b1d7e6a2"
PACKAGE = "com.vmware.vcenter.compute.policies.capabilities"
MESSAGES = "com.vmware.api.vcenter.compute.policies"
VM_TAG, HOST_TAG = ("com.vmware.cis.tagging.Tag:VirtualMachine", "com.vmware.cis.tagging.Tag:HostSystem")

# The identifiers of tags are the same at each start.
_tagging = Tagging({"VirtualMachine": lambda vm: False})
PRODUCTION, WEB = (
    _tagging.tag_by_name(category, name).tag for category, name in (("Environment", "production"), ("Role", "web"))
)

TOGETHER = {
    "capability": f"{PACKAGE}.vm_vm_affinity",
    "name": "together",
    "description": "Web servers",
    "vm_tag": WEB,
}


def policies(simulator: Simulator) -> ComputePolicies:
    return simulator.inventory.compute_policies


def created(response: Any, simulator: Simulator) -> None:
    assert policies(simulator)[response["policy"]].to_json() == TOGETHER


def gone(policy: str) -> Callable[[Any, Simulator], None]:
    def check(response: Any, simulator: Simulator) -> None:
        assert policy not in policies(simulator)

    return check


def updated(response: Any, simulator: Simulator) -> None:
    found = policies(simulator)[APART]
    assert (found.description, found.managed_by) == ("", "SUPERVISOR")


def by_name(name: str, category: str, tag: str, capability: str = "vm_vm_affinity") -> Json:
    """A policy whose tag is named by its category and name."""
    selector = {"tag": {"tag_name_spec": {"category_name": category, "tag_name": tag}}}
    return {"capability": f"{PACKAGE}.{capability}", "name": name, "description": "", "vm_selector": selector}


def made(response: Any, simulator: Simulator) -> None:
    """Two policies that share a new tag, and one that failed."""
    result = response["result"]
    assert set(result["policies"]) == {"first", "second"}
    tags = {info["info"]["vm_tag"] for info in result["policies"].values()}
    (tag,) = (simulator.inventory.tagging.tags[tag] for tag in tags)
    assert (tag.name, tag.category.name) == ("new", "Made")
    assert result["errors"]["third"]["error_type"] == "ERROR_TYPE_INVALID_ARGUMENT"
    assert "left" not in {tag.name for tag in simulator.inventory.tagging.tags.values()}


def with_made_tag(simulator: Simulator) -> None:
    """Two policies share a tag that was made for them."""
    found = policies(simulator)
    for name in ("first", "second"):
        policy = found.create_with_tags(by_name(name, "Made", "new"))
        del found[policy.policy]
        policy.policy = name
        found[name] = policy


def unmade(response: Any, simulator: Simulator) -> None:
    assert set(policies(simulator)) == {APART, HOSTS}
    assert "new" not in {tag.name for tag in simulator.inventory.tagging.tags.values()}
    assert response["result"]["errors"]["none"]["error_type"] == "ERROR_TYPE_NOT_FOUND"


def capability(name: str, title: str, description: str) -> Json:
    return {"capability": f"{PACKAGE}.{name}", "name": title, "description": description}


def usage(policy: str, name: str, description: str, kind: str, tag: tuple[str, str, str], about: str) -> Json:
    return {
        "policy": policy,
        "policy_name": name,
        "policy_description": description,
        "capability": f"{PACKAGE}.{kind}",
        "tag_type": about,
        "tag": tag[0],
        "tag_name": tag[1],
        "category_name": tag[2],
    }


_APART = ("production-apart", "Machines in production run on different hosts", "vm_vm_anti_affinity")
_HOSTS = ("web-hosts", "Web servers run on the hosts for the web", "vm_host_affinity")
USAGES = [
    usage(APART, *_APART, (PRODUCTION, "production", "Environment"), VM_TAG),
    usage(HOSTS, *_HOSTS, (WEB, "web", "Role"), VM_TAG),
    usage(HOSTS, *_HOSTS, (WEB, "web", "Role"), HOST_TAG),
]


def without_tag(simulator: Simulator) -> None:
    simulator.inventory.tagging.delete_tag(simulator.inventory.tagging.tags[WEB])


SUCCESSES = (
    Success(id="of-a-capability", rpc=CREATE, request={"spec": TOGETHER}, check=created),
    Success(
        id="typed",
        rpc=CREATE,
        request={"spec": {"@class": f"{PACKAGE}.vm_vm_affinity.create_spec", **TOGETHER}},
        check=created,
    ),
    Success(
        id="one",
        rpc=GET,
        request={"policy": HOSTS},
        response={
            "policy": {
                "capability": f"{PACKAGE}.vm_host_affinity",
                "name": _HOSTS[0],
                "description": _HOSTS[1],
                "vm_tag": WEB,
                "host_tag": WEB,
            }
        },
    ),
    Success(
        id="all",
        rpc=LIST,
        request={},
        response={
            "policies": [
                {"policy": policy, "name": name, "description": text, "capability": f"{PACKAGE}.{kind}"}
                for policy, (name, text, kind) in ((APART, _APART), (HOSTS, _HOSTS))
            ]
        },
    ),
    Success(
        id="both",
        rpc=UPDATE,
        request={
            "policy": APART,
            "spec": {"description": "", "managed_by": {"entity": "POLICIES_MANAGED_BY_ENTITY_SUPERVISOR"}},
        },
        check=updated,
    ),
    Success(id="one", rpc=DELETE, request={"policy": APART}, check=gone(APART)),
    Success(
        id="some",
        rpc=CREATE_ALL,
        request={
            "spec": {
                "policies": [
                    {"spec": by_name("first", "Made", "new")},
                    {"spec": by_name("second", "Made", "new")},
                    {"spec": by_name("third", "Made", "left", "nonsense")},
                ]
            }
        },
        check=made,
    ),
    Success(
        id="with-their-tag",
        rpc=DELETE_ALL,
        request={"spec": {"policies": ["first", "second", "none"]}},
        setup=with_made_tag,
        check=unmade,
    ),
    Success(
        id="one",
        rpc=GET_CAPABILITY,
        request={"capability": f"{PACKAGE}.vm_vm_affinity"},
        response={
            "capability": {
                "name": "VM-VM affinity",
                "description": "Keeps machines together on one host.",
                "create_spec_type": f"{PACKAGE}.vm_vm_affinity.create_spec",
                "info_type": f"{PACKAGE}.vm_vm_affinity.info",
            }
        },
    ),
    Success(
        id="all",
        rpc=CAPABILITIES,
        request={},
        response={
            "capabilities": [
                capability("vm_host_affinity", "VM-Host affinity", "Keeps machines on hosts."),
                capability("vm_host_anti_affinity", "VM-Host anti-affinity", "Keeps machines off hosts."),
                capability("vm_vm_affinity", "VM-VM affinity", "Keeps machines together on one host."),
                capability("vm_vm_anti_affinity", "VM-VM anti-affinity", "Keeps machines apart from each other."),
                capability("disable_drs_vmotion", "Disable DRS vMotion", "Leaves machines on the host they run on."),
            ]
        },
    ),
    Success(id="all", rpc=USAGE, request={}, response={"usages": USAGES}),
    Success(id="of-a-policy", rpc=USAGE, request={"policies": [APART]}, response={"usages": USAGES[:1]}),
    Success(
        id="every-filter",
        rpc=USAGE,
        request={"tags": [WEB], "tag_types": [HOST_TAG], "policies": [APART, HOSTS]},
        response={"usages": USAGES[2:]},
    ),
    Success(id="deleted-tag", rpc=USAGE, request={}, setup=without_tag, response={"usages": USAGES[:1]}),
)


def refused(error: str, case: str, message: str, setup: Setup | None = None, **changes: Any) -> ErrorCase:
    """A policy that is not created."""
    spec = {name: value for name, value in {**TOGETHER, **changes}.items() if value is not None}
    return ErrorCase(rpc=CREATE, error=error, id=case, request={"spec": spec}, messages=(message,), setup=setup)


def full(simulator: Simulator) -> None:
    found = policies(simulator)
    template = found[APART]
    for number in range(98):
        found[str(number)] = ComputePolicy(str(number), f"p-{number}", "", template.capability, template.tags)


NOTHING: Json = {}

ERRORS = (
    refused("ALREADY_EXISTS", "", f"{MESSAGES}.already_exists", name="web-hosts"),
    refused("INVALID_ARGUMENT", "capability", f"{MESSAGES}.invalid_capability", capability="nonsense"),
    refused("INVALID_ARGUMENT", "no-capability", f"{MESSAGES}.invalid_capability", capability=None),
    refused("INVALID_ARGUMENT", "type", f"{MESSAGES}.wrong_type", None, **{"@class": "nonsense"}),
    refused("INVALID_ARGUMENT", "tag", f"{MESSAGES}.invalid_tag", vm_tag="nonsense"),
    refused("INVALID_ARGUMENT", "other-tag", f"{MESSAGES}.unknown_field", host_tag=WEB),
    refused("INVALID_ARGUMENT", "no-description", f"{MESSAGES}.missing_field", description=None),
    refused("INVALID_ARGUMENT", "no-name", f"{MESSAGES}.invalid_name", name=""),
    refused("INVALID_ARGUMENT", "manager", f"{MESSAGES}.invalid_manager", managed_by={"entity": "nobody"}),
    refused("UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.too_many", full),
    *(
        ErrorCase(
            rpc=rpc,
            error="NOT_FOUND",
            request={"policy": "none", **more},
            messages=("com.vmware.api.vcenter.compute_policy.not_found",),
        )
        for rpc, more in ((GET, NOTHING), (DELETE, NOTHING), (UPDATE, {"spec": {}}))
    ),
    ErrorCase(
        rpc=UPDATE,
        error="INVALID_ARGUMENT",
        request={"policy": APART, "spec": {"description": "d" * 1025}},
        messages=(f"{MESSAGES}.invalid_description",),
    ),
    ErrorCase(
        rpc=GET_CAPABILITY,
        error="NOT_FOUND",
        request={"capability": "none"},
        messages=("com.vmware.api.vcenter.compute_policy_capability.not_found",),
    ),
)
