"""Finds, by name, what a new machine is made from and where it can live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from vcenter.guest.v1.customization_specs_service_pb2 import ListCustomizationSpecsRequest
from vcenter.guest.v1.customization_specs_service_pb2_grpc import CustomizationSpecsServiceStub
from vcenter.v1 import network_service_pb2 as network_pb2
from vcenter.v1.cluster_service_pb2 import ListClustersRequest
from vcenter.v1.cluster_service_pb2_grpc import ClusterServiceStub
from vcenter.v1.datacenter_service_pb2 import ListDatacentersRequest
from vcenter.v1.datacenter_service_pb2_grpc import DatacenterServiceStub
from vcenter.v1.datastore_service_pb2 import ListDatastoresRequest
from vcenter.v1.datastore_service_pb2_grpc import DatastoreServiceStub
from vcenter.v1.folder_service_pb2 import ListFoldersRequest
from vcenter.v1.folder_service_pb2_grpc import FolderServiceStub
from vcenter.v1.network_service_pb2_grpc import NetworkServiceStub
from vcenter.v1.vm_service_pb2 import ListVmsRequest
from vcenter.v1.vm_service_pb2_grpc import VmServiceStub
from vcenter.vm.hardware.v1 import ethernet_service_pb2 as ethernet_pb2
from vcenter.vm_template.v1.library_items_service_pb2 import GetTemplateLibraryItemRequest
from vcenter.vm_template.v1.library_items_service_pb2_grpc import LibraryItemsServiceStub
from vcenter_gateway_client.cis.tagging.v1.category_service_pb2 import GetCategoryRequest, ListCategoriesRequest
from vcenter_gateway_client.cis.tagging.v1.category_service_pb2_grpc import CategoryServiceStub
from vcenter_gateway_client.cis.tagging.v1.tag_service_pb2 import GetTagRequest, ListTagsForCategoryRequest
from vcenter_gateway_client.cis.tagging.v1.tag_service_pb2_grpc import TagServiceStub
from vcenter_gateway_client.content.library.v1.item_service_pb2 import FindItemsRequest, ItemFindSpec
from vcenter_gateway_client.content.library.v1.item_service_pb2_grpc import ItemServiceStub
from waiting import Problem

__all__ = ["Place", "Template", "find_network", "find_place", "find_tag", "find_template", "require_free_names"]

T = TypeVar("T")

_GIB = 1 << 30
# A card names its network by the kind of network, which has the same names in another enum.
_BACKINGS = {
    network_pb2.NETWORK_TYPE_STANDARD_PORTGROUP: ethernet_pb2.ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP,
    network_pb2.NETWORK_TYPE_DISTRIBUTED_PORTGROUP: ethernet_pb2.ETHERNET_BACKING_TYPE_DISTRIBUTED_PORTGROUP,
    network_pb2.NETWORK_TYPE_OPAQUE_NETWORK: ethernet_pb2.ETHERNET_BACKING_TYPE_OPAQUE_NETWORK,
}


@dataclass(frozen=True)
class Template:
    """A template, with the bytes that its disks take up and the number of its network cards."""

    vm: str
    size: int
    cards: int


@dataclass(frozen=True)
class Place:
    """Identifiers of where a machine lives."""

    datacenter: str
    cluster: str
    folder: str
    datastore: str


def find_template(channel: grpc.Channel, name: str) -> Template:
    """The virtual machine template of that name in a content library.

    No list of machines contains templates. The library item leads to it.
    """
    spec = ItemFindSpec(name=name, type="vm-template")
    item = _only(ItemServiceStub(channel).FindItems(FindItemsRequest(spec=spec)).items, f"template {name}")
    request = GetTemplateLibraryItemRequest(template_library_item=item)
    info = LibraryItemsServiceStub(channel).GetTemplateLibraryItem(request).library_item
    return Template(info.vm_template, sum(disk.capacity for disk in info.disks.values()), len(info.nics))


def find_place(channel: grpc.Channel, datacenter: str, cluster: str, folder: str, size: int) -> Place:
    """The cluster and the folder of these names in a datacenter, and a datastore with so many free bytes."""
    datacenters = DatacenterServiceStub(channel).ListDatacenters(ListDatacentersRequest(names=[datacenter])).datacenters
    inside = [_only(datacenters, f"datacenter {datacenter}").datacenter]
    clusters = ClusterServiceStub(channel).ListClusters(ListClustersRequest(names=[cluster], datacenters=inside))
    folders = FolderServiceStub(channel).ListFolders(
        ListFoldersRequest(names=[folder], type="VIRTUAL_MACHINE", datacenters=inside)
    )
    return Place(
        inside[0],
        _only(clusters.clusters, f"cluster {cluster}").cluster,
        _only(folders.folders, f"folder {folder}").folder,
        _emptiest_datastore(channel, inside[0], size),
    )


def _emptiest_datastore(channel: grpc.Channel, datacenter: str, size: int) -> str:
    """The datastore with the most free space, as long as that suffices.

    vCenter's REST API does not tell which hosts reach a datastore: a clone to one that the cluster does not reach fails
    with INVALID_ARGUMENT. NFS is left out, since it often holds images only.
    """
    request = ListDatastoresRequest(datacenters=[datacenter], types=["VMFS", "VSAN"])
    datastores = DatastoreServiceStub(channel).ListDatastores(request).datastores
    best = max(datastores, key=lambda datastore: datastore.free_space, default=None)
    if best is None or best.free_space < size:
        raise Problem(f"no datastore has {size / _GIB:.0f} GiB free")
    return best.datastore


def find_network(channel: grpc.Channel, datacenter: str, name: str) -> ethernet_pb2.EthernetBackingSpec:
    """The network of that name in a datacenter, as a network card names it."""
    request = network_pb2.ListNetworksRequest(names=[name], datacenters=[datacenter])
    network = _only(NetworkServiceStub(channel).ListNetworks(request).networks, f"network {name}")
    return ethernet_pb2.EthernetBackingSpec(type=_BACKINGS[network.type], network=network.network)


def find_tag(channel: grpc.Channel, category: str, name: str) -> str:
    """The identifier of the tag of that name in the category of that name.

    Lists of categories and tags have identifiers only, up to vCenter 8.0.
    """
    categories, tags = CategoryServiceStub(channel), TagServiceStub(channel)
    for identifier in categories.ListCategories(ListCategoriesRequest()).categories:
        if categories.GetCategory(GetCategoryRequest(category_id=identifier)).category.name != category:
            continue
        for tag in tags.ListTagsForCategory(ListTagsForCategoryRequest(category_id=identifier)).tags:
            if tags.GetTag(GetTagRequest(tag_id=tag)).tag.name == name:
                return tag
    raise Problem(f"there is no tag {name} in the category {category}")


def require_free_names(channel: grpc.Channel, folder: str, vm: str, spec: str) -> None:
    """Raises Problem when a machine in the folder or a customization spec has its name already.

    What the program makes can be told by its name then, should the answer to a call be lost.
    """
    if VmServiceStub(channel).ListVms(ListVmsRequest(names=[vm], folders=[folder])).vms:
        raise Problem(f"there is a machine {vm} already")
    specs = CustomizationSpecsServiceStub(channel)
    if specs.ListCustomizationSpecs(ListCustomizationSpecsRequest(names=[spec])).customization_specs:
        raise Problem(f"there is a customization spec {spec} already")


def _only(found: Sequence[T], what: str) -> T:
    if not found:
        raise Problem(f"there is no {what}")
    if len(found) > 1:
        raise Problem(f"there is more than one {what}")
    return found[0]
