package main

import (
	"context"
	"fmt"

	taggingv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/cis/tagging/v1"
	libraryv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/content/library/v1"
	specsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/guest/v1"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	hardwarev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
	templatev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm_template/v1"
	"google.golang.org/protobuf/proto"
)

// template is a template, with the bytes that its disks take up and the number of its network cards.
type template struct {
	vm    string
	size  int64
	cards int
}

// place has the identifiers of where a machine lives.
type place struct {
	datacenter, cluster, folder, datastore string
}

// findTemplate finds the virtual machine template of that name in a content library. No list of machines contains
// templates. The library item leads to it.
func (c *client) findTemplate(ctx context.Context, name string) (*template, error) {
	found, err := libraryv1.NewItemServiceClient(c.conn).FindItems(ctx, &libraryv1.FindItemsRequest{
		Spec: &libraryv1.ItemFindSpec{Name: &name, Type: proto.String("vm-template")},
	})
	if err != nil {
		return nil, err
	}
	item, err := only(found.GetItems(), "template "+name)
	if err != nil {
		return nil, err
	}
	response, err := templatev1.NewLibraryItemsServiceClient(c.conn).GetTemplateLibraryItem(ctx,
		&templatev1.GetTemplateLibraryItemRequest{TemplateLibraryItem: item})
	if err != nil {
		return nil, err
	}
	info := response.GetLibraryItem()
	result := &template{vm: info.GetVmTemplate(), cards: len(info.GetNics())}
	for _, disk := range info.GetDisks() {
		result.size += disk.GetCapacity()
	}
	return result, nil
}

// findPlace finds the cluster and the folder of these names in a datacenter, and a datastore with so many free bytes.
func (c *client) findPlace(ctx context.Context, datacenter, cluster, folder string, size int64) (*place, error) {
	datacenters, err := vcenterv1.NewDatacenterServiceClient(c.conn).ListDatacenters(ctx,
		&vcenterv1.ListDatacentersRequest{Names: []string{datacenter}})
	if err != nil {
		return nil, err
	}
	inside, err := only(datacenters.GetDatacenters(), "datacenter "+datacenter)
	if err != nil {
		return nil, err
	}
	within := []string{inside.GetDatacenter()}
	clusters, err := vcenterv1.NewClusterServiceClient(c.conn).ListClusters(ctx,
		&vcenterv1.ListClustersRequest{Names: []string{cluster}, Datacenters: within})
	if err != nil {
		return nil, err
	}
	foundCluster, err := only(clusters.GetClusters(), "cluster "+cluster)
	if err != nil {
		return nil, err
	}
	folders, err := vcenterv1.NewFolderServiceClient(c.conn).ListFolders(ctx, &vcenterv1.ListFoldersRequest{
		Names: []string{folder}, Type: proto.String("VIRTUAL_MACHINE"), Datacenters: within,
	})
	if err != nil {
		return nil, err
	}
	foundFolder, err := only(folders.GetFolders(), "folder "+folder)
	if err != nil {
		return nil, err
	}
	datastore, err := c.emptiestDatastore(ctx, inside.GetDatacenter(), size)
	if err != nil {
		return nil, err
	}
	return &place{inside.GetDatacenter(), foundCluster.GetCluster(), foundFolder.GetFolder(), datastore}, nil
}

// emptiestDatastore finds the datastore with the most free space, as long as that suffices.
//
// vCenter's REST API does not tell which hosts reach a datastore: a clone to one that the cluster does not reach fails
// with INVALID_ARGUMENT. NFS is left out, since it often holds images only.
func (c *client) emptiestDatastore(ctx context.Context, datacenter string, size int64) (string, error) {
	response, err := vcenterv1.NewDatastoreServiceClient(c.conn).ListDatastores(ctx, &vcenterv1.ListDatastoresRequest{
		Datacenters: []string{datacenter}, Types: []string{"VMFS", "VSAN"},
	})
	if err != nil {
		return "", err
	}
	var best *vcenterv1.DatastoreSummary
	for _, datastore := range response.GetDatastores() {
		if best == nil || datastore.GetFreeSpace() > best.GetFreeSpace() {
			best = datastore
		}
	}
	if best == nil || best.GetFreeSpace() < size {
		return "", fmt.Errorf("no datastore has %d GiB free", size/gib)
	}
	return best.GetDatastore(), nil
}

// backings has the kinds of networks as a card names them: the same names in another enum.
var backings = map[vcenterv1.NetworkType]hardwarev1.EthernetBackingType{
	vcenterv1.NetworkType_NETWORK_TYPE_STANDARD_PORTGROUP:    hardwarev1.EthernetBackingType_ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP,
	vcenterv1.NetworkType_NETWORK_TYPE_DISTRIBUTED_PORTGROUP: hardwarev1.EthernetBackingType_ETHERNET_BACKING_TYPE_DISTRIBUTED_PORTGROUP,
	vcenterv1.NetworkType_NETWORK_TYPE_OPAQUE_NETWORK:        hardwarev1.EthernetBackingType_ETHERNET_BACKING_TYPE_OPAQUE_NETWORK,
}

// findNetwork finds the network of that name in a datacenter, as a network card names it.
func (c *client) findNetwork(ctx context.Context, datacenter, name string) (*hardwarev1.EthernetBackingSpec, error) {
	response, err := vcenterv1.NewNetworkServiceClient(c.conn).ListNetworks(ctx, &vcenterv1.ListNetworksRequest{
		Names: []string{name}, Datacenters: []string{datacenter},
	})
	if err != nil {
		return nil, err
	}
	network, err := only(response.GetNetworks(), "network "+name)
	if err != nil {
		return nil, err
	}
	return &hardwarev1.EthernetBackingSpec{
		Type:    backings[network.GetType()].Enum(),
		Network: network.Network,
	}, nil
}

// findTag finds the tag of that name in the category of that name. Lists of categories and tags have identifiers only,
// up to vCenter 8.0.
func (c *client) findTag(ctx context.Context, category, name string) (string, error) {
	categories, tags := taggingv1.NewCategoryServiceClient(c.conn), taggingv1.NewTagServiceClient(c.conn)
	all, err := categories.ListCategories(ctx, &taggingv1.ListCategoriesRequest{})
	if err != nil {
		return "", err
	}
	for _, id := range all.GetCategories() {
		found, err := categories.GetCategory(ctx, &taggingv1.GetCategoryRequest{CategoryId: id})
		if err != nil {
			return "", err
		}
		if found.GetCategory().GetName() != category {
			continue
		}
		inside, err := tags.ListTagsForCategory(ctx, &taggingv1.ListTagsForCategoryRequest{CategoryId: &id})
		if err != nil {
			return "", err
		}
		for _, tag := range inside.GetTags() {
			found, err := tags.GetTag(ctx, &taggingv1.GetTagRequest{TagId: tag})
			if err != nil {
				return "", err
			}
			if found.GetTag().GetName() == name {
				return tag, nil
			}
		}
	}
	return "", fmt.Errorf("there is no tag %s in the category %s", name, category)
}

// requireFreeNames fails when a machine in the folder or a customization spec has its name already. What the program
// makes can be told by its name then, should the answer to a call be lost.
func (c *client) requireFreeNames(ctx context.Context, folder, vm, spec string) error {
	machines, err := vcenterv1.NewVmServiceClient(c.conn).ListVms(ctx, &vcenterv1.ListVmsRequest{
		Names: []string{vm}, Folders: []string{folder},
	})
	if err != nil {
		return err
	}
	if len(machines.GetVms()) > 0 {
		return fmt.Errorf("there is a machine %s already", vm)
	}
	specs, err := specsv1.NewCustomizationSpecsServiceClient(c.conn).ListCustomizationSpecs(ctx,
		&specsv1.ListCustomizationSpecsRequest{Names: []string{spec}})
	if err != nil {
		return err
	}
	if len(specs.GetCustomizationSpecs()) > 0 {
		return fmt.Errorf("there is a customization spec %s already", spec)
	}
	return nil
}

func only[T any](found []T, what string) (T, error) {
	var none T
	switch len(found) {
	case 0:
		return none, fmt.Errorf("there is no %s", what)
	case 1:
		return found[0], nil
	default:
		return none, fmt.Errorf("there is more than one %s", what)
	}
}
