package vcentergateway_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
)

func chunk(content string) *gatewayv1.UploadFileRequest {
	return &gatewayv1.UploadFileRequest{Message: &gatewayv1.UploadFileRequest_Chunk{Chunk: []byte(content)}}
}

func input(content string) *gatewayv1.RunProgramRequest {
	return &gatewayv1.RunProgramRequest{Message: &gatewayv1.RunProgramRequest_Input{Input: []byte(content)}}
}

// upload opens the server's stream of requests.
func upload(
	ctx context.Context, t *testing.T, conn *grpc.ClientConn,
) grpc.ClientStreamingClient[gatewayv1.UploadFileRequest, gatewayv1.UploadFileResponse] {
	t.Helper()
	stream, err := gatewayv1.NewGuestServiceClient(conn).UploadFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// run opens the server's stream in both directions.
func run(
	ctx context.Context, t *testing.T, conn *grpc.ClientConn,
) grpc.BidiStreamingClient[gatewayv1.RunProgramRequest, gatewayv1.RunProgramResponse] {
	t.Helper()
	stream, err := gatewayv1.NewGuestServiceClient(conn).RunProgram(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// wait holds a call until the client is gone.
func wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Each request arrives before the next is sent, and one response answers them all.
func TestRequestsOneByOne(t *testing.T) {
	s := serve(t)
	arrived := make(chan string)
	s.upload = func(stream uploads) error {
		var size int64
		for {
			request, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return stream.SendAndClose(&gatewayv1.UploadFileResponse{Size: proto.Int64(size)})
			} else if err != nil {
				return err
			}
			size += int64(len(request.GetChunk()))
			arrived <- string(request.GetChunk())
		}
	}
	stream := upload(t.Context(), t, connect(t, s.target))
	for _, content := range []string{"first", "second"} {
		if err := stream.Send(chunk(content)); err != nil {
			t.Fatal(err)
		}
		if got := <-arrived; got != content {
			t.Errorf("%q arrived, not %q", got, content)
		}
	}
	if response, err := stream.CloseAndRecv(); err != nil || response.GetSize() != 11 {
		t.Errorf("the call ended with %v, %v", response, err)
	}
}

// Requests and messages alternate, and the stream ends with io.EOF.
func TestRequestsAndMessages(t *testing.T) {
	s := serve(t)
	s.run = func(stream programs) error {
		for {
			request, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			output := &gatewayv1.RunProgramResponse_Output{Output: request.GetInput()}
			if err := stream.Send(&gatewayv1.RunProgramResponse{Event: output}); err != nil {
				return err
			}
		}
	}
	stream := run(t.Context(), t, connect(t, s.target))
	for _, content := range []string{"first", "second"} {
		if err := stream.Send(input(content)); err != nil {
			t.Fatal(err)
		}
		if message, err := stream.Recv(); err != nil || string(message.GetOutput()) != content {
			t.Errorf("%v, %v came, not %q", message, err, content)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
}

// A stream of requests carries the credentials, and has no deadline but its own.
func TestRequestsCredentialsAndDeadline(t *testing.T) {
	s := serve(t)
	deadlines := make(chan bool, 2)
	s.upload = func(stream uploads) error {
		_, set := stream.Context().Deadline()
		deadlines <- set
		return stream.SendAndClose(&gatewayv1.UploadFileResponse{})
	}
	s.run = func(stream programs) error {
		_, set := stream.Context().Deadline()
		deadlines <- set
		return nil
	}
	conn := connect(t, s.target, vcentergateway.WithDefaultTimeout(time.Hour),
		vcentergateway.WithCredentials(vcentergateway.Session("own")))
	if _, err := upload(t.Context(), t, conn).CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), t, conn).Recv(); err != io.EOF {
		t.Fatal(err)
	}
	for range cap(deadlines) {
		if <-deadlines {
			t.Error("a stream without a deadline got one")
		}
	}
	if got := s.header.Get("vmware-api-session-id"); !slices.Equal(got, []string{"own"}) {
		t.Errorf("the session is %q", got)
	}

	s.upload = func(stream uploads) error { return wait(stream.Context()) }
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := upload(ctx, t, conn).CloseAndRecv()
	var failed *vcentergateway.Error
	if !errors.As(err, &failed) || failed.Code != codes.DeadlineExceeded || !failed.MayHaveExecuted {
		t.Errorf("the call ended with %v", err)
	}
}

// An error ends a call whose requests go on. It is an *Error, and nothing is sent again.
func TestRequestsError(t *testing.T) {
	s := serve(t)
	s.upload = func(uploads) error {
		return statusWith(codes.Unavailable, "this replica stops",
			&errdetails.ErrorInfo{Reason: "GATEWAY_STOPPING", Domain: "vcenter-gateway"})
	}
	stream := upload(t.Context(), t, connect(t, s.target))
	var err error
	for err == nil {
		err = stream.Send(chunk("more"))
	}
	if err != io.EOF {
		t.Errorf("sending ended with %v", err)
	}
	_, err = stream.CloseAndRecv()
	var failed *vcentergateway.Error
	if !errors.As(err, &failed) || failed.Code != codes.Unavailable || failed.MayHaveExecuted ||
		failed.GatewayReason() != gatewayv1.Reason_REASON_GATEWAY_STOPPING {
		t.Errorf("the call ended with %#v", err)
	}
	if calls := s.calls.Load(); calls != 1 {
		t.Errorf("the gateway was called %d times", calls)
	}
}

// A call whose context is cancelled ends at the gateway too, although there is more to send.
func TestRequestsCancellation(t *testing.T) {
	s := serve(t)
	opened, cancelled := make(chan struct{}), make(chan struct{})
	s.run = func(stream programs) error {
		close(opened)
		defer close(cancelled)
		return wait(stream.Context())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := run(ctx, t, connect(t, s.target))
	if err := stream.Send(input("first")); err != nil {
		t.Fatal(err)
	}
	<-opened
	cancel()
	var failed *vcentergateway.Error
	if _, err := stream.Recv(); !errors.As(err, &failed) || failed.Code != codes.Canceled || !failed.MayHaveExecuted {
		t.Errorf("the stream ended with %v", err)
	}
	<-cancelled
}
