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

// version is the version of the module and of the gateway that it was built for.
const version = "0.2.0"

const (
	defaultTimeout   = time.Minute
	keepaliveTime    = time.Minute
	keepaliveTimeout = 20 * time.Second
	// The gateway's default limit; gRPC's default is 4 MiB.
	maxResponseBytes = 32 << 20
	// vcenterKey is the metadata key that selects the vCenter of a fleet.
	vcenterKey = "x-vcenter"
)

// serviceConfig load-balances across all addresses of the target, stops using those that are about to stop, and retries
// reads while the gateway is unavailable.
//
//go:embed service_config.json
var serviceConfig string

// Connect returns a connection to the gateway at target, a gRPC target name: "host:port", "dns:///host:port",
// "unix:path". Without options, the connection is in plain text and without credentials.
//
// The client connects with the first call and reconnects automatically. Create one connection and share it. In addition
// to what gRPC does,
//
//   - failed calls and streams return an [*Error],
//   - calls whose context has no deadline get a deadline of one minute, see [WithDefaultTimeout]. Streams get none,
//   - read-only calls are retried up to three times while the gateway is unavailable, but not if its certificate is not
//     trusted. Calls that change something are sent once,
//   - calls are load-balanced across all addresses of target, and the client stops using a replica in time before it
//     shuts down,
//   - an idle connection with a pending call is probed every minute.
//
// Connect fails if a file cannot be read, if the credentials or the name of a vCenter are not valid, or if credentials
// would be sent in plain text to another host.
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
		return nil, errors.New("vcentergateway: the name of the vCenter is empty or contains characters that cannot be sent")
	}
	callOptions := []grpc.CallOption{grpc.MaxCallRecvMsgSize(maxResponseBytes)}
	if s.credentials != nil {
		// As an option of the call, so that a call can use its own credentials instead of these.
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

// Option configures a connection.
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

// WithCredentials attaches credentials to every call: those of [Basic], [Session], [Bearer] or [BearerFunc], or another
// implementation. Calls with their own [grpc.PerRPCCredentials] option send that instead.
func WithCredentials(c credentials.PerRPCCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithCredentialsInPlaintext allows sending credentials in plain text to another host, where anyone on the network path
// can read them. Use it only in networks that are themselves encrypted, such as a service mesh.
func WithCredentialsInPlaintext() Option {
	return func(s *settings) { s.credentialsInPlaintext = true }
}

// WithVCenter selects the vCenter for all calls and streams, if one address serves several. A call can select another
// one with its metadata: metadata.AppendToOutgoingContext(ctx, "x-vcenter", "west").
func WithVCenter(name string) Option {
	return func(s *settings) { s.vcenter, s.hasVCenter = name, true }
}

// WithDefaultTimeout sets the timeout of calls whose context has no deadline. The default is one minute; 0 means no
// timeout. The gateway receives the deadline and applies it to its vCenter calls. A stream lasts until its context or
// the gateway ends it.
func WithDefaultTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = timeout }
}

// WithDialOptions adds gRPC options, for example interceptors or a stats handler. They take precedence over those of
// Connect: [grpc.WithDisableRetry] disables retries of reads.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

// checkCredentials detects problems that would fail every call before the first call.
func (s *settings) checkCredentials(target string) error {
	if s.credentials == nil {
		return nil
	}
	if c, ok := s.credentials.(*Credentials); ok && c.err != nil {
		return fmt.Errorf("vcentergateway: %w", c.err)
	}
	if s.tls == nil && !s.credentialsInPlaintext && s.credentials.RequireTransportSecurity() && !isLocalTarget(target) {
		return errors.New("vcentergateway: credentials would be sent in plain text to another host; use TLS, or " +
			"WithCredentialsInPlaintext if the network is encrypted")
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

// invoke gives a call a vCenter and a deadline, and converts its error to an *Error.
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

// isReadOnly reports whether an rpc is read-only. Those of gRPC's own services are; others declare it in their protos.
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
