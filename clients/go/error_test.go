package vcentergateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	errorsv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/errors/v1"
	stdv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vapi/std/v1"
	gatewayv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/gateway/v1"
	guestv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/v1"
)

// statusWith returns an error of gRPC with these details.
func statusWith(code codes.Code, message string, details ...proto.Message) error {
	content := &statuspb.Status{Code: int32(code), Message: message}
	for _, detail := range details {
		packed, ok := detail.(*anypb.Any)
		if !ok {
			packed, _ = anypb.New(detail)
		}
		content.Details = append(content.Details, packed)
	}
	return status.FromProto(content).Err()
}

func complete() error {
	data, _ := structpb.NewStruct(map[string]any{"exit_code": 1})
	return statusWith(codes.FailedPrecondition, "connected already",
		&errdetails.ErrorInfo{
			Reason: "ALREADY_IN_DESIRED_STATE", Domain: "vcenter.vmware.com",
			Metadata: map[string]string{"http_status": "400", "may_have_executed": "true"},
		},
		&errorsv1.Error{
			ErrorType: errorsv1.ErrorType_ERROR_TYPE_ALREADY_IN_DESIRED_STATE.Enum(),
			Messages: []*stdv1.LocalizableMessage{
				{Id: proto.String("outer"), DefaultMessage: proto.String("It is connected."), Args: []string{"a", "b"}},
				{Id: proto.String("inner")},
			},
			Data: data,
		},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "spec.size_mib", Description: "too large"},
		}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.RequestInfo{RequestId: "r-1"},
		&guestv1.ProcessErrorDetails{},
	)
}

// A call that fails returns an *Error with everything that its status carries.
func TestErrorOfCall(t *testing.T) {
	s := serve(t)
	s.answer = func(context.Context) error { return complete() }
	err := write(t.Context(), connect(t, s.target))
	var e *vcentergateway.Error
	if !errors.As(fmt.Errorf("connecting: %w", err), &e) {
		t.Fatalf("the call returned a %T", err)
	}
	if e.Code != codes.FailedPrecondition || e.Message != "connected already" {
		t.Errorf("code and message are %v, %q", e.Code, e.Message)
	}
	if e.Reason != "ALREADY_IN_DESIRED_STATE" || e.Domain != "vcenter.vmware.com" || e.Metadata["http_status"] != "400" {
		t.Errorf("reason, domain and metadata are %q, %q, %v", e.Reason, e.Domain, e.Metadata)
	}
	if e.Type != errorsv1.ErrorType_ERROR_TYPE_ALREADY_IN_DESIRED_STATE || vcentergateway.TypeOf(err) != e.Type {
		t.Errorf("the type is %v", e.Type)
	}
	if len(e.Messages) != 2 || e.Messages[0].GetDefaultMessage() != "It is connected." ||
		e.Messages[0].GetArgs()[1] != "b" {
		t.Errorf("the messages are %v", e.Messages)
	}
	if e.Data.GetFields()["exit_code"].GetNumberValue() != 1 {
		t.Errorf("the data is %v", e.Data)
	}
	if len(e.Violations) != 1 || e.Violations[0].GetField() != "spec.size_mib" {
		t.Errorf("the violations are %v", e.Violations)
	}
	if e.RetryDelay != 1500*time.Millisecond || !e.MayHaveExecuted || e.RequestID != "r-1" {
		t.Errorf("delay, execution and request are %v, %v, %q", e.RetryDelay, e.MayHaveExecuted, e.RequestID)
	}
	if _, ok := vcentergateway.Detail[*guestv1.ProcessErrorDetails](err); !ok {
		t.Error("the typed detail is missing")
	}
	if _, ok := vcentergateway.Detail[*errdetails.Help](err); ok {
		t.Error("there is a detail that nobody sent")
	}
	if code := status.Code(err); code != codes.FailedPrecondition {
		t.Errorf("the package status sees %v", code)
	}
	want := "vcenter gateway: FailedPrecondition (ALREADY_IN_DESIRED_STATE): connected already [request r-1]"
	if err.Error() != want {
		t.Errorf("the text is %q", err)
	}
}

// An error without details, or with details that cannot be read, has its code and message and nothing else.
func TestErrorWithLittle(t *testing.T) {
	unknown := &anypb.Any{TypeUrl: "type.googleapis.com/of.Tomorrow"}
	garbage := &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.ErrorInfo", Value: []byte{0xff}}
	empty := []proto.Message{&errdetails.ErrorInfo{}, &errorsv1.Error{}, &errdetails.RetryInfo{}}
	newer := &errorsv1.Error{ErrorType: errorsv1.ErrorType(9999).Enum()}
	for _, test := range []struct {
		name    string
		err     error
		code    codes.Code
		message string
	}{
		{"plain status", status.Error(codes.NotFound, "gone"), codes.NotFound, "gone"},
		{"wrapped status", fmt.Errorf("reading: %w", status.Error(codes.NotFound, "gone")), codes.NotFound, "gone"},
		{"unknown detail", statusWith(codes.Internal, "odd", unknown), codes.Internal, "odd"},
		{"garbage in details", statusWith(codes.Internal, "odd", garbage, &anypb.Any{}), codes.Internal, "odd"},
		{"empty details", statusWith(codes.Aborted, "busy", empty...), codes.Aborted, "busy"},
		{"type of a newer contract", statusWith(codes.Aborted, "new", newer), codes.Aborted, "new"},
		{"code of a newer gRPC", statusWith(codes.Code(99), "new"), codes.Code(99), "new"},
		{"cancellation", fmt.Errorf("waiting: %w", context.Canceled), codes.Canceled, "waiting: context canceled"},
		{"deadline", context.DeadlineExceeded, codes.DeadlineExceeded, "context deadline exceeded"},
		{"no status", io.EOF, codes.Unknown, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := vcentergateway.ErrorFrom(test.err)
			if e.Code != test.code || e.Message != test.message {
				t.Errorf("code and message are %v, %q", e.Code, e.Message)
			}
			if e.Reason != "" || e.Type != 0 || e.RequestID != "" || e.RetryDelay != 0 ||
				e.Messages != nil || e.Violations != nil || e.Data != nil {
				t.Errorf("there is more than was sent: %#v", e)
			}
			if !errors.Is(e, test.err) {
				t.Error("the error itself is not found in it")
			}
		})
	}
}

// Details that can be read are not lost beside one that cannot.
func TestErrorReadsAroundGarbage(t *testing.T) {
	err := statusWith(codes.Internal, "odd", &anypb.Any{TypeUrl: "nonsense", Value: []byte{0xff}},
		&errdetails.RequestInfo{RequestId: "r-1"})
	if e := vcentergateway.ErrorFrom(err); e.RequestID != "r-1" {
		t.Errorf("the request is %q", e.RequestID)
	}
}

// When the gateway did not answer, a change may have executed if gRPC itself ended it. A read never has effects, and what
// the gateway says counts.
func TestMayHaveExecuted(t *testing.T) {
	undecided := []codes.Code{
		codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal,
	}
	s := serve(t)
	conn := connect(t, s.target, vcentergateway.WithDialOptions(grpc.WithDisableRetry()))
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		want := slices.Contains(undecided, code)
		s.answer = func(context.Context) error { return status.Error(code, "says gRPC") }
		if e := vcentergateway.ErrorFrom(write(t.Context(), conn)); e.MayHaveExecuted != want {
			t.Errorf("%v: a change may have executed: %v", code, e.MayHaveExecuted)
		}
		if e := vcentergateway.ErrorFrom(read(t.Context(), conn)); e.MayHaveExecuted {
			t.Errorf("%v: a read may have executed", code)
		}
		if e := vcentergateway.ErrorFrom(status.Error(code, "of another connection")); e.MayHaveExecuted != want {
			t.Errorf("%v: what is unknown may have executed: %v", code, e.MayHaveExecuted)
		}
		s.answer = func(context.Context) error { return statusWith(code, "", &errdetails.ErrorInfo{Reason: "X"}) }
		if e := vcentergateway.ErrorFrom(write(t.Context(), conn)); e.MayHaveExecuted {
			t.Errorf("%v: a change may have executed, although the gateway says no", code)
		}
	}
	s.answer = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	e := vcentergateway.ErrorFrom(write(ctx, conn))
	if e.Code != codes.DeadlineExceeded || !e.MayHaveExecuted {
		t.Errorf("a change whose time was up gives %#v", e)
	}
	_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if e := vcentergateway.ErrorFrom(err); e.Code != codes.DeadlineExceeded || e.MayHaveExecuted {
		t.Errorf("gRPC's own services give %#v", e)
	}
}

// The gateway's own reason is typed where the gateway reported the error, and this package knows the reason.
func TestGatewayReason(t *testing.T) {
	for _, test := range []struct {
		domain, reason string
		want           gatewayv1.Reason
	}{
		{"vcenter-gateway", "OVERLOADED", gatewayv1.Reason_REASON_OVERLOADED},
		{"vcenter.vmware.com", "OVERLOADED", gatewayv1.Reason_REASON_UNSPECIFIED},
		{"vcenter-gateway", "OF_A_LATER_RELEASE", gatewayv1.Reason_REASON_UNSPECIFIED},
		{"", "", gatewayv1.Reason_REASON_UNSPECIFIED},
	} {
		e := vcentergateway.ErrorFrom(statusWith(codes.Aborted, "",
			&errdetails.ErrorInfo{Domain: test.domain, Reason: test.reason}))
		if e.GatewayReason() != test.want || e.Reason != test.reason {
			t.Errorf("%s of %s is %v", test.reason, test.domain, e.GatewayReason())
		}
	}
}

// No error is no error.
func TestNoError(t *testing.T) {
	if e := vcentergateway.ErrorFrom(nil); e != nil {
		t.Errorf("%v", e)
	}
	if kind := vcentergateway.TypeOf(nil); kind != errorsv1.ErrorType_ERROR_TYPE_UNSPECIFIED {
		t.Errorf("%v", kind)
	}
}

// An error that a test makes by hand looks like one of the gateway.
func TestErrorByHand(t *testing.T) {
	err := error(&vcentergateway.Error{Code: codes.NotFound, Message: "gone"})
	if code := status.Code(err); code != codes.NotFound {
		t.Errorf("its code is %v", code)
	}
}

// A gateway that cannot be reached is an error like any other.
func TestErrorOfUnreachableGateway(t *testing.T) {
	err := write(t.Context(), connect(t, "127.0.0.1:1"))
	if e := vcentergateway.ErrorFrom(err); e.Code != codes.Unavailable || e.Reason != "" || e.MayHaveExecuted {
		t.Errorf("%v", err)
	}
	if !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("the address is not in %q", err)
	}
}
