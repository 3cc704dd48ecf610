package vcentergateway_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
)

const secret = "pässword:1"

// Credentials come with every call, also in plain text when they stay on the host.
func TestCredentialsAreSent(t *testing.T) {
	for _, test := range []struct {
		name        string
		credentials *vcentergateway.Credentials
		key, want   string
	}{
		{
			"basic", vcentergateway.Basic("user", secret),
			"authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+secret)),
		},
		{"session", vcentergateway.Session("b00db39f"), "vmware-api-session-id", "b00db39f"},
		{"bearer", vcentergateway.Bearer("header.payload.signature\n"), "authorization", "Bearer header.payload.signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t)
			conn := connect(t, s.target, vcentergateway.WithCredentials(test.credentials))
			for range 2 {
				if err := read(t.Context(), conn); err != nil {
					t.Fatal(err)
				}
				if got := s.header.Get(test.key); len(got) != 1 || got[0] != test.want {
					t.Errorf("the gateway got %q", got)
				}
			}
		})
	}
}

// A token that is renewed is asked for with every call, and a call without one is not sent.
func TestBearerFunc(t *testing.T) {
	s := serve(t)
	file := filepath.Join(t.TempDir(), "token")
	conn := connect(t, s.target, vcentergateway.WithCredentials(
		vcentergateway.BearerFunc(func(context.Context) (string, error) {
			token, err := os.ReadFile(file)
			return string(token), err
		})))
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		if got := s.header.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+token {
			t.Errorf("the gateway got %q", got)
		}
	}
	for what, content := range map[string]string{"an empty one": "", "two": "b00d b39f"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := read(t.Context(), conn)
		if status.Code(err) != codes.Unauthenticated || strings.Contains(err.Error(), "b00d") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := read(t.Context(), conn); status.Code(err) != codes.Unauthenticated {
		t.Errorf("none: %v", err)
	}
	if calls := s.calls.Load(); calls != 2 {
		t.Errorf("%d calls arrived", calls)
	}
}

// A call with credentials of its own sends these alone.
func TestCredentialsOfOneCall(t *testing.T) {
	s := serve(t)
	conn := connect(t, s.target, vcentergateway.WithCredentials(vcentergateway.Basic("user", secret)))
	if err := read(t.Context(), conn, grpc.PerRPCCredentials(vcentergateway.Session("b00db39f"))); err != nil {
		t.Fatal(err)
	}
	if got := s.header.Get("vmware-api-session-id"); len(got) != 1 {
		t.Errorf("the gateway got the session %q", got)
	}
	if got := s.header.Get("authorization"); len(got) != 0 {
		t.Error("the gateway got the connection's credentials as well")
	}
}

// Connect refuses to send credentials to another host in plain text, unless told otherwise.
func TestConnectRefusesPlaintext(t *testing.T) {
	for target, local := range map[string]bool{
		"127.0.0.1:50051":                      true,
		"127.1.2.3:50051":                      true,
		"127.0.0.1":                            true,
		"[::1]:50051":                          true,
		"[::1]":                                true,
		"[::ffff:127.0.0.1]:50051":             true,
		"localhost:50051":                      true,
		"LocalHost:50051":                      true,
		"dns:///localhost:50051":               true,
		"dns://192.0.2.53/localhost:50051":     true,
		"passthrough:///127.0.0.1:50051":       true,
		"unix:gateway.sock":                    true,
		"unix:///run/gateway.sock":             true,
		"unix-abstract:gateway":                true,
		"gateway.example.com:443":              false,
		"localhost.example.com:443":            false,
		"127.0.0.1.example.com:443":            false,
		"192.0.2.1:50051":                      false,
		"0.0.0.0:50051":                        false,
		"[2001:db8::1]:50051":                  false,
		"dns://127.0.0.1/gateway.example.com":  false,
		"passthrough:///gateway.example.com:1": false,
	} {
		basic := vcentergateway.WithCredentials(vcentergateway.Basic("user", secret))
		conn, err := vcentergateway.Connect(target, basic)
		if (err == nil) != local {
			t.Errorf("%s: %v", target, err)
		}
		if err == nil {
			conn.Close()
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error has the secret", target)
		}
		for _, allowed := range []vcentergateway.Option{
			vcentergateway.WithTLS(nil), vcentergateway.WithCredentialsInPlaintext(),
		} {
			conn, err := vcentergateway.Connect(target, basic, allowed)
			if err != nil {
				t.Errorf("%s: %v", target, err)
				continue
			}
			conn.Close()
		}
	}
}

// A local name that leads to another host gets no credentials either, nor does a call that brings its own.
func TestCallsRefusePlaintext(t *testing.T) {
	s := serve(t)
	ofConnection := connect(t, "passthrough:///localhost:50051", elsewhere(s.target),
		vcentergateway.WithCredentials(vcentergateway.Basic("user", secret)))
	ofCall := connect(t, "passthrough:///gateway.example.com:443", elsewhere(s.target))
	for name, err := range map[string]error{
		"of the connection": read(t.Context(), ofConnection),
		"of the call":       read(t.Context(), ofCall, grpc.PerRPCCredentials(vcentergateway.Session("b00db39f"))),
	} {
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls := s.calls.Load(); calls != 0 {
		t.Errorf("%d calls arrived", calls)
	}
	if err := read(t.Context(), ofCall); err != nil {
		t.Errorf("without credentials: %v", err)
	}
}

// With the switch, credentials go to another host in plain text.
func TestCredentialsInPlaintext(t *testing.T) {
	s := serve(t)
	conn := connect(t, "passthrough:///gateway.example.com:443", elsewhere(s.target),
		vcentergateway.WithCredentials(vcentergateway.Basic("user", secret)), vcentergateway.WithCredentialsInPlaintext())
	if err := read(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if got := s.header.Get("authorization"); len(got) != 1 {
		t.Errorf("the gateway got %q", got)
	}
}

// A socket of the host is as good as its loopback address.
func TestCredentialsOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s, grpcServer := &server{}, grpc.NewServer()
	vcenterv1.RegisterVmServiceServer(grpcServer, s)
	go grpcServer.Serve(listener)
	t.Cleanup(grpcServer.Stop)
	conn := connect(t, "unix:"+path, vcentergateway.WithCredentials(vcentergateway.Session("b00db39f")))
	if err := read(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

// Connections that were not made by Connect do not send them in plain text at all.
func TestCredentialsNeedConnect(t *testing.T) {
	s := serve(t)
	conn, err := grpc.NewClient(s.target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = read(t.Context(), conn, grpc.PerRPCCredentials(vcentergateway.Session("b00db39f")))
	if status.Code(err) != codes.Unauthenticated || s.calls.Load() != 0 {
		t.Errorf("%v, after %d calls", err, s.calls.Load())
	}
}

// Credentials that no header can hold fail with the connection and with the call, and are not in the error.
func TestMalformedCredentials(t *testing.T) {
	s := serve(t)
	for name, malformed := range map[string]*vcentergateway.Credentials{
		"no user":           vcentergateway.Basic("", secret),
		"colon in user":     vcentergateway.Basic("us:er", secret),
		"no session":        vcentergateway.Session(""),
		"no token":          vcentergateway.Bearer(" "),
		"two tokens":        vcentergateway.Bearer("b00d b39f"),
		"line feed":         vcentergateway.Session("b00d\nb39f"),
		"beyond ASCII":      vcentergateway.Session("b00dß"),
		"space within":      vcentergateway.Session("b00d b39f"),
		"carriage at start": vcentergateway.Session("\rb00d"),
	} {
		_, err := vcentergateway.Connect(s.target, vcentergateway.WithCredentials(malformed))
		if err == nil || strings.Contains(err.Error(), "b00d") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: Connect returns %v", name, err)
		}
		err = read(t.Context(), connect(t, s.target), grpc.PerRPCCredentials(malformed))
		if status.Code(err) != codes.Unauthenticated || strings.Contains(err.Error(), "b00d") {
			t.Errorf("%s: the call returns %v", name, err)
		}
	}
}

// No way of printing shows a secret, be it of the credentials or of what holds them.
func TestSecretsAreNotPrinted(t *testing.T) {
	basic := vcentergateway.Basic("user", secret)
	option, hidden := grpc.PerRPCCredentials(basic), struct{ c credentials.PerRPCCredentials }{basic}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "credentials", basic, "value", *basic, "option", option)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "credentials", basic, "value", *basic, "option", option)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+verb+verb+verb, basic, *basic, option, hidden)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
	for _, form := range []string{secret, encoded, fmt.Sprintf("%x", secret), fmt.Sprintf("%x", encoded)} {
		if strings.Contains(log.String(), form) {
			t.Errorf("printed: %s", log.String())
		}
	}
}
