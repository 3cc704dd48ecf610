package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	taggingv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/cis/tagging/v1"
	cisv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/cis/v1"
	dynamicv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/dynamic/v1"
	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	specsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/guest/v1"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	hardwarev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
	vmv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/v1"
	"google.golang.org/protobuf/proto"
)

// storeSpec stores a customization spec for Linux: the machine's name as the host name, DHCP on each card. Its name has
// to be free. When it fails, no spec is left.
func (c *client) storeSpec(ctx context.Context, name string, cards int) error {
	spec := &specsv1.CustomizationSpec{
		ConfigurationSpec: &specsv1.ConfigurationSpec{LinuxConfig: &specsv1.LinuxConfiguration{
			Hostname: &specsv1.HostnameGenerator{
				Type: specsv1.HostnameGeneratorType_HOSTNAME_GENERATOR_TYPE_VIRTUAL_MACHINE.Enum(),
			},
			Domain: proto.String("example.com"),
		}},
		GlobalDnsSettings: &specsv1.GlobalDnsSettings{},
	}
	for range cards {
		dhcp := &specsv1.Ipv4{Type: specsv1.Ipv4Type_IPV4_TYPE_DHCP.Enum()}
		spec.Interfaces = append(spec.Interfaces, &specsv1.AdapterMapping{Adapter: &specsv1.IpSettings{Ipv4: dhcp}})
	}
	_, err := specsv1.NewCustomizationSpecsServiceClient(c.conn).CreateCustomizationSpec(ctx,
		&specsv1.CreateCustomizationSpecRequest{Spec: &specsv1.CustomizationSpecsCreateSpec{
			Name: &name, Description: proto.String("Of the example provision"), Spec: spec,
		}})
	if mayHaveExecuted(err) {
		err = errors.Join(err, c.removeSpec(context.WithoutCancel(ctx), name))
	}
	return err
}

// removeSpec deletes a customization spec, if it is there.
func (c *client) removeSpec(ctx context.Context, name string) error {
	specs := specsv1.NewCustomizationSpecsServiceClient(c.conn)
	err := insist(ctx, c, specs.DeleteCustomizationSpec, &specsv1.DeleteCustomizationSpecRequest{Name: name})
	if err := accept(err, errorsv1.ErrorType_ERROR_TYPE_NOT_FOUND); err != nil {
		return fmt.Errorf("the customization spec %s is left behind: %w", name, err)
	}
	return nil
}

// clone makes a clone, whose name has to be free in its folder. When it fails, no machine is left.
func (c *client) clone(ctx context.Context, spec *vcenterv1.VmCloneSpec) (string, error) {
	started, err := vcenterv1.NewVmServiceClient(c.conn).CloneVmTask(ctx, &vcenterv1.CloneVmTaskRequest{Spec: spec})
	if mayHaveExecuted(err) {
		return "", errors.Join(err, c.removeLostClone(context.WithoutCancel(ctx), spec))
	}
	if err != nil {
		return "", err
	}
	vm, err := c.followTask(ctx, started.GetTask())
	if err != nil { // It failed, the program is interrupted, or does not want to wait any longer.
		return "", errors.Join(err, c.abandon(context.WithoutCancel(ctx), started.GetTask()))
	}
	return vm, nil
}

// followTask waits for a task, shows its progress, and returns its result.
func (c *client) followTask(ctx context.Context, task string) (string, error) {
	info, err := c.endOfTask(ctx, task, func(progress *cisv1.TaskProgress) {
		fmt.Printf("  %d of %d\n", progress.GetCompleted(), progress.GetTotal())
	})
	if err != nil {
		return "", err
	}
	if info.GetStatus() == cisv1.TaskStatus_TASK_STATUS_SUCCEEDED {
		return info.GetResult().GetStringValue(), nil
	}
	// The error of a task is JSON text: a type and messages, as errors of calls have them.
	var failed struct {
		Type     string `json:"error_type"`
		Messages []struct {
			Text string `json:"default_message"`
		} `json:"messages"`
	}
	if err := json.Unmarshal([]byte(info.GetError()), &failed); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, message := range failed.Messages {
		text.WriteString(" " + message.Text)
	}
	return "", fmt.Errorf("the task failed: %s:%s", failed.Type, text.String())
}

// [docs: task]

func (c *client) endOfTask(
	ctx context.Context, task string, show func(*cisv1.TaskProgress),
) (*cisv1.TaskInfo, error) {
	tasks := cisv1.NewTaskServiceClient(c.conn)
	return until(ctx, c, "the task", func() (*cisv1.TaskInfo, bool, error) {
		response, err := tasks.GetTask(ctx, &cisv1.GetTaskRequest{Task: task})
		info := response.GetTask()
		if show != nil && info.GetProgress() != nil {
			show(info.GetProgress())
		}
		switch info.GetStatus() {
		case cisv1.TaskStatus_TASK_STATUS_SUCCEEDED, cisv1.TaskStatus_TASK_STATUS_FAILED:
			return info, true, err
		default:
			return info, false, err
		}
	})
}

// [docs: end]

// abandon cancels the task, and removes the machine if it was too late for that.
func (c *client) abandon(ctx context.Context, task string) error {
	err := insist(ctx, c, cisv1.NewTaskServiceClient(c.conn).CancelTask, &cisv1.CancelTaskRequest{Task: task})
	err = accept(err,
		errorsv1.ErrorType_ERROR_TYPE_NOT_ALLOWED_IN_CURRENT_STATE, errorsv1.ErrorType_ERROR_TYPE_UNSUPPORTED)
	var info *cisv1.TaskInfo
	if err == nil {
		info, err = c.endOfTask(ctx, task, nil)
	}
	if err != nil {
		return fmt.Errorf("the task %s is left behind: %w", task, err)
	}
	if info.GetStatus() == cisv1.TaskStatus_TASK_STATUS_SUCCEEDED {
		return c.remove(ctx, info.GetResult().GetStringValue())
	}
	return nil
}

// removeLostClone finds out whether vCenter has begun a clone whose task it could not tell, and removes what comes of it.
func (c *client) removeLostClone(ctx context.Context, spec *vcenterv1.VmCloneSpec) error {
	started, err := cisv1.NewTaskServiceClient(c.conn).ListTasks(ctx, &cisv1.ListTasksRequest{
		FilterSpec: &cisv1.TaskFilterSpec{
			Services: []string{"com.vmware.vcenter.VM"}, Operations: []string{"clone$task"},
		},
	})
	if err != nil {
		return err
	}
	for task := range started.GetTasks() {
		info, err := c.endOfTask(ctx, task, nil)
		if err != nil {
			return err
		}
		if info.GetStatus() != cisv1.TaskStatus_TASK_STATUS_SUCCEEDED {
			continue
		}
		ours, err := vcenterv1.NewVmServiceClient(c.conn).ListVms(ctx, &vcenterv1.ListVmsRequest{
			Vms:     []string{info.GetResult().GetStringValue()},
			Names:   []string{spec.GetName()},
			Folders: []string{spec.GetPlacement().GetFolder()},
		})
		if err != nil {
			return err
		}
		for _, machine := range ours.GetVms() {
			if err := c.remove(ctx, machine.GetVm()); err != nil {
				return err
			}
		}
	}
	return nil
}

// attachTag attaches a tag to the machine. Tags go when the machine goes.
func (c *client) attachTag(ctx context.Context, vm, tag string) error {
	_, err := taggingv1.NewTagAssociationServiceClient(c.conn).AttachTag(ctx, &taggingv1.AttachTagRequest{
		TagId: tag, ObjectId: &dynamicv1.DynamicId{Type: proto.String("VirtualMachine"), Id: &vm},
	})
	return err
}

// [docs: hardware]

// addDisk adds an empty disk of so many bytes, and returns its identifier.
func (c *client) addDisk(ctx context.Context, vm string, capacity int64) (string, error) {
	spec := &hardwarev1.DiskCreateSpec{NewVmdk: &hardwarev1.DiskVmdkCreateSpec{Capacity: &capacity}}
	disks := hardwarev1.NewDiskServiceClient(c.conn)
	response, err := whileBusy(ctx, c, disks.CreateDisk, &hardwarev1.CreateDiskRequest{Vm: vm, Spec: spec})
	return response.GetDisk(), err
}

// addCard adds a card on that network, connected from the next power-on, and returns its identifier.
func (c *client) addCard(ctx context.Context, vm string, network *hardwarev1.EthernetBackingSpec) (string, error) {
	spec := &hardwarev1.EthernetCreateSpec{Backing: network, StartConnected: proto.Bool(true)}
	cards := hardwarev1.NewEthernetServiceClient(c.conn)
	response, err := whileBusy(ctx, c, cards.CreateEthernet, &hardwarev1.CreateEthernetRequest{Vm: vm, Spec: spec})
	return response.GetNic(), err
}

// powerOn powers the machine on.
func (c *client) powerOn(ctx context.Context, vm string) error {
	_, err := whileBusy(ctx, c, vmv1.NewPowerServiceClient(c.conn).StartVm, &vmv1.StartVmRequest{Vm: vm})
	return err
}

// [docs: end]

// remove powers a machine off and deletes it with its disks.
func (c *client) remove(ctx context.Context, vm string) error {
	const gone = errorsv1.ErrorType_ERROR_TYPE_NOT_FOUND
	err := insist(ctx, c, vmv1.NewPowerServiceClient(c.conn).StopVm, &vmv1.StopVmRequest{Vm: vm})
	err = accept(err, errorsv1.ErrorType_ERROR_TYPE_ALREADY_IN_DESIRED_STATE, gone)
	if err == nil {
		err = insist(ctx, c, vcenterv1.NewVmServiceClient(c.conn).DeleteVm, &vcenterv1.DeleteVmRequest{Vm: vm})
		err = accept(err, gone)
	}
	if err != nil {
		return fmt.Errorf("the machine %s is left behind: %w", vm, err)
	}
	fmt.Println("removed", vm)
	return nil
}
