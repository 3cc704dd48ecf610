package vcentergateway_test

import (
	"context"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
)

// Calls and streams of each kind name the vCenter of the connection, once, unless they name another one.
func TestVCenter(t *testing.T) {
	s := serve(t)
	s.watch = func(serving) error { return nil }
	s.upload = func(stream uploads) error { return stream.SendAndClose(&gatewayv1.UploadFileResponse{}) }
	s.run = func(programs) error { return nil }
	conn := connect(t, s.target, vcentergateway.WithVCenter("east"))
	for name, call := range map[string]func(context.Context) error{
		"read":  func(ctx context.Context) error { return read(ctx, conn) },
		"write": func(ctx context.Context) error { return write(ctx, conn) },
		"watch": func(ctx context.Context) error { _, err := drain(ctx, conn); return err },
		"upload": func(ctx context.Context) error {
			_, err := upload(ctx, t, conn).CloseAndRecv()
			return err
		},
		"run": func(ctx context.Context) error {
			_, err := run(ctx, t, conn).Recv()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, test := range []struct {
				ctx  context.Context
				want string
			}{
				{t.Context(), "east"},
				{metadata.AppendToOutgoingContext(t.Context(), "other", "metadata"), "east"},
				{metadata.AppendToOutgoingContext(t.Context(), "X-VCenter", "west"), "west"},
			} {
				if err := call(test.ctx); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				if got := s.header.Get("x-vcenter"); !slices.Equal(got, []string{test.want}) {
					t.Errorf("the vCenter is %q, not %q", got, test.want)
				}
			}
		})
	}
}

// A connection that names no vCenter sends none.
func TestNoVCenter(t *testing.T) {
	s := serve(t)
	if err := read(t.Context(), connect(t, s.target)); err != nil {
		t.Fatal(err)
	}
	if got := s.header.Get("x-vcenter"); got != nil {
		t.Errorf("the vCenter is %q", got)
	}
}

// A name that cannot be sent is refused before the first call.
func TestMalformedVCenter(t *testing.T) {
	for _, name := range []string{"", "east west", "east\n", "öst"} {
		if conn, err := vcentergateway.Connect("127.0.0.1:1", vcentergateway.WithVCenter(name)); err == nil {
			conn.Close()
			t.Errorf("%q was accepted", name)
		}
	}
}
