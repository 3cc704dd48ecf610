package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	filesystemv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/filesystem/v1"
	guestv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/v1"
	"google.golang.org/protobuf/proto"
)

// account is an account of the guest.
type account struct{ user, password string }

// credentials are the account as requests carry it.
func (a account) credentials() *guestv1.Credentials {
	return &guestv1.Credentials{
		Type:               guestv1.CredentialsType_CREDENTIALS_TYPE_USERNAME_PASSWORD.Enum(),
		UserName:           &a.user,
		Password:           &a.password,
		InteractiveSession: proto.Bool(false),
	}
}

// web says how to reach the URLs of transfers, which lead past the gateway to the hosts.
type web struct {
	host   string // takes the place of a host whose name is "*"
	caFile string // authorities to trust instead of the system's
}

// waitForAddress waits until the guest is customized and has an address, and returns the address. Before the
// customization ends, the guest may still report the address of its template.
func (c *client) waitForAddress(ctx context.Context, vm string) (string, error) {
	customizations, identities := guestv1.NewCustomizationServiceClient(c.conn), guestv1.NewIdentityServiceClient(c.conn)
	_, err := until(ctx, c, "the customization", func() (none struct{}, done bool, err error) {
		response, err := customizations.GetCustomization(ctx, &guestv1.GetCustomizationRequest{Vm: vm})
		info := response.GetCustomization()
		if info.GetStatus() == guestv1.CustomizationStatus_CUSTOMIZATION_STATUS_FAILED {
			return none, false, fmt.Errorf("the customization failed: %s", info.GetError())
		}
		return none, info.GetStatus() == guestv1.CustomizationStatus_CUSTOMIZATION_STATUS_SUCCEEDED, err
	})
	if err != nil {
		return "", err
	}
	return until(ctx, c, "the guest's address", func() (string, bool, error) {
		response, err := identities.GetIdentity(ctx, &guestv1.GetIdentityRequest{Vm: vm})
		address := response.GetIdentity().GetIpAddress()
		// VMware Tools may have nothing to report yet.
		return address, address != "", accept(err, errorsv1.ErrorType_ERROR_TYPE_SERVICE_UNAVAILABLE)
	})
}

// [docs: program]

// runProgram runs a program in the guest and waits for its end. It fails unless the program exits with 0.
func (c *client) runProgram(ctx context.Context, vm string, account account, path string) error {
	processes := guestv1.NewProcessesServiceClient(c.conn)
	started, err := whileBusy(ctx, c, processes.CreateProcess, &guestv1.CreateProcessRequest{
		Vm:          vm,
		Credentials: account.credentials(),
		Spec:        &guestv1.ProcessesCreateSpec{Path: &path, WorkingDirectory: proto.String("/tmp")},
	})
	if err != nil {
		return err
	}
	ended, err := until(ctx, c, path, func() (*guestv1.ProcessesInfo, bool, error) {
		response, err := processes.GetProcess(ctx, &guestv1.GetProcessRequest{
			Vm: vm, Pid: started.GetPid(), Credentials: account.credentials(),
		})
		return response.GetProcess(), response.GetProcess().GetFinished() != nil, err
	})
	if err == nil && ended.GetExitCode() != 0 {
		err = fmt.Errorf("%s exited with %d", path, ended.GetExitCode())
	}
	return err
}

// [docs: end]

// upload copies a file into the guest. It replaces none that is there.
func (c *client) upload(
	ctx context.Context, web web, vm string, account account, path string, content []byte, permissions string,
) error {
	address, err := c.transfer(ctx, vm, account, &filesystemv1.TransfersCreateSpec{
		Path: &path,
		Attributes: &filesystemv1.TransfersFileCreationAttributes{
			Size:  proto.Int64(int64(len(content))),
			Posix: &filesystemv1.TransfersPosixFileAttributesCreateSpec{Permissions: &permissions},
		},
	})
	if err == nil {
		_, err = web.request(ctx, http.MethodPut, address, content)
	}
	return err
}

// download copies a file out of the guest, and returns its content.
func (c *client) download(ctx context.Context, web web, vm string, account account, path string) ([]byte, error) {
	address, err := c.transfer(ctx, vm, account, &filesystemv1.TransfersCreateSpec{Path: &path})
	if err != nil {
		return nil, err
	}
	return web.request(ctx, http.MethodGet, address, nil)
}

func (c *client) transfer(
	ctx context.Context, vm string, account account, spec *filesystemv1.TransfersCreateSpec,
) (string, error) {
	response, err := filesystemv1.NewTransfersServiceClient(c.conn).CreateTransfer(ctx,
		&filesystemv1.CreateTransferRequest{Vm: vm, Credentials: account.credentials(), Spec: spec})
	return response.GetUrl(), err
}

// request sends the one request that a URL is for. The URL is a secret, and is in no message.
func (w web) request(ctx context.Context, method, address string, content []byte) ([]byte, error) {
	roots, err := w.roots()
	if err != nil {
		return nil, err
	}
	address = strings.Replace(address, "//*", "//"+w.host, 1)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return nil, errors.New("the transfer failed: its URL cannot be read")
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the URL
	}
	if err != nil {
		return nil, fmt.Errorf("the transfer failed: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("the transfer failed: HTTP %s", response.Status)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("the transfer failed: %w", err)
	}
	return body, nil
}

// roots are the authorities to trust, nil for the system's.
func (w web) roots() (*x509.CertPool, error) {
	if w.caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(w.caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificates", w.caFile)
	}
	return roots, nil
}
