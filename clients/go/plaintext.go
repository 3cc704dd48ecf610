package vcentergateway

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// plaintext is an unencrypted transport that can send credentials if they do not leave the host. gRPC's own insecure
// transport always rejects credentials.
type plaintext struct {
	credentials.TransportCredentials
	anywhere bool
}

func newPlaintext(credentialsAnywhere bool) credentials.TransportCredentials {
	return plaintext{insecure.NewCredentials(), credentialsAnywhere}
}

// ClientHandshake checks the actual address of the connection, regardless of the target's name.
func (p plaintext) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	info := plaintextInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}
	if p.anywhere || isLocalAddr(conn.RemoteAddr()) {
		info.SecurityLevel = credentials.PrivacyAndIntegrity
	}
	return conn, info, nil
}

func (p plaintext) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "plaintext"}
}

func (p plaintext) Clone() credentials.TransportCredentials { return p }

type plaintextInfo struct{ credentials.CommonAuthInfo }

func (plaintextInfo) AuthType() string { return "plaintext" }

func isLocalAddr(addr net.Addr) bool {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// isLocalTarget reports whether a canonical target, scheme://authority/endpoint, names this host.
func isLocalTarget(target string) bool {
	parsed, err := url.Parse(target)
	if err != nil {
		return false
	}
	if parsed.Scheme == "unix" || parsed.Scheme == "unix-abstract" {
		return true
	}
	endpoint := strings.TrimPrefix(parsed.Path, "/")
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		host = strings.Trim(endpoint, "[]") // without a port
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}
