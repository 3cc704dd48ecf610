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
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/compute/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/console/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/filesystem/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/hardware/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/storage/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/tools/v1"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/v1"
)

type call struct {
	RPC     string          `json:"rpc"`
	Request json.RawMessage `json:"request"`
}

type answer struct {
	Response json.RawMessage `json:"response,omitempty"`
	Error    *failure        `json:"error,omitempty"`
}

type failure struct {
	Code            string          `json:"code"`
	Reason          string          `json:"reason"`
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
		a, err := makeCall(ctx, conn, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.RPC, err)
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

func makeCall(ctx context.Context, conn *grpc.ClientConn, c call) (*answer, error) {
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
	if err := conn.Invoke(ctx, "/"+c.RPC, request, response); err != nil {
		var failed *vcentergateway.Error
		if !errors.As(err, &failed) {
			return nil, err
		}
		f, err := describe(failed)
		return &answer{Error: f}, err
	}
	encoded, err := protojson.Marshal(response)
	return &answer{Response: encoded}, err
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
