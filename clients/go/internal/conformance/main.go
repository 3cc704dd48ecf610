// The conformance runner makes the calls that it reads from its standard input and writes what came of them to its
// standard output, as clients/conformance/README.md describes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/internal/packages"
)

type call struct {
	RPC         string          `json:"rpc"`
	Request     json.RawMessage `json:"request"`
	Stream      bool            `json:"stream"`
	CancelAfter int             `json:"cancel_after"`
}

type answer struct {
	Response json.RawMessage `json:"response,omitempty"`
	Message  json.RawMessage `json:"message,omitempty"`
	End      *struct{}       `json:"end,omitempty"`
	Error    *failure        `json:"error,omitempty"`
}

type failure struct {
	Code            string          `json:"code"`
	Reason          string          `json:"reason"`
	GatewayReason   string          `json:"gateway_reason"`
	ErrorType       string          `json:"error_type"`
	Message         string          `json:"message"`
	Messages        []message       `json:"messages"`
	Violations      []violation     `json:"violations"`
	RetryDelay      *float64        `json:"retry_delay"`
	MayHaveExecuted bool            `json:"may_have_executed"`
	RequestID       string          `json:"request_id"`
	Data            json.RawMessage `json:"data"`
}

type message struct {
	ID             string   `json:"id"`
	DefaultMessage string   `json:"default_message"`
	Args           []string `json:"args"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, input io.Reader, output io.Writer) error {
	conn, err := vcentergateway.Connect(os.Getenv("GATEWAY_TARGET"), vcentergateway.WithCredentials(
		vcentergateway.Basic(os.Getenv("GATEWAY_USER"), os.Getenv("GATEWAY_PASSWORD"))),
		vcentergateway.WithCredentialsInPlaintext())
	if err != nil {
		return err
	}
	defer conn.Close()
	calls, answers := json.NewDecoder(input), json.NewEncoder(output)
	for {
		var c call
		if err := calls.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := makeCall(ctx, conn, c, answers)
		if err != nil {
			return fmt.Errorf("%s: %w", c.RPC, err)
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

// makeCall makes a call and returns the last line of its answer. The messages of a stream it writes as they arrive.
func makeCall(ctx context.Context, conn *grpc.ClientConn, c call, answers *json.Encoder) (*answer, error) {
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(
		protoreflect.FullName(strings.Replace(c.RPC, "/", ".", 1)))
	if err != nil {
		return nil, err
	}
	method, ok := descriptor.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, errors.New("not an rpc")
	}
	request, err := newMessage(method.Input())
	if err != nil {
		return nil, err
	}
	response, err := newMessage(method.Output())
	if err != nil {
		return nil, err
	}
	if err := protojson.Unmarshal(c.Request, request); err != nil {
		return nil, err
	}
	if c.Stream {
		err = watch(ctx, conn, c, request, response, answers)
	} else {
		err = conn.Invoke(ctx, "/"+c.RPC, request, response)
	}
	switch {
	case err != nil:
		var failed *vcentergateway.Error
		if !errors.As(err, &failed) {
			return nil, err
		}
		f, err := describe(failed)
		return &answer{Error: f}, err
	case c.Stream:
		return &answer{End: &struct{}{}}, nil
	default:
		encoded, err := protojson.Marshal(response)
		return &answer{Response: encoded}, err
	}
}

// watch opens a stream as generated code does, and returns what ends it.
func watch(
	ctx context.Context, conn *grpc.ClientConn, c call, request, message proto.Message, answers *json.Encoder,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+c.RPC)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for number := 1; ; number++ {
		if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		encoded, err := protojson.Marshal(message)
		if err != nil {
			return err
		}
		if err := answers.Encode(&answer{Message: encoded}); err != nil {
			return err
		}
		if number == c.CancelAfter {
			cancel()
		}
	}
}

func newMessage(descriptor protoreflect.MessageDescriptor) (proto.Message, error) {
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		return nil, err
	}
	return messageType.New().Interface(), nil
}

func describe(failed *vcentergateway.Error) (*failure, error) {
	f := &failure{
		Code:            code.Code(failed.Code).String(),
		Reason:          failed.Reason,
		GatewayReason:   failed.GatewayReason().String(),
		ErrorType:       failed.Type.String(),
		Message:         failed.Message,
		Messages:        []message{},
		Violations:      []violation{},
		MayHaveExecuted: failed.MayHaveExecuted,
		RequestID:       failed.RequestID,
	}
	for _, m := range failed.Messages {
		f.Messages = append(f.Messages, message{m.GetId(), m.GetDefaultMessage(), append([]string{}, m.GetArgs()...)})
	}
	for _, v := range failed.Violations {
		f.Violations = append(f.Violations, violation{v.GetField(), v.GetDescription()})
	}
	if failed.RetryDelay > 0 {
		seconds := failed.RetryDelay.Seconds()
		f.RetryDelay = &seconds
	}
	if failed.Data != nil {
		data, err := protojson.Marshal(failed.Data)
		if err != nil {
			return nil, err
		}
		f.Data = data
	}
	return f, nil
}
