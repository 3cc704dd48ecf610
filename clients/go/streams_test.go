package vcentergateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
)

type (
	watching = grpc.ServerStreamingClient[gatewayv1.WatchGatewayResponse]
	serving  = grpc.ServerStreamingServer[gatewayv1.WatchGatewayResponse]
)

// watch opens the server's stream.
func watch(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (watching, error) {
	return gatewayv1.NewGatewayServiceClient(conn).WatchGateway(ctx, &gatewayv1.WatchGatewayRequest{}, options...)
}

// drain opens the server's stream and reads it to its end. It returns how many messages came, and nil for io.EOF.
func drain(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (int, error) {
	stream, err := watch(ctx, conn, options...)
	if err != nil {
		return 0, err
	}
	for messages := 0; ; messages++ {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return messages, nil
		} else if err != nil {
			return messages, err
		}
	}
}

// send sends n empty messages.
func send(stream serving, n int) error {
	for range n {
		if err := stream.Send(&gatewayv1.WatchGatewayResponse{}); err != nil {
			return err
		}
	}
	return nil
}

// Each message arrives before the next is sent, and a stream that ends well ends with io.EOF.
func TestStreamMessageByMessage(t *testing.T) {
	s := serve(t)
	arrived := make(chan struct{})
	s.watch = func(stream serving) error {
		if err := send(stream, 1); err != nil {
			return err
		}
		select {
		case <-arrived:
			return send(stream, 1)
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	stream, err := watch(t.Context(), connect(t, s.target))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	close(arrived)
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
}

// A stream carries the credentials of the connection, or those it brings itself. Each asks for a token anew.
func TestStreamCredentials(t *testing.T) {
	s := serve(t)
	s.watch = func(serving) error { return nil }
	tokens := 0
	renewed := vcentergateway.BearerFunc(func(context.Context) (string, error) {
		tokens++
		return fmt.Sprintf("token-%d", tokens), nil
	})
	conn := connect(t, s.target, vcentergateway.WithCredentials(renewed))
	for _, test := range []struct {
		key, want string
		options   []grpc.CallOption
	}{
		{key: "authorization", want: "Bearer token-1"},
		{key: "authorization", want: "Bearer token-2"},
		{
			key: "vmware-api-session-id", want: "own",
			options: []grpc.CallOption{grpc.PerRPCCredentials(vcentergateway.Session("own"))},
		},
	} {
		if _, err := drain(t.Context(), conn, test.options...); err != nil {
			t.Fatal(err)
		}
		if got := s.header.Get(test.key); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s is %q, not %q", test.key, got, test.want)
		}
	}
}

// A stream for which there is no token is not opened.
func TestStreamWithoutToken(t *testing.T) {
	s := serve(t)
	none := vcentergateway.BearerFunc(func(context.Context) (string, error) { return "", io.ErrUnexpectedEOF })
	_, err := drain(t.Context(), connect(t, s.target, vcentergateway.WithCredentials(none)))
	var failed *vcentergateway.Error
	if !errors.As(err, &failed) || failed.Code != codes.Unauthenticated || failed.MayHaveExecuted {
		t.Errorf("the stream ended with %v", err)
	}
	if calls := s.calls.Load(); calls != 0 {
		t.Errorf("the gateway was called %d times", calls)
	}
}

// A stream has no deadline but its own.
func TestStreamDeadline(t *testing.T) {
	s := serve(t)
	deadlines := make(chan bool, 1)
	s.watch = func(stream serving) error {
		_, set := stream.Context().Deadline()
		deadlines <- set
		if set {
			<-stream.Context().Done()
		}
		return nil
	}
	conn := connect(t, s.target, vcentergateway.WithDefaultTimeout(time.Hour))
	if _, err := drain(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if <-deadlines {
		t.Error("a stream without a deadline got one")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := drain(ctx, conn)
	var failed *vcentergateway.Error
	if !errors.As(err, &failed) || failed.Code != codes.DeadlineExceeded || failed.MayHaveExecuted {
		t.Errorf("the stream ended with %v", err)
	}
}

// A stream ends with an *Error, before its first message as in the middle.
func TestStreamError(t *testing.T) {
	for before := range 2 {
		s := serve(t)
		s.watch = func(stream serving) error {
			if err := send(stream, before); err != nil {
				return err
			}
			return statusWith(codes.ResourceExhausted, "too many",
				&errdetails.ErrorInfo{Reason: "TOO_MANY_STREAMS", Domain: "vcenter-gateway"},
				&errdetails.RequestInfo{RequestId: "r-1"})
		}
		messages, err := drain(t.Context(), connect(t, s.target))
		var failed *vcentergateway.Error
		if !errors.As(err, &failed) {
			t.Fatalf("the stream ended with a %T", err)
		}
		if messages != before || failed.Code != codes.ResourceExhausted || failed.Reason != "TOO_MANY_STREAMS" ||
			failed.GatewayReason() != gatewayv1.Reason_REASON_TOO_MANY_STREAMS || failed.RequestID != "r-1" {
			t.Errorf("after %d messages the stream ended with %#v", messages, failed)
		}
	}
}

// A stream whose context is cancelled ends at the gateway too.
func TestStreamCancellation(t *testing.T) {
	s := serve(t)
	cancelled := make(chan struct{})
	s.watch = func(stream serving) error {
		defer close(cancelled)
		if err := send(stream, 1); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := watch(ctx, connect(t, s.target))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	var failed *vcentergateway.Error
	if _, err := stream.Recv(); !errors.As(err, &failed) || failed.Code != codes.Canceled {
		t.Errorf("the stream ended with %v", err)
	}
	<-cancelled
}

// gRPC opens a stream again before its first message only: what has arrived would arrive twice.
func TestStreamRetries(t *testing.T) {
	for before, want := range []int32{4, 1} {
		s := serve(t)
		s.watch = func(stream serving) error {
			if err := send(stream, before); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "down")
		}
		messages, err := drain(t.Context(), connect(t, s.target))
		if messages != before || status.Code(err) != codes.Unavailable {
			t.Errorf("after %d messages the stream ended with %v", messages, err)
		}
		if calls := s.calls.Load(); calls != want {
			t.Errorf("after %d messages the stream was opened %d times, not %d", before, calls, want)
		}
	}
}

// A message has up to 32 MiB, as much as the gateway sends by default.
func TestStreamMessageSize(t *testing.T) {
	const limit = 32 << 20
	// The tag of a field that clients do not know, and the length of what follows, take five bytes.
	const head = 5
	for size, want := range map[int]codes.Code{
		limit - 1: codes.OK, limit: codes.OK, limit + 1: codes.ResourceExhausted,
	} {
		s := serve(t)
		s.watch = func(stream serving) error {
			length := size - head
			unknown := []byte{
				15<<3 | 2, byte(length) | 0x80, byte(length>>7) | 0x80, byte(length>>14) | 0x80, byte(length >> 21),
			}
			message := &gatewayv1.WatchGatewayResponse{}
			message.ProtoReflect().SetUnknown(append(unknown, make([]byte, length)...))
			return stream.Send(message)
		}
		if _, err := drain(t.Context(), connect(t, s.target)); status.Code(err) != want {
			t.Errorf("a message of %d bytes gives %v", size, err)
		}
	}
}
