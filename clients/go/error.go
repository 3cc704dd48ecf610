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

// Error is all that is known about a failed call. What the call's status says nothing about is zero, which is most of
// it when the gateway could not be reached.
type Error struct {
	// Code says how to react.
	Code codes.Code

	// Message is the text of the status, in English.
	Message string

	// Reason says what happened: vCenter's name of the error type, HTTP_<status> where its answer had none, or a
	// reason of the gateway's own such as REQUEST_INVALID, see [Error.GatewayReason]. It is empty when the error is not
	// from the gateway.
	Reason string

	// Domain is vcenter.vmware.com when vCenter reported the error, and vcenter-gateway when the gateway did.
	Domain string

	// Metadata are further facts about the error: the operation of vCenter, and the http_status of its answer.
	Metadata map[string]string

	// Type is vCenter's error type, ERROR_TYPE_UNSPECIFIED when it named none or one that this package does not know.
	Type errorsv1.ErrorType

	// Messages are what vCenter says, the outermost cause first.
	Messages []*stdv1.LocalizableMessage

	// Data are further facts from vCenter, of a structure that depends on the operation. Some are available as a typed
	// message as well, see [Detail].
	Data *structpb.Struct

	// Violations are the mistakes in the request, each with the path of its field.
	Violations []*errdetails.BadRequest_FieldViolation

	// RetryDelay is how long to wait before the call is repeated, where that helps.
	RetryDelay time.Duration

	// MayHaveExecuted reports that a call that changes something was sent and no readable answer came: look at the
	// machine before you repeat it. The gateway says so. When it did not answer, because the connection broke or the time
	// was up, this is true unless the call only reads or could not be sent.
	MayHaveExecuted bool

	// RequestID finds the call in the logs of the gateway and of vCenter.
	RequestID string

	status *status.Status
	cause  error
}

// ErrorFrom reads an error that a stub returned, wrapped or not. It returns nil for nil. An error that is none of gRPC
// has the code Unknown, or that which stands for its context error. Of a connection that [Connect] did not make, it is
// not known which call failed; where the gateway did not answer, MayHaveExecuted then assumes one that changes something.
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

// newError reads an error of gRPC. The call mayChange something if it was sent and is not read-only.
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

// undecided reports whether nobody knows what became of a call that gRPC itself ended with a code.
func undecided(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		return true
	default:
		return false
	}
}

// GatewayReason returns the gateway's own reason. It is REASON_UNSPECIFIED when vCenter reported the error, when the
// gateway did not answer, and when this package does not know the reason: Reason has it then.
func (e *Error) GatewayReason() gatewayv1.Reason {
	if e.Domain != gatewayDomain {
		return gatewayv1.Reason_REASON_UNSPECIFIED
	}
	return gatewayv1.Reason(gatewayv1.Reason_value["REASON_"+e.Reason])
}

// TypeOf returns vCenter's error type, ERROR_TYPE_UNSPECIFIED where there is none. The error may be nil.
func TypeOf(err error) errorsv1.ErrorType {
	if e := ErrorFrom(err); e != nil {
		return e.Type
	}
	return errorsv1.ErrorType_ERROR_TYPE_UNSPECIFIED
}

// Detail returns the first detail of an error's status that is an M, for instance a *guestv1.ProcessErrorDetails.
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

// Error returns code, reason, message and request id in one line.
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

// Unwrap returns the error that e was read from.
func (e *Error) Unwrap() error { return e.cause }

// statusOf is status.Convert, but leaves the message alone when the status is wrapped.
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
