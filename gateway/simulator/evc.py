"""EVC modes: the features of hosts, the features that several hosts share, and what a valid mode is.

A mode is a list of masks, one for each feature that it exposes; everything else is hidden.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.simulator import errors

__all__ = ["PEERS", "Peer", "common_mode", "partition", "require_valid"]

EvcMode = Mapping[str, Any]

# The features that each CPU generation adds to the one before.
_GENERATIONS = (
    ("intel-broadwell", ("cpuid.AES", "cpuid.AVX", "cpuid.AVX2", "cpuid.RDRAND", "cpuid.RDSEED")),
    ("intel-skylake", ("cpuid.AVX512F", "cpuid.CLWB", "cpuid.XSAVES")),
    ("intel-cascadelake", ("cpuid.AVX512VNNI",)),
    ("intel-icelake", ("cpuid.AVX512VBMI", "cpuid.SHA", "cpuid.VAES")),
    ("intel-sapphirerapids", ("cpuid.AMX_TILE", "cpuid.AVX512FP16")),
)
_GRAPHICS = ("graphics.dx10", "graphics.gl41")
# The generations of the hosts by position; hosts that were added later have the second oldest.
_HOSTS = {"host-10": 1, "host-13": 3, "host-28": 2, "host-29": 4}
_LATER = 1

_VALUE = re.compile(r"(Val|Min|Max):\d+|(Val|Min|Max):0x[0-9a-fA-F]+|Mask:[01xX]+")
_NAMESPACE = uuid.UUID("8a0b2b5c-6a53-4a8e-9a51-0c2d7b2f6c11")


class Peer:
    """Another vCenter that EVC modes can be computed with."""

    def __init__(self, thumbprint: str, hosts: Mapping[str, int], clusters: Mapping[str, tuple[str, ...]]) -> None:
        self.thumbprint = thumbprint
        self.hosts = hosts
        self.clusters = clusters


PEERS = {
    "https://vcenter2.vsphere.local": Peer(
        "4B:9C:21:5E:0D:77:A3:F8:12:6E:90:CB:54:3F:E1:8A:D2:06:7B:49",
        {"host-1010": 0, "host-1011": 2},
        {"domain-c1008": ("host-1010", "host-1011")},
    )
}
"""By URL; no vCenter responds at other URLs."""


def common_mode(hosts: Iterable[str], generations: Iterable[int] = ()) -> dict[str, Any]:
    """The mode that all hosts can offer; `generations` are those of hosts in other vCenters."""
    oldest = min([_HOSTS.get(host, _LATER) for host in hosts] + list(generations))
    features = [feature for _, added in _GENERATIONS[: oldest + 1] for feature in added] + list(_GRAPHICS)
    key = uuid.uuid5(_NAMESPACE, _GENERATIONS[oldest][0])
    return {"key": f"custom-{key}", "masks": [_mask(feature) for feature in features]}


def require_valid(mode: EvcMode) -> None:
    """INVALID_ARGUMENT for a mode that machines cannot have."""
    if not mode["key"] or not mode["masks"]:
        raise _invalid("empty", "An EVC mode needs a key and masks.")
    for mask in mode["masks"]:
        if not mask["key"] or _VALUE.fullmatch(mask["value"]) is None:
            raise _invalid("mask", "The mask '{0}' of the EVC mode '{1}' is not valid.", mask["key"], mode["key"])


def partition(mode: EvcMode) -> dict[str, Any]:
    """The parts of a mode. ERROR for a mask of neither kind, and for an empty mode."""
    parts: dict[str, list[Any]] = {"cpu": [], "graphics": []}
    for mask in mode["masks"]:
        kind = {"cpuid": "cpu", "misc": "cpu", "graphics": "graphics"}.get(mask["name"].partition(".")[0])
        if kind is None:
            raise _cannot_split(mode)
        parts[kind].append(mask)
    if not any(parts.values()):
        raise _cannot_split(mode)
    return {
        f"{kind}_evc_mode": {"key": f"{mode['key']}-{kind}", "masks": masks} for kind, masks in parts.items() if masks
    }


def _mask(feature: str) -> dict[str, str]:
    return {"key": feature, "name": feature, "value": "Val:1"}


def _cannot_split(mode: EvcMode) -> errors.VapiError:
    return errors.error(
        "com.vmware.api.vcenter.evc_modes.cannot_partition", "The EVC mode '{0}' cannot be split.", mode["key"]
    )


def _invalid(reason: str, text: str, *args: str) -> errors.VapiError:
    return errors.invalid_argument(f"com.vmware.api.vcenter.evc_mode.invalid_{reason}", text, *args)
