// The cdrom example lists the virtual machines, adds a CD-ROM drive to one of them, connects it twice, and removes it.
//
// The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are $GATEWAY_USER and
// $GATEWAY_PASSWORD.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	hardwarev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
)

const vm = "vm-1001"

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	// [docs: connect]
	var options []vcentergateway.Option
	if user := os.Getenv("GATEWAY_USER"); user != "" {
		basic := vcentergateway.Basic(user, os.Getenv("GATEWAY_PASSWORD"))
		options = append(options, vcentergateway.WithCredentials(basic))
	}
	conn, err := vcentergateway.Connect(cmp.Or(os.Getenv("GATEWAY_TARGET"), "127.0.0.1:50051"), options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	// [docs: end]

	// [docs: list]
	machines, err := vcenterv1.NewVmServiceClient(conn).ListVms(ctx, &vcenterv1.ListVmsRequest{})
	if err != nil {
		return fmt.Errorf("listing the machines: %w", err)
	}
	for _, machine := range machines.GetVms() {
		fmt.Println(machine.GetVm(), machine.GetName(), machine.GetPowerState())
	}
	// [docs: end]
	return useCdrom(ctx, hardwarev1.NewCdromServiceClient(conn))
}

// useCdrom adds a drive and removes it again, whatever happens in between.
func useCdrom(ctx context.Context, cdroms hardwarev1.CdromServiceClient) (err error) {
	// [docs: create]
	created, err := cdroms.CreateCdrom(ctx, &hardwarev1.CreateCdromRequest{
		Vm: vm,
		Spec: &hardwarev1.CdromCreateSpec{
			Type: hardwarev1.CdromHostBusAdapterType_CDROM_HOST_BUS_ADAPTER_TYPE_SATA.Enum(),
			Backing: &hardwarev1.CdromBackingSpec{
				Type: hardwarev1.CdromBackingType_CDROM_BACKING_TYPE_CLIENT_DEVICE.Enum(),
			},
		},
	})
	if err != nil {
		return fmt.Errorf("adding a drive: %w", err)
	}
	cdrom := created.GetCdrom()
	// [docs: end]
	fmt.Println(cdrom, "is new")
	defer func() {
		_, removeErr := cdroms.DeleteCdrom(context.WithoutCancel(ctx), &hardwarev1.DeleteCdromRequest{Vm: vm, Cdrom: cdrom})
		if removeErr != nil {
			err = errors.Join(err, fmt.Errorf("removing the drive: %w", removeErr))
			return
		}
		fmt.Println(cdrom, "is removed")
	}()

	for range 2 {
		if err := connect(ctx, cdroms, cdrom); err != nil {
			return fmt.Errorf("connecting the drive: %w", err)
		}
	}
	_, err = cdroms.DisconnectCdrom(ctx, &hardwarev1.DisconnectCdromRequest{Vm: vm, Cdrom: cdrom})
	if err != nil {
		return fmt.Errorf("disconnecting the drive: %w", err)
	}
	return nil
}

// connect connects a drive, and succeeds if it is already connected.
func connect(ctx context.Context, cdroms hardwarev1.CdromServiceClient, cdrom string) error {
	// [docs: error]
	_, err := cdroms.ConnectCdrom(ctx, &hardwarev1.ConnectCdromRequest{Vm: vm, Cdrom: cdrom})
	var failed *vcentergateway.Error
	switch {
	case err == nil:
		fmt.Println(cdrom, "is connected")
		return nil
	case errors.As(err, &failed) && failed.Type == errorsv1.ErrorType_ERROR_TYPE_ALREADY_IN_DESIRED_STATE:
		fmt.Println(cdrom, "was already connected:", failed.Message)
		return nil
	default:
		return err
	}
	// [docs: end]
}
