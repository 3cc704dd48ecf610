package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// client is the connection, with how long to wait for something to happen, and how often to ask for it.
type client struct {
	conn          *grpc.ClientConn
	timeout, poll time.Duration
}

// until asks until there is an answer, and fails when that takes too long.
func until[T any](ctx context.Context, c *client, what string, ask func() (answer T, done bool, err error)) (T, error) {
	end := time.Now().Add(c.timeout)
	for {
		answer, done, err := ask()
		switch {
		case done || err != nil:
			return answer, err
		case time.Now().After(end):
			return answer, fmt.Errorf("%s took longer than %g seconds", what, c.timeout.Seconds())
		}
		if err := pause(ctx, c.poll); err != nil {
			return answer, err
		}
	}
}

// An rpc is a method of a stub.
type rpc[Request, Response any] func(context.Context, Request, ...grpc.CallOption) (Response, error)

// [docs: busy]

// whileBusy makes a call that changes something, and repeats it while the machine is busy. vCenter has not begun the
// work when it answers RESOURCE_BUSY, so that nothing happens twice.
func whileBusy[Request, Response any](
	ctx context.Context, c *client, call rpc[Request, Response], request Request,
) (Response, error) {
	return repeat(ctx, c, call, request, isBusy)
}

// [docs: end]

// insist makes a call that removes something, and repeats it also when its outcome is unknown. It is for calls that do no
// harm when they run twice: the second time, there is nothing left to remove.
func insist[Request, Response any](
	ctx context.Context, c *client, call rpc[Request, Response], request Request,
) error {
	_, err := repeat(ctx, c, call, request, func(failed *vcentergateway.Error) bool {
		return isBusy(failed) || failed.MayHaveExecuted || failed.Code == codes.Unavailable
	})
	return err
}

func isBusy(failed *vcentergateway.Error) bool {
	return failed.Type == errorsv1.ErrorType_ERROR_TYPE_RESOURCE_BUSY
}

func repeat[Request, Response any](
	ctx context.Context, c *client, call rpc[Request, Response], request Request,
	helps func(*vcentergateway.Error) bool,
) (Response, error) {
	end := time.Now().Add(c.timeout)
	for {
		response, err := call(ctx, request)
		var failed *vcentergateway.Error
		if !errors.As(err, &failed) || !helps(failed) || time.Now().After(end) {
			return response, err
		}
		if pause(ctx, cmp.Or(failed.RetryDelay, c.poll)) != nil {
			return response, err
		}
	}
}

// accept returns nil for vCenter's errors of these types: those that say that there is nothing left to do.
func accept(err error, types ...errorsv1.ErrorType) error {
	if err != nil && slices.Contains(types, vcentergateway.TypeOf(err)) {
		return nil
	}
	return err
}

// mayHaveExecuted reports whether a call may have changed something although it failed: its answer was lost, or nobody
// waited for it.
func mayHaveExecuted(err error) bool {
	var failed *vcentergateway.Error
	return errors.As(err, &failed) && failed.MayHaveExecuted
}

func pause(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}
