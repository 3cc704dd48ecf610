package vcentergateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	hardwarev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
	vmv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/v1"
)

const (
	root   = "../.."
	python = ".venv/bin/python"
)

// gatewayTarget is where a gateway with the simulated vCenter listens, empty outside a checkout of the gateway.
var gatewayTarget string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if _, err := os.Stat(root + "/" + python); err == nil {
			stop, err := startGateway()
			if err != nil {
				fmt.Fprintln(os.Stderr, "the gateway did not start:", err)
				return 1
			}
			defer stop()
		}
		return m.Run()
	}())
}

func startGateway() (stop func(), err error) {
	gateway := exec.Command(python, "-m", "gateway", "serve", "--simulator", "--listen", "127.0.0.1:0")
	gateway.Dir = root
	gateway.Env = append(os.Environ(), "GATEWAY_LOG_LEVEL=warning")
	gateway.Stderr = os.Stderr
	output, err := gateway.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := gateway.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = gateway.Process.Signal(os.Interrupt)
		_ = gateway.Wait()
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	found := regexp.MustCompile(` on (\S+:\d+)`).FindStringSubmatch(line)
	if found == nil {
		stop()
		return nil, fmt.Errorf("it said %q: %w", line, err)
	}
	gatewayTarget = found[1]
	return stop, nil
}

// A real gateway answers reads, takes writes, and its errors are read in full.
func TestGateway(t *testing.T) {
	if gatewayTarget == "" {
		t.Skip("there is no gateway beside this module")
	}
	ctx := t.Context()
	conn := connect(t, gatewayTarget,
		vcentergateway.WithCredentials(vcentergateway.Basic("administrator@vsphere.local", "VMware1!")))

	vms, err := vcenterv1.NewVmServiceClient(conn).ListVms(ctx, &vcenterv1.ListVmsRequest{
		PowerStates: []string{"POWERED_ON"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(vms.GetVms()) == 0 || vms.GetVms()[0].GetPowerState() != vmv1.PowerState_POWER_STATE_POWERED_ON {
		t.Errorf("the machines are %v", vms)
	}

	cdroms := hardwarev1.NewCdromServiceClient(conn)
	_, err = cdroms.UpdateCdrom(ctx, &hardwarev1.UpdateCdromRequest{
		Vm: "vm-1001", Cdrom: "16000", Spec: &hardwarev1.CdromUpdateSpec{StartConnected: proto.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cdroms.GetCdrom(ctx, &hardwarev1.GetCdromRequest{Vm: "vm-1001", Cdrom: "16000"})
	if err != nil || !got.GetCdrom().GetStartConnected() {
		t.Errorf("after the write the drive is %v, %v", got, err)
	}

	_, err = cdroms.GetCdrom(ctx, &hardwarev1.GetCdromRequest{Vm: "vm-none", Cdrom: "16000"})
	var e *vcentergateway.Error
	if !errors.As(err, &e) || e.Code != codes.NotFound || e.Reason != "NOT_FOUND" ||
		e.Type != errorsv1.ErrorType_ERROR_TYPE_NOT_FOUND {
		t.Fatalf("a machine that does not exist gives %v", err)
	}
	if len(e.Messages) == 0 || e.Messages[0].GetId() == "" || e.RequestID == "" || e.MayHaveExecuted {
		t.Errorf("the error is %#v", e)
	}

	_, err = cdroms.GetCdrom(ctx, &hardwarev1.GetCdromRequest{Cdrom: "16000"})
	if !errors.As(err, &e) || e.Reason != "REQUEST_INVALID" ||
		len(e.Violations) != 1 || e.Violations[0].GetField() != "vm" {
		t.Errorf("a request without a machine gives %v", err)
	}
}

// A password that vCenter refuses is an error that names the reason and not the password.
func TestGatewayRefusesPassword(t *testing.T) {
	if gatewayTarget == "" {
		t.Skip("there is no gateway beside this module")
	}
	conn := connect(t, gatewayTarget, vcentergateway.WithCredentials(vcentergateway.Basic("nobody@vsphere.local", secret)))
	e := vcentergateway.ErrorFrom(read(t.Context(), conn))
	if e == nil || e.Code != codes.Unauthenticated || e.Reason != "CREDENTIALS_REJECTED" {
		t.Errorf("the call gives %v", e)
	}
}
