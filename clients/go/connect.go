package vcentergateway

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/health" // Without it, gRPC ignores the service config's healthCheckConfig.
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// version is that of the module and of the gateway it was made for.
const version = "0.2.0"

const (
	defaultTimeout   = time.Minute
	keepaliveTime    = time.Minute
	keepaliveTimeout = 20 * time.Second
	// The gateway sends this much by default; gRPC would take 4 MiB.
	maxResponseBytes = 32 << 20
	// vcenterKey is the metadata by which a fleet's address chooses the vCenter.
	vcenterKey = "x-vcenter"
)

// serviceConfig balances over all addresses of the target, leaves those that are about to stop, and repeats reads while
// the gateway is unavailable.
//
//go:embed service_config.json
var serviceConfig string

// Connect returns a connection to the gateway at target, a name as gRPC takes it: "host:port", "dns:///host:port",
// "unix:path". Without options it is in plain text and without credentials.
//
// The connection is established with the first call, and anew whenever that is necessary; make one and share it. On
// top of what gRPC does,
//
//   - failed calls and streams return an [*Error],
//   - calls whose context has no deadline get one of a minute, see [WithDefaultTimeout]. Streams get none,
//   - calls that only read are repeated up to three times while the gateway is unavailable, but not when its certificate
//     is not trusted. Those that change something are sent once,
//   - all addresses of target take turns, and those that are about to stop are left in time,
//   - a connection that is silent during a call is probed every minute.
//
// Connect fails when a file cannot be read, when credentials or the name of a vCenter cannot be sent, and when
// credentials would travel in plain text to another host.
func Connect(target string, options ...Option) (*grpc.ClientConn, error) {
	s := settings{timeout: defaultTimeout}
	for _, option := range options {
		option(&s)
	}
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	if s.hasVCenter && !sendable(s.vcenter) {
		return nil, errors.New("vcentergateway: the name of the vCenter is empty or has characters that cannot be sent")
	}
	callOptions := []grpc.CallOption{grpc.MaxCallRecvMsgSize(maxResponseBytes)}
	if s.credentials != nil {
		// As an option of the call, so that a call can bring credentials of its own in place of these.
		callOptions = append(callOptions, grpc.PerRPCCredentials(s.credentials))
	}
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(callOptions...),
		grpc.WithDefaultServiceConfig(withBalancer(serviceConfig)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithUserAgent("vcenter-gateway-go/" + version),
		grpc.WithChainUnaryInterceptor(s.invoke),
		grpc.WithChainStreamInterceptor(s.openStream),
	}, s.dialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("vcentergateway: %w", err)
	}
	if err := s.checkCredentials(conn.CanonicalTarget()); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Option says how to connect.
type Option func(*settings)

type settings struct {
	tls                    *tls.Config
	tlsFiles               []func(*tls.Config) error
	credentials            credentials.PerRPCCredentials
	credentialsInPlaintext bool
	vcenter                string
	hasVCenter             bool
	timeout                time.Duration
	dialOptions            []grpc.DialOption
}

// WithCredentials attaches credentials to every call: those of [Basic], [Session], [Bearer] or [BearerFunc], or of
// another kind. Calls with a [grpc.PerRPCCredentials] option of their own send that instead.
func WithCredentials(c credentials.PerRPCCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithCredentialsInPlaintext lets credentials travel in plain text to another host, where anyone on the way can read
// them. It is for networks that encrypt on their own, such as a service mesh.
func WithCredentialsInPlaintext() Option {
	return func(s *settings) { s.credentialsInPlaintext = true }
}

// WithVCenter selects the vCenter that serves all calls and streams, where one address serves several. A call can select
// another one by its metadata: metadata.AppendToOutgoingContext(ctx, "x-vcenter", "west").
func WithVCenter(name string) Option {
	return func(s *settings) { s.vcenter, s.hasVCenter = name, true }
}

// WithDefaultTimeout sets how long a call may take whose context has no deadline: a minute without this option, any
// time when timeout is 0. The gateway learns the deadline and hands it on to vCenter. A stream lasts as long as its
// context and the gateway let it.
func WithDefaultTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = timeout }
}

// WithDialOptions adds options of gRPC, for instance interceptors or a stats handler. They win over those of Connect:
// [grpc.WithDisableRetry] turns the repetition of reads off.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

// checkCredentials finds before the first call what would keep every call from being sent.
func (s *settings) checkCredentials(target string) error {
	if s.credentials == nil {
		return nil
	}
	if c, ok := s.credentials.(*Credentials); ok && c.err != nil {
		return fmt.Errorf("vcentergateway: %w", c.err)
	}
	if s.tls == nil && !s.credentialsInPlaintext && s.credentials.RequireTransportSecurity() && !isLocalTarget(target) {
		return errors.New("vcentergateway: credentials would travel in plain text to another host; use TLS, or " +
			"WithCredentialsInPlaintext where the network encrypts")
	}
	return nil
}

// addressed adds the name of the vCenter to the metadata of a call that has none.
func (s *settings) addressed(ctx context.Context) context.Context {
	if own, _ := metadata.FromOutgoingContext(ctx); !s.hasVCenter || len(own.Get(vcenterKey)) > 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, vcenterKey, s.vcenter)
}

// invoke gives a call a vCenter and a deadline, and turns what it fails with into an *Error.
func (s *settings) invoke(
	ctx context.Context, method string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	if _, ok := ctx.Deadline(); !ok && s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	ctx = s.addressed(ctx)
	// gRPC sets the peer of a call that it has sent.
	var gateway peer.Peer
	if err := invoke(ctx, method, request, response, conn, append(options, grpc.Peer(&gateway))...); err != nil {
		return newError(err, gateway.Addr != nil && !isReadOnly(method))
	}
	return nil
}

// isReadOnly reports whether an rpc changes nothing. Those of gRPC's own services do not; others say so in their protos.
func isReadOnly(method string) bool {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	if strings.HasPrefix(name, "grpc.") {
		return true
	}
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return false
	}
	options, _ := descriptor.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}
