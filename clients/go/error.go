package vcentergateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	stdv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/v1"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
)

// gatewayDomain is the Domain of errors that the gateway itself reports.
const gatewayDomain = "vcenter-gateway"

// Error is everything that is known about a failed call. Fields without data in the call's status are zero, which is
// most of them if the gateway was unreachable.
type Error struct {
	// Code says how to react.
	Code codes.Code

	// Message is the text of the status, in English.
	Message string

	// Reason says what happened: vCenter's name of the error type, HTTP_<status> if its response had none, or the
	// gateway's own reason, such as REQUEST_INVALID; see [Error.GatewayReason]. It is empty if the error is not from the
	// gateway.
	Reason string

	// Domain is vcenter.vmware.com if vCenter reported the error, and vcenter-gateway if the gateway did.
	Domain string

	// Metadata is additional data about the error: the operation in vCenter, and the http_status of its response.
	Metadata map[string]string

	// Type is vCenter's error type, ERROR_TYPE_UNSPECIFIED if it sent none or one that is unknown to this package.
	Type errorsv1.ErrorType

	// Messages are vCenter's messages, outermost cause first.
	Messages []*stdv1.LocalizableMessage

	// Data is additional data from vCenter. Its structure depends on the operation. Some data is also available as a typed
	// message, see [Detail].
	Data *structpb.Struct

	// Violations are the errors in the request, each with the path of its field.
	Violations []*errdetails.BadRequest_FieldViolation

	// RetryDelay is how long to wait before a retry, if that helps.
	RetryDelay time.Duration

	// MayHaveExecuted reports whether a call that changes something was sent and has no readable response: check the
	// machine's state before you retry. The gateway reports this. If the gateway did not respond because the connection
	// was lost or the deadline was exceeded, this is true unless the call is read-only or could not be sent.
	MayHaveExecuted bool

	// RequestID identifies the call in the logs of the gateway and vCenter.
	RequestID string

	status *status.Status
	cause  error
}

// ErrorFrom converts an error that a stub returned, wrapped or not. It returns nil for nil. An error that is not from
// gRPC has the code Unknown, or the code that corresponds to its context error. For a connection that [Connect] did not
// create, it is unknown which call failed: if the gateway did not respond, MayHaveExecuted then assumes a call that
// changes something.
func ErrorFrom(err error) *Error {
	if err == nil {
		return nil
	}
	var read *Error
	if errors.As(err, &read) {
		return read
	}
	return newError(err, true)
}

// newError converts a gRPC error. The call mayChange something if it was sent and is not read-only.
func newError(err error, mayChange bool) *Error {
	e := &Error{status: statusOf(err), cause: err}
	e.Code, e.Message = e.status.Code(), e.status.Message()
	e.MayHaveExecuted = mayChange && undecided(e.Code)
	for _, detail := range e.status.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Domain, e.Metadata = detail.GetReason(), detail.GetDomain(), detail.GetMetadata()
			e.MayHaveExecuted = detail.GetMetadata()["may_have_executed"] == "true"
		case *errorsv1.Error:
			e.Messages, e.Data = detail.GetMessages(), detail.GetData()
			if _, known := errorsv1.ErrorType_name[int32(detail.GetErrorType())]; known {
				e.Type = detail.GetErrorType()
			}
		case *errdetails.BadRequest:
			e.Violations = detail.GetFieldViolations()
		case *errdetails.RetryInfo:
			e.RetryDelay = detail.GetRetryDelay().AsDuration()
		case *errdetails.RequestInfo:
			e.RequestID = detail.GetRequestId()
		}
	}
	return e
}

// undecided reports whether the outcome of a call that gRPC itself ended with a code is unknown.
func undecided(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		return true
	default:
		return false
	}
}

// GatewayReason returns the gateway's own reason. It is REASON_UNSPECIFIED if vCenter reported the error, if the
// gateway did not respond, or if the reason is unknown to this package; see Reason in this case.
func (e *Error) GatewayReason() gatewayv1.Reason {
	if e.Domain != gatewayDomain {
		return gatewayv1.Reason_REASON_UNSPECIFIED
	}
	return gatewayv1.Reason(gatewayv1.Reason_value["REASON_"+e.Reason])
}

// TypeOf returns vCenter's error type, or ERROR_TYPE_UNSPECIFIED if there is none. The error can be nil.
func TypeOf(err error) errorsv1.ErrorType {
	if e := ErrorFrom(err); e != nil {
		return e.Type
	}
	return errorsv1.ErrorType_ERROR_TYPE_UNSPECIFIED
}

// Detail returns the first detail of an error's status that is an M, for example a *guestv1.ProcessErrorDetails.
func Detail[M proto.Message](err error) (M, bool) {
	if e := ErrorFrom(err); e != nil {
		for _, detail := range e.status.Details() {
			if found, ok := detail.(M); ok {
				return found, true
			}
		}
	}
	var none M
	return none, false
}

// Error returns the code, reason, message and request ID in one line.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "vcenter gateway: %s", e.Code)
	if e.Reason != "" {
		fmt.Fprintf(&text, " (%s)", e.Reason)
	}
	fmt.Fprintf(&text, ": %s", e.Message)
	if e.RequestID != "" {
		fmt.Fprintf(&text, " [request %s]", e.RequestID)
	}
	return text.String()
}

// GRPCStatus returns the status that the call ended with, for the package google.golang.org/grpc/status.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil { // made by hand, as in tests
		return status.New(e.Code, e.Message)
	}
	return e.status
}

// Unwrap returns the error that e was created from.
func (e *Error) Unwrap() error { return e.cause }

// statusOf is status.Convert, but keeps the message unchanged if the status is wrapped.
func statusOf(err error) *status.Status {
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) && carrier.GRPCStatus() != nil {
		return carrier.GRPCStatus()
	}
	if errors.Is(err, context.Canceled) {
		return status.New(codes.Canceled, err.Error())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return status.New(codes.DeadlineExceeded, err.Error())
	}
	return status.New(codes.Unknown, err.Error())
}
