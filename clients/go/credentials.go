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
// They are sent only encrypted or within the host, unless [WithCredentialsInPlaintext] is set. Printing them does not
// reveal secrets.
type Credentials struct {
	// Printers cannot find secrets in a closure.
	metadata func(context.Context) (map[string]string, error)
	err      error
}

var _ credentials.PerRPCCredentials = (*Credentials)(nil)

// Basic returns the credentials of a vCenter user. The gateway logs in with them and keeps the session.
func Basic(user, password string) *Credentials {
	if user == "" || strings.Contains(user, ":") {
		return &Credentials{err: errors.New("the username is empty or contains a colon")}
	}
	return newCredentials("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// Session returns the credentials of an existing vCenter session. The gateway forwards it.
func Session(id string) *Credentials {
	if !sendable(id) {
		return &Credentials{err: errors.New("the session ID is empty or contains characters that cannot be sent")}
	}
	return newCredentials("vmware-api-session-id", id)
}

// Bearer returns the credentials of a token or JWT, for a gateway that has its own service account. Whitespace around
// the token is ignored.
func Bearer(token string) *Credentials {
	value, err := bearer(token)
	if err != nil {
		return &Credentials{err: err}
	}
	return newCredentials("authorization", value)
}

// BearerFunc is Bearer with a token that rotates: the function is called for every rpc, with the call's context. If it
// fails, the call fails with Unauthenticated and is not sent.
func BearerFunc(token func(context.Context) (string, error)) *Credentials {
	return &Credentials{metadata: func(ctx context.Context) (map[string]string, error) {
		text, err := token(ctx)
		if err != nil {
			return nil, status.Errorf(codes.Unauthenticated, "no token: %v", err)
		}
		value, err := bearer(text)
		if err != nil {
			return nil, status.Error(codes.Unauthenticated, err.Error())
		}
		return map[string]string{"authorization": value}, nil
	}}
}

func bearer(token string) (string, error) {
	token = strings.TrimSpace(token)
	if !sendable(token) {
		return "", errors.New("the token is empty or contains characters that cannot be sent")
	}
	return "Bearer " + token, nil
}

func sendable(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func newCredentials(key, value string) *Credentials {
	return &Credentials{metadata: func(context.Context) (map[string]string, error) {
		return map[string]string{key: value}, nil
	}}
}

// GetRequestMetadata is called by gRPC.
func (c *Credentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if c.err != nil {
		return nil, status.Error(codes.Unauthenticated, c.err.Error())
	}
	return c.metadata(ctx)
}

// RequireTransportSecurity is called by gRPC and returns true.
func (c *Credentials) RequireTransportSecurity() bool { return true }
