package vcentergateway_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	guestv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/v1"
	hardwarev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
)

func Example() {
	conn, err := vcentergateway.Connect("gateway.example.com:443",
		vcentergateway.WithTLS(nil),
		vcentergateway.WithCredentials(vcentergateway.Basic(os.Getenv("GATEWAY_USER"), os.Getenv("GATEWAY_PASSWORD"))))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	response, err := vcenterv1.NewVmServiceClient(conn).ListVms(context.Background(), &vcenterv1.ListVmsRequest{
		PowerStates: []string{"POWERED_ON"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, vm := range response.GetVms() {
		fmt.Println(vm.GetVm(), vm.GetName())
	}
}

// A gateway that has a certificate of the company's own authority and wants one of the client.
func ExampleConnect_mutualTLS() {
	conn, err := vcentergateway.Connect("gateway.example.com:443",
		vcentergateway.WithRootCAs("ca.pem"),
		vcentergateway.WithClientCertificate("client.pem", "client-key.pem"),
		vcentergateway.WithDefaultTimeout(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}

// One connection for many users, each with a session of their own.
func ExampleSession() {
	conn, err := vcentergateway.Connect("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	vms := vcenterv1.NewVmServiceClient(conn)
	for _, session := range []string{"session of one user", "session of another"} {
		_, err := vms.ListVms(context.Background(), &vcenterv1.ListVmsRequest{},
			grpc.PerRPCCredentials(vcentergateway.Session(session)))
		fmt.Println(err)
	}
}

// This program accepts a drive that is already connected.
func ExampleTypeOf() {
	conn, err := vcentergateway.Connect("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	cdroms := hardwarev1.NewCdromServiceClient(conn)
	_, err = cdroms.ConnectCdrom(context.Background(), &hardwarev1.ConnectCdromRequest{Vm: "vm-1001", Cdrom: "16000"})
	if err != nil && vcentergateway.TypeOf(err) != errorsv1.ErrorType_ERROR_TYPE_ALREADY_IN_DESIRED_STATE {
		log.Fatal(err)
	}
}

func ExampleError() {
	report := func(err error) {
		var failed *vcentergateway.Error
		switch {
		case !errors.As(err, &failed):
			fmt.Println("not a failed call:", err)
		case failed.MayHaveExecuted:
			fmt.Println("check the machine first; request", failed.RequestID)
		case failed.RetryDelay > 0:
			fmt.Println("try again in", failed.RetryDelay)
		default:
			for _, violation := range failed.Violations {
				fmt.Println(violation.GetField(), violation.GetDescription())
			}
		}
	}
	report(&vcentergateway.Error{RetryDelay: time.Second})
	// Output: try again in 1s
}

// A stream is read until it ends. One that ends because its replica of the gateway stops is opened again.
func ExampleConnect_stream() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the stream at the gateway as well
	conn, err := vcentergateway.Connect("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	for {
		stream, err := gatewayv1.NewGatewayServiceClient(conn).WatchGateway(ctx, &gatewayv1.WatchGatewayRequest{})
		for err == nil {
			var message *gatewayv1.WatchGatewayResponse
			if message, err = stream.Recv(); message.GetState() != nil {
				fmt.Println("the circuit to vCenter is", message.GetState().GetCircuit())
			}
		}
		var failed *vcentergateway.Error
		if !errors.As(err, &failed) || failed.GatewayReason() != gatewayv1.Reason_REASON_GATEWAY_STOPPING {
			log.Fatal(err)
		}
	}
}

func ExampleDetail() {
	report := func(err error) {
		if details, ok := vcentergateway.Detail[*guestv1.ProcessErrorDetails](err); ok {
			fmt.Println("it is about the process", details.GetPid())
		}
	}
	report(errors.New("something else"))
	// Output:
}

func ExampleRedact() {
	request := &guestv1.CreateProcessRequest{
		Credentials: &guestv1.Credentials{Password: proto.String("swordfish")},
	}
	fmt.Println(vcentergateway.Redact(request).GetCredentials().GetPassword())
	// Output: [redacted]
}
