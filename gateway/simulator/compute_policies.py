"""Compute policies: how tagged machines are placed on tagged hosts, and which kinds of such policies exist.

A kind is a capability. Every capability has its own structure for policies; in JSON, the field `capability` identifies
it.
"""

import uuid
from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gateway.simulator import errors
from gateway.simulator.catalogue import load
from gateway.simulator.tagging import Tagging

__all__ = ["CAPABILITIES", "Capability", "ComputePolicies", "ComputePolicy"]

_PACKAGE = "com.vmware.vcenter.compute.policies.capabilities"
_MESSAGES = "com.vmware.api.vcenter.compute.policies"
_NAMESPACE = uuid.UUID("0c4d7e1a-6b57-4a53-8f0e-5d1b6c2a9e44")
_MOST = 100
_LONGEST_DESCRIPTION = 1024
_CLASS = "@class"


@dataclass(frozen=True, slots=True)
class Capability:
    """A kind of policy; `tags` are the fields that name its tags."""

    capability: str
    name: str
    description: str
    tags: tuple[str, ...] = ("vm_tag",)

    @property
    def create_spec_type(self) -> str:
        """The structure for creating such a policy."""
        return f"{self.capability}.create_spec"

    @property
    def info_type(self) -> str:
        """The structure that describes such a policy."""
        return f"{self.capability}.info"


CAPABILITIES = {
    item.capability: item
    for item in (
        Capability(
            f"{_PACKAGE}.vm_host_affinity", "VM-Host affinity", "Keeps machines on hosts.", ("vm_tag", "host_tag")
        ),
        Capability(
            f"{_PACKAGE}.vm_host_anti_affinity",
            "VM-Host anti-affinity",
            "Keeps machines off hosts.",
            ("vm_tag", "host_tag"),
        ),
        Capability(f"{_PACKAGE}.vm_vm_affinity", "VM-VM affinity", "Keeps machines together on one host."),
        Capability(f"{_PACKAGE}.vm_vm_anti_affinity", "VM-VM anti-affinity", "Keeps machines apart from each other."),
        Capability(
            f"{_PACKAGE}.disable_drs_vmotion", "Disable DRS vMotion", "Leaves machines on the host they run on."
        ),
    )
}
"""By identifier."""

_SELECTORS = {"vm_selector": "vm_tag", "host_selector": "host_tag"}


@dataclass(slots=True)
class ComputePolicy:
    """A policy, with the tags by the fields that name them."""

    policy: str
    name: str
    description: str
    capability: Capability
    tags: dict[str, str]
    managed_by: str | None = None
    created_tags: set[str] = field(default_factory=set)
    """The tags that were created along with the policy."""

    def to_json(self) -> dict[str, Any]:
        """The policy in the structure of its capability."""
        info = {"capability": self.capability.capability, "name": self.name, "description": self.description}
        return info | self.tags | ({"managed_by": {"entity": self.managed_by}} if self.managed_by else {})


class ComputePolicies(UserDict[str, ComputePolicy]):
    """All policies by identifier."""

    def __init__(self, tagging: Tagging) -> None:
        super().__init__()
        self._tagging = tagging
        self._numbers = count(1)
        production = tagging.tag_by_name("Environment", "production").tag
        web = tagging.tag_by_name("Role", "web").tag
        self._add(
            ComputePolicy(
                "7a1c1cb9-1b8a-4f2c-8f35-62a1c3f8a0d1",
                "production-apart",
                "Machines in production run on different hosts",
                CAPABILITIES[f"{_PACKAGE}.vm_vm_anti_affinity"],
                {"vm_tag": production},
            )
        )
        self._add(
            ComputePolicy(
                "c3f7d9a4-5c0e-4c57-9b5e-2f90b1d7e6a2",
                "web-hosts",
                "Web servers run on the hosts for the web",
                CAPABILITIES[f"{_PACKAGE}.vm_host_affinity"],
                {"vm_tag": web, "host_tag": web},
            )
        )

    def create(self, spec: Any) -> ComputePolicy:
        """Creates a policy from the structure of its capability.

        INVALID_ARGUMENT for a structure that no capability has, ALREADY_EXISTS for a name that is taken,
        UNABLE_TO_ALLOCATE_RESOURCE for more than 100 policies.
        """
        capability = _capability(spec)
        for name in capability.tags:
            if not isinstance(spec.get(name), str) or spec[name] not in self._tagging.tags:
                raise _invalid("invalid_tag", "The field {0} does not name a tag that exists.", name)
        managed_by = spec.get("managed_by")
        require_valid(spec, managed_by)
        unknown = spec.keys() - {"capability", "name", "description", "managed_by", _CLASS, *capability.tags}
        for name in sorted(unknown):
            raise _invalid("unknown_field", "The structure of the policy has no field {0}.", name)
        if any(item.name == spec["name"] for item in self.data.values()):
            raise errors.of_type(
                "ALREADY_EXISTS",
                f"{_MESSAGES}.already_exists",
                "A compute policy with the name '{0}' already exists.",
                spec["name"],
            )
        if len(self.data) >= _MOST:
            raise errors.unable_to_allocate(
                f"{_MESSAGES}.too_many", "There cannot be more than {0} compute policies.", str(_MOST)
            )
        policy = ComputePolicy(
            str(uuid.uuid5(_NAMESPACE, str(next(self._numbers)))),
            spec["name"],
            spec["description"],
            capability,
            {name: spec[name] for name in capability.tags},
            managed_by["entity"] if managed_by else None,
        )
        self._add(policy)
        return policy

    def create_with_tags(self, spec: Any) -> ComputePolicy:
        """Creates a policy from a structure that may name tags by category and name; missing tags are created."""
        created: set[str] = set()
        if isinstance(spec, dict):
            spec = {
                _SELECTORS.get(name, name): self._selected(value, created) if name in _SELECTORS else value
                for name, value in spec.items()
            }
        try:
            policy = self.create(spec)
        except errors.VapiError:
            self._delete_tags(created)
            raise
        policy.created_tags = created
        return policy

    def delete_with_tags(self, identifier: str) -> None:
        """Deletes a policy, and the tags created along with policies that no other policy uses. NOT_FOUND if it does
        not exist."""
        created = self.pop_existing(identifier).created_tags
        used = {tag for policy in self.data.values() for tag in policy.tags.values()}
        left = created & used
        for policy in self.data.values():
            policy.created_tags |= left & set(policy.tags.values())
        self._delete_tags(created - used)

    def pop_existing(self, identifier: str) -> ComputePolicy:
        """Deletes a policy and returns it. NOT_FOUND if it does not exist."""
        policy = self.existing(identifier)
        del self.data[identifier]
        return policy

    def existing(self, identifier: str) -> ComputePolicy:
        """The policy; NOT_FOUND if it does not exist."""
        if identifier not in self.data:
            raise errors.not_found("compute_policy", identifier)
        return self.data[identifier]

    def is_about(self, policy: ComputePolicy, vm: str) -> bool:
        """Whether the machine has the policy's tag."""
        tag = self._tagging.tags.get(policy.tags["vm_tag"])
        return tag is not None and ("VirtualMachine", vm) in tag.objects

    def _add(self, policy: ComputePolicy) -> None:
        self.data[policy.policy] = policy

    def _selected(self, selector: Any, created: set[str]) -> str | None:
        """The tag of a selector; creates it if the selector names it by category and name and it does not exist."""
        tag = selector.get("tag") if isinstance(selector, dict) else None
        by_name = tag.get("tag_name_spec") if isinstance(tag, dict) else None
        if not isinstance(by_name, dict):
            identifier: str | None = tag.get("tag_id") if isinstance(tag, dict) else None
            return identifier
        category_name, tag_name = by_name.get("category_name"), by_name.get("tag_name")
        if not isinstance(category_name, str) or not isinstance(tag_name, str):
            return None
        category = next((item for item in self._tagging.categories.values() if item.name == category_name), None)
        category = category or self._tagging.create_category(category_name, "", "MULTIPLE", [])
        if tag_name in category.tags:
            return category.tags[tag_name]
        made = self._tagging.create_tag(category, tag_name, "").tag
        created.add(made)
        return made

    def _delete_tags(self, tags: set[str]) -> None:
        for tag in sorted(tags & self._tagging.tags.keys()):
            self._tagging.delete_tag(self._tagging.tags[tag])


def require_valid(spec: Mapping[str, Any], managed_by: Any) -> None:
    """INVALID_ARGUMENT for a description or a manager that policies cannot have."""
    description = spec.get("description")
    if description is not None and len(description) > _LONGEST_DESCRIPTION:
        raise _invalid(
            "invalid_description", "The description must not have more than {0} characters.", str(_LONGEST_DESCRIPTION)
        )
    if managed_by is not None:
        entities = load().enumerations["VcenterComputePoliciesManagedByEntity"].values
        if not isinstance(managed_by, dict) or managed_by.get("entity") not in entities:
            raise _invalid("invalid_manager", "The field managed_by does not name an entity that manages policies.")


def _capability(spec: Any) -> Capability:
    identifier = spec.get("capability") if isinstance(spec, dict) else None
    capability = CAPABILITIES.get(identifier) if isinstance(identifier, str) else None
    if capability is None:
        raise _invalid("invalid_capability", "The field capability does not name a capability that exists.")
    if spec.get(_CLASS) not in (None, capability.create_spec_type):
        raise _invalid("wrong_type", "The structure is not of the type {0}.", capability.create_spec_type)
    for name in ("name", "description"):
        if not isinstance(spec.get(name), str):
            raise _invalid("missing_field", "The field {0} is missing.", name)
    if not spec["name"]:
        raise _invalid("invalid_name", "The name of a policy must not be empty.")
    return capability


def _invalid(reason: str, text: str, *args: str) -> errors.VapiError:
    return errors.invalid_argument(f"{_MESSAGES}.{reason}", text, *args)
