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
	metadata func(context.Context) (map[string]string, error)
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
	if !sendable(id) {
		return &Credentials{err: errors.New("the session id is empty or has characters that cannot be sent")}
	}
	return newCredentials("vmware-api-session-id", id)
}

// Bearer is a token or JWT, for a gateway that has a login of its own. White space around it does not belong to it.
func Bearer(token string) *Credentials {
	value, err := bearer(token)
	if err != nil {
		return &Credentials{err: err}
	}
	return newCredentials("authorization", value)
}

// BearerFunc is Bearer with a token that is renewed: the function is asked for it with every call, whose context it
// gets. A call for which it fails ends with Unauthenticated and is not sent.
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
		return "", errors.New("the token is empty or has characters that cannot be sent")
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

// GetRequestMetadata is for gRPC.
func (c *Credentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if c.err != nil {
		return nil, status.Error(codes.Unauthenticated, c.err.Error())
	}
	return c.metadata(ctx)
}

// RequireTransportSecurity is for gRPC, and true.
func (c *Credentials) RequireTransportSecurity() bool { return true }
