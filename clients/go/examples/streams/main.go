// The streams example runs a program in a guest, then watches the virtual machines and continues after a break.
//
// The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are $GATEWAY_USER and
// $GATEWAY_PASSWORD. The user in the guest is $GUEST_USER with $GUEST_PASSWORD, by default those of the simulator.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
	guestv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
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

	exitCode, err := runProgram(ctx, conn)
	if err != nil {
		return fmt.Errorf("running a program: %w", err)
	}
	fmt.Println("exit code", exitCode)

	token, err := watch(ctx, conn, "", func(message *gatewayv1.WatchVmsResponse) bool { return message.GetSynced() != nil })
	if err != nil {
		return fmt.Errorf("watching the machines: %w", err)
	}
	settings := gatewayv1.NewVmSettingsServiceClient(conn)
	note := &gatewayv1.UpdateAnnotationRequest{Vm: vm, Annotation: "changed while nobody watched"}
	if _, err := settings.UpdateAnnotation(ctx, note); err != nil {
		return err
	}
	_, err = watch(ctx, conn, token, func(message *gatewayv1.WatchVmsResponse) bool { return message.GetChanged() != nil })
	if err != nil {
		return fmt.Errorf("watching the machines again: %w", err)
	}
	_, err = settings.UpdateAnnotation(ctx, &gatewayv1.UpdateAnnotationRequest{Vm: vm})
	return err
}

// guestCredentials returns who runs programs in the guest.
func guestCredentials() *guestv1.Credentials {
	interactive := false
	user := cmp.Or(os.Getenv("GUEST_USER"), "root")
	password := cmp.Or(os.Getenv("GUEST_PASSWORD"), "VMware1!")
	return &guestv1.Credentials{
		InteractiveSession: &interactive,
		Type:               guestv1.CredentialsType_CREDENTIALS_TYPE_USERNAME_PASSWORD.Enum(),
		UserName:           &user,
		Password:           &password,
	}
}

// runProgram runs a program and returns its exit code.
func runProgram(ctx context.Context, conn grpc.ClientConnInterface) (exitCode int64, err error) {
	// [docs: run]
	program, err := gatewayv1.NewGuestServiceClient(conn).RunProgram(ctx)
	if err != nil {
		return 0, err
	}
	start := &gatewayv1.ProgramStart{
		Vm:          vm,
		Credentials: guestCredentials(),
		Program:     &gatewayv1.ProgramStart_ShellCommand{ShellCommand: "hostname && wc -l"},
	}
	input := []byte("one\ntwo\n")
	err = errors.Join(
		program.Send(&gatewayv1.RunProgramRequest{Message: &gatewayv1.RunProgramRequest_Start{Start: start}}),
		program.Send(&gatewayv1.RunProgramRequest{Message: &gatewayv1.RunProgramRequest_Input{Input: input}}),
		program.CloseSend(),
	)
	if err != nil && !errors.Is(err, io.EOF) { // After io.EOF, Recv returns the reason.
		return 0, err
	}
	for {
		message, err := program.Recv()
		if errors.Is(err, io.EOF) {
			return exitCode, nil
		} else if err != nil {
			return 0, err
		}
		os.Stdout.Write(message.GetOutput())
		os.Stderr.Write(message.GetErrorOutput())
		if exited := message.GetExited(); exited != nil {
			exitCode = exited.GetExitCode()
		}
	}
	// [docs: end]
}

// watch prints the machines or, with a token, what has changed since. It returns the token of the message that is the
// last one.
func watch(
	ctx context.Context, conn grpc.ClientConnInterface, token string, last func(*gatewayv1.WatchVmsResponse) bool,
) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream, at the gateway too

	// [docs: watch]
	for {
		request := &gatewayv1.WatchVmsRequest{ResumeToken: &token}
		stream, err := gatewayv1.NewWatchServiceClient(conn).WatchVms(ctx, request)
		for err == nil {
			var message *gatewayv1.WatchVmsResponse
			if message, err = stream.Recv(); err != nil {
				break
			}
			token = message.GetResumeToken()
			if message.GetStarted().GetReset_() {
				fmt.Println("all machines:")
			}
			for _, machine := range message.GetAdded().GetVms() {
				fmt.Println(machine.GetVm(), machine.GetName(), machine.GetPowerState())
			}
			for _, change := range message.GetChanged().GetChanges() {
				fmt.Println(change.GetVm().GetVm(), "changed:", strings.Join(change.GetChanged().GetPaths(), ", "))
			}
			for _, gone := range message.GetRemoved().GetVms() {
				fmt.Println(gone, "is gone")
			}
			if last(message) {
				return token, nil
			}
		}
		var failed *vcentergateway.Error
		if !errors.As(err, &failed) || failed.Code != codes.Unavailable {
			return "", err
		}
		// The connection broke, or the replica is stopping: continue after the last message.
		time.Sleep(time.Second)
	}
	// [docs: end]
}
