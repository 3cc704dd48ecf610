package vcentergateway_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
)

// A call without a deadline gets one; a deadline of the caller's own is kept, be it shorter or longer.
func TestDeadline(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []vcentergateway.Option
		own     time.Duration
		want    time.Duration
	}{
		{name: "default", want: time.Minute},
		{
			name: "other default", want: time.Hour,
			options: []vcentergateway.Option{vcentergateway.WithDefaultTimeout(time.Hour)},
		},
		{name: "no default", options: []vcentergateway.Option{vcentergateway.WithDefaultTimeout(0)}},
		{name: "shorter", own: 20 * time.Second, want: 20 * time.Second},
		{name: "longer", own: 2 * time.Hour, want: 2 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t)
			var left time.Duration
			s.answer = func(ctx context.Context) error {
				if deadline, ok := ctx.Deadline(); ok {
					left = time.Until(deadline)
				}
				return nil
			}
			ctx := t.Context()
			if test.own > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.own)
				defer cancel()
			}
			if err := read(ctx, connect(t, s.target, test.options...)); err != nil {
				t.Fatal(err)
			}
			if left > test.want || left < test.want-10*time.Second {
				t.Errorf("the gateway had %v, not %v", left, test.want)
			}
		})
	}
}

// A call ends with its default deadline, as an error like any other.
func TestDeadlineExceeded(t *testing.T) {
	s := serve(t)
	s.answer = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	err := read(t.Context(), connect(t, s.target, vcentergateway.WithDefaultTimeout(time.Millisecond)))
	if code := status.Code(err); code != codes.DeadlineExceeded {
		t.Errorf("the call ended with %v: %v", code, err)
	}
}

// Reads are repeated while the gateway is unavailable. Writes are not, nor is anything else that fails.
func TestRetries(t *testing.T) {
	withoutRetries := vcentergateway.WithDialOptions(grpc.WithDisableRetry())
	for _, test := range []struct {
		name    string
		call    func(context.Context, *grpc.ClientConn, ...grpc.CallOption) error
		code    codes.Code
		options []vcentergateway.Option
		want    int32
	}{
		{name: "read unavailable", call: read, code: codes.Unavailable, want: 4},
		{name: "read aborted", call: read, code: codes.Aborted, want: 1},
		{name: "write unavailable", call: write, code: codes.Unavailable, want: 1},
		{
			name: "turned off", call: read, code: codes.Unavailable, want: 1,
			options: []vcentergateway.Option{withoutRetries},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.answer = func(context.Context) error { return status.Error(test.code, "down") }
			err := test.call(t.Context(), connect(t, s.target, test.options...))
			if code := status.Code(err); code != test.code {
				t.Errorf("the call ended with %v: %v", code, err)
			}
			if calls := s.calls.Load(); calls != test.want {
				t.Errorf("the gateway was called %d times, not %d", calls, test.want)
			}
		})
	}
}

// A replica that says that it is about to stop gets no more calls, although it would take them, and none fails.
func TestReplicaThatStops(t *testing.T) {
	stopping, other := serve(t), serve(t)
	addresses := manual.NewBuilderWithScheme("replicas")
	addresses.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: stopping.target}, {Addr: other.target}}})
	conn := connect(t, "replicas:///gateway", vcentergateway.WithDialOptions(grpc.WithResolvers(addresses)))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	call := func() {
		t.Helper()
		if err := write(ctx, conn); err != nil {
			t.Fatal(err)
		}
	}
	for stopping.calls.Load() == 0 || other.calls.Load() == 0 {
		call()
	}
	close(stopping.stopping)
	// While both take turns, one of two calls goes to each.
	for inARow := 0; inARow < 10; inARow++ {
		before := stopping.calls.Load()
		call()
		if stopping.calls.Load() != before {
			inARow = 0
		}
	}
}

// The service config repeats exactly the rpcs that have no side effects according to their protos.
func TestServiceConfigFitsProtos(t *testing.T) {
	content, err := os.ReadFile("service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		MethodConfig []struct {
			Name []struct{ Service, Method string }
		}
	}
	if err := json.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	repeated := map[string]bool{}
	for _, name := range config.MethodConfig[0].Name {
		repeated[name.Service+"."+name.Method] = true
	}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "grpc.") {
			return true
		}
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				method := methods.Get(j)
				level := method.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel()
				reads := level == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
				name := string(method.FullName())
				if repeated[name] != reads {
					t.Errorf("%s reads: %v, is repeated: %v", name, reads, repeated[name])
				}
				delete(repeated, name)
			}
		}
		return true
	})
	for name := range repeated {
		t.Errorf("%s is repeated, but there is no stub for it", name)
	}
}

// TLS is spoken with the given authorities, and nobody else's certificate is accepted.
func TestTLS(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	serverCert, err := tls.LoadX509KeyPair(trusted.issue(t, leaf()))
	if err != nil {
		t.Fatal(err)
	}
	clientCert, clientKey := trusted.issue(t, leaf())
	oneWay := &tls.Config{Certificates: []tls.Certificate{serverCert}}
	mutual := oneWay.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, trusted.pool()
	type options = []vcentergateway.Option
	roots := vcentergateway.WithRootCAs(trusted.file)
	basic := vcentergateway.WithCredentials(vcentergateway.Basic("user", secret))

	for _, test := range []struct {
		name    string
		server  *tls.Config
		options options
		want    codes.Code
	}{
		{"file with authorities", oneWay, options{roots, basic}, codes.OK},
		{"own config", oneWay, options{vcentergateway.WithTLS(&tls.Config{RootCAs: trusted.pool()}), basic}, codes.OK},
		{"other authority", oneWay, options{vcentergateway.WithRootCAs(other.file)}, codes.Unavailable},
		{"system's authorities", oneWay, options{vcentergateway.WithTLS(nil)}, codes.Unavailable},
		{"plain text", oneWay, nil, codes.Unavailable},
		{"client certificate", mutual, options{roots, vcentergateway.WithClientCertificate(clientCert, clientKey)}, codes.OK},
		{"no client certificate", mutual, options{roots}, codes.Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, grpc.Creds(credentials.NewTLS(test.server)))
			withoutRetries := vcentergateway.WithDialOptions(grpc.WithDisableRetry())
			conn := connect(t, s.target, append(test.options, withoutRetries)...)
			if err := read(t.Context(), conn); status.Code(err) != test.want {
				t.Errorf("the call ended with %v, not %v", err, test.want)
			}
		})
	}
}

// A read whose connection fails is repeated, unless the certificate of the gateway is not trusted: that will be so in a
// second as well. The error says what is wrong.
func TestUntrustedCertificateIsNotRetried(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	certificate, err := tls.LoadX509KeyPair(trusted.issue(t, leaf()))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})))
	for _, test := range []struct {
		name   string
		target string
		option vcentergateway.Option
		once   bool
	}{
		{"unknown authority", s.target, vcentergateway.WithRootCAs(other.file), true},
		{
			"other name", s.target,
			vcentergateway.WithTLS(&tls.Config{RootCAs: trusted.pool(), ServerName: "gateway.example.com"}), true,
		},
		{"nobody there", "127.0.0.1:1", vcentergateway.WithRootCAs(trusted.file), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			attempts := &attempts{}
			conn := connect(t, test.target, test.option, vcentergateway.WithDialOptions(grpc.WithStatsHandler(attempts)))
			err := read(t.Context(), conn)
			e := vcentergateway.ErrorFrom(err)
			if e == nil || e.Code != codes.Unavailable || e.MayHaveExecuted {
				t.Fatalf("the call ended with %v", err)
			}
			if begun := attempts.begun.Load(); (begun == 1) != test.once {
				t.Errorf("there were %d attempts: %v", begun, err)
			}
			if test.once != strings.Contains(err.Error(), "certificate") {
				t.Errorf("the error is %v", err)
			}
			if err := write(t.Context(), conn); vcentergateway.ErrorFrom(err).MayHaveExecuted {
				t.Errorf("a change that was not sent ended with %#v", err)
			}
		})
	}
}

// attempts counts how often gRPC tries to make calls.
type attempts struct{ begun atomic.Int32 }

func (*attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (a *attempts) HandleRPC(_ context.Context, event stats.RPCStats) {
	if begin, ok := event.(*stats.Begin); ok && begin.Client {
		a.begun.Add(1)
	}
}

func (*attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (*attempts) HandleConn(context.Context, stats.ConnStats) {}

// Files that cannot be used fail at once. They never make a connection one in plain text.
func TestConnectRefusesFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]vcentergateway.Option{
		"missing authorities":  vcentergateway.WithRootCAs(filepath.Join(t.TempDir(), "missing.pem")),
		"no authorities":       vcentergateway.WithRootCAs(empty),
		"unnamed authorities":  vcentergateway.WithRootCAs(""),
		"empty certificate":    vcentergateway.WithClientCertificate(empty, empty),
		"unnamed certificates": vcentergateway.WithClientCertificate("", ""),
	} {
		if conn, err := vcentergateway.Connect("localhost:1", option); err == nil {
			conn.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

// Options of gRPC win over those of the package.
func TestDialOptions(t *testing.T) {
	s := serve(t)
	conn := connect(t, s.target, vcentergateway.WithDialOptions(
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("mine")))
	if err := read(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if agent := s.header.Get("user-agent")[0]; !strings.HasPrefix(agent, "mine ") {
		t.Errorf("the user agent is %q", agent)
	}
}
