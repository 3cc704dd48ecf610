package vcentergateway

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// Credentials are the identity of a caller, for [WithCredentials] or for one call with [grpc.PerRPCCredentials].
//
// They travel encrypted or within the host only; [WithCredentialsInPlaintext] is the exception. Printing them shows no
// secret.
type Credentials struct {
	// In a closure, no printer finds what is secret.
	metadata func() map[string]string
	err      error
}

var _ credentials.PerRPCCredentials = (*Credentials)(nil)

// Basic are the credentials of a vCenter user. The gateway logs in with them, and keeps the session.
func Basic(user, password string) *Credentials {
	if user == "" || strings.Contains(user, ":") {
		return &Credentials{err: errors.New("the user name is empty or contains a colon")}
	}
	return newCredentials("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// Session is a vCenter session of the caller's own. The gateway passes it on.
func Session(id string) *Credentials {
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &Credentials{err: errors.New("the session id is empty or has characters that cannot be sent")}
	}
	return newCredentials("vmware-api-session-id", id)
}

func newCredentials(key, value string) *Credentials {
	return &Credentials{metadata: func() map[string]string { return map[string]string{key: value} }}
}

// GetRequestMetadata is for gRPC.
func (c *Credentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if c.err != nil {
		return nil, status.Error(codes.Unauthenticated, c.err.Error())
	}
	return c.metadata(), nil
}

// RequireTransportSecurity is for gRPC, and true.
func (c *Credentials) RequireTransportSecurity() bool { return true }
