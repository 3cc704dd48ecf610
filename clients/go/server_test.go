package vcentergateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	hardwarev1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
)

type (
	uploads  = grpc.ClientStreamingServer[gatewayv1.UploadFileRequest, gatewayv1.UploadFileResponse]
	programs = grpc.BidiStreamingServer[gatewayv1.RunProgramRequest, gatewayv1.RunProgramResponse]
)

// server is a gateway with one read and one write, both of which end as answer says, and a stream of each kind, which
// does what watch, upload and run say.
type server struct {
	gatewayv1.UnimplementedGatewayServiceServer
	gatewayv1.UnimplementedGuestServiceServer
	vcenterv1.UnimplementedVmServiceServer
	hardwarev1.UnimplementedCdromServiceServer

	healthpb.UnimplementedHealthServer

	target string
	answer func(ctx context.Context) error
	watch  func(stream grpc.ServerStreamingServer[gatewayv1.WatchGatewayResponse]) error
	upload func(stream uploads) error
	run    func(stream programs) error
	calls  atomic.Int32
	header metadata.MD

	// stopping is closed when clients are to leave.
	stopping chan struct{}
}

func (s *server) ListVms(ctx context.Context, _ *vcenterv1.ListVmsRequest) (*vcenterv1.ListVmsResponse, error) {
	return &vcenterv1.ListVmsResponse{}, s.handle(ctx)
}

func (s *server) ConnectCdrom(
	ctx context.Context, _ *hardwarev1.ConnectCdromRequest,
) (*hardwarev1.ConnectCdromResponse, error) {
	return &hardwarev1.ConnectCdromResponse{}, s.handle(ctx)
}

func (s *server) WatchGateway(
	_ *gatewayv1.WatchGatewayRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchGatewayResponse],
) error {
	if err := s.handle(stream.Context()); err != nil {
		return err
	}
	return s.watch(stream)
}

func (s *server) UploadFile(stream uploads) error {
	if err := s.handle(stream.Context()); err != nil {
		return err
	}
	return s.upload(stream)
}

func (s *server) RunProgram(stream programs) error {
	if err := s.handle(stream.Context()); err != nil {
		return err
	}
	return s.run(stream)
}

func (s *server) handle(ctx context.Context) error {
	s.calls.Add(1)
	s.header, _ = metadata.FromIncomingContext(ctx)
	if s.answer == nil {
		return nil
	}
	return s.answer(ctx)
}

// Watch tells clients whether they may stay. It is not the one of gRPC's package health, which a client must not need.
func (s *server) Watch(request *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	if request.Service != "clients" {
		return stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVICE_UNKNOWN})
	}
	err := stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING})
	select {
	case <-s.stopping:
		err = errors.Join(err, stream.Send(
			&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}))
		<-stream.Context().Done()
	case <-stream.Context().Done():
	}
	return err
}

// serve starts a server on the loopback address. It stops with the test.
func serve(t *testing.T, options ...grpc.ServerOption) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{target: listener.Addr().String(), stopping: make(chan struct{})}
	grpcServer := grpc.NewServer(options...)
	vcenterv1.RegisterVmServiceServer(grpcServer, s)
	hardwarev1.RegisterCdromServiceServer(grpcServer, s)
	gatewayv1.RegisterGatewayServiceServer(grpcServer, s)
	gatewayv1.RegisterGuestServiceServer(grpcServer, s)
	healthpb.RegisterHealthServer(grpcServer, s)
	go grpcServer.Serve(listener)
	t.Cleanup(grpcServer.Stop)
	return s
}

// connect returns a connection that is closed with the test.
func connect(t *testing.T, target string, options ...vcentergateway.Option) *grpc.ClientConn {
	t.Helper()
	conn, err := vcentergateway.Connect(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// read makes the server's read.
func read(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) error {
	_, err := vcenterv1.NewVmServiceClient(conn).ListVms(ctx, &vcenterv1.ListVmsRequest{}, options...)
	return err
}

// write makes the server's write.
func write(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) error {
	_, err := hardwarev1.NewCdromServiceClient(conn).ConnectCdrom(ctx, &hardwarev1.ConnectCdromRequest{}, options...)
	return err
}

// elsewhere makes connections to target look as if they went to another host.
func elsewhere(target string) vcentergateway.Option {
	return vcentergateway.WithDialOptions(grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", target)
			return remoteConn{conn}, err
		}))
}

type remoteConn struct{ net.Conn }

func (remoteConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
}

// authority is a certificate authority with its certificate in a file.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	a := &authority{certificate: template}
	var keyFile string
	a.file, keyFile = a.issue(t, template)
	pair, err := tls.LoadX509KeyPair(a.file, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	a.certificate, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue returns the files of a new certificate and its key.
func (a *authority) issue(t *testing.T, template *x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	save := func(name, kind string, content []byte) string {
		path := filepath.Join(folder, name)
		block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
		if err := os.WriteFile(path, block, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return save("cert.pem", "CERTIFICATE", certificate), save("key.pem", "PRIVATE KEY", encodedKey)
}

// leaf is the template of a certificate for a server or client on this host.
func leaf() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}
