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
	"maps"
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
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/all"
)

type call struct {
	RPC         string            `json:"rpc"`
	Request     json.RawMessage   `json:"request"`
	Requests    []json.RawMessage `json:"requests"`
	Stream      bool              `json:"stream"`
	CancelAfter int               `json:"cancel_after"`
}

type answer struct {
	Response json.RawMessage `json:"response,omitempty"`
	Message  json.RawMessage `json:"message,omitempty"`
	End      *struct{}       `json:"end,omitempty"`
	Error    *failure        `json:"error,omitempty"`
}

type failure struct {
	Code            string            `json:"code"`
	Reason          string            `json:"reason"`
	GatewayReason   string            `json:"gateway_reason"`
	ErrorType       string            `json:"error_type"`
	Message         string            `json:"message"`
	Messages        []message         `json:"messages"`
	Violations      []violation       `json:"violations"`
	RetryDelay      *float64          `json:"retry_delay"`
	MayHaveExecuted bool              `json:"may_have_executed"`
	RequestID       string            `json:"request_id"`
	Metadata        map[string]string `json:"metadata"`
	Data            json.RawMessage   `json:"data"`
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
	requests, err := readRequests(c, method.Input())
	if err != nil {
		return nil, err
	}
	response, err := newMessage(method.Output())
	if err != nil {
		return nil, err
	}
	switch {
	case c.Stream:
		err = watch(ctx, conn, c, requests, response, answers)
	case c.Requests != nil:
		err = upload(ctx, conn, c, requests, response)
	default:
		err = conn.Invoke(ctx, "/"+c.RPC, requests[0], response)
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

// readRequests reads the requests of a call, of which there is one unless the call streams them.
func readRequests(c call, kind protoreflect.MessageDescriptor) ([]proto.Message, error) {
	encoded := c.Requests
	if encoded == nil {
		encoded = []json.RawMessage{c.Request}
	}
	requests := make([]proto.Message, len(encoded))
	for i := range encoded {
		var err error
		if requests[i], err = newMessage(kind); err != nil {
			return nil, err
		}
		if err := protojson.Unmarshal(encoded[i], requests[i]); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// open opens a stream as generated code does, and sends the requests.
func open(ctx context.Context, conn *grpc.ClientConn, c call, requests []proto.Message) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{ClientStreams: c.Requests != nil, ServerStreams: c.Stream}
	stream, err := conn.NewStream(ctx, desc, "/"+c.RPC)
	if err != nil {
		return nil, err
	}
	for _, request := range requests {
		if err := stream.SendMsg(request); errors.Is(err, io.EOF) {
			break // The stream has ended; receiving tells why.
		} else if err != nil {
			return nil, err
		}
	}
	return stream, stream.CloseSend()
}

// upload makes a call with a stream of requests, and returns what it fails with.
func upload(ctx context.Context, conn *grpc.ClientConn, c call, requests []proto.Message, response proto.Message) error {
	stream, err := open(ctx, conn, c, requests)
	if err != nil {
		return err
	}
	return stream.RecvMsg(response)
}

// watch writes the messages of a stream, and returns what ends it.
func watch(
	ctx context.Context, conn *grpc.ClientConn, c call, requests []proto.Message, message proto.Message,
	answers *json.Encoder,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, conn, c, requests)
	if err != nil {
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
		Metadata:        map[string]string{},
	}
	maps.Copy(f.Metadata, failed.Metadata)
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
