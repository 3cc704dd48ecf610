package vcentergateway

import (
	"crypto/tls"
	"errors"
	"strings"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// gRPC retries reads while there is no connection, regardless of the reason. A retry does not help if a certificate is
// not trusted, so the balancer of this package makes such calls fail immediately. It leaves everything else to
// round_robin.
const balancerName = "vcenter_gateway_round_robin"

func init() { balancer.Register(balancerBuilder{}) }

// withBalancer is a service config with the balancer of this package instead of gRPC's.
func withBalancer(config string) string {
	return strings.Replace(config, `"`+roundrobin.Name+`"`, `"`+balancerName+`"`, 1)
}

type balancerBuilder struct{}

func (balancerBuilder) Name() string { return balancerName }

func (balancerBuilder) Build(conn balancer.ClientConn, options balancer.BuildOptions) balancer.Balancer {
	return balancer.Get(roundrobin.Name).Build(balancerConn{conn}, options)
}

// balancerConn receives the state of round_robin.
type balancerConn struct{ balancer.ClientConn }

func (c balancerConn) UpdateState(state balancer.State) {
	if state.ConnectivityState == connectivity.TransientFailure {
		state.Picker = failingPicker{state.Picker}
	}
	c.ClientConn.UpdateState(state)
}

// failingPicker reports why there is no connection.
type failingPicker struct{ balancer.Picker }

func (p failingPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	result, err := p.Picker.Pick(info)
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		// gRPC never retries a call that fails with a status of the balancer.
		err = status.Error(codes.Unavailable, err.Error())
	}
	return result, err
}
