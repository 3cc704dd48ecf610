package vcentergateway_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	_ "github.com/vcenter-gateway/vcenter-gateway/clients/go/all"
	guestv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/vm/guest/v1"
)

// A secret below other messages is gone, all else is there, and the original is as it was.
func TestRedactKeepsTheRest(t *testing.T) {
	request := &guestv1.CreateProcessRequest{
		Vm: "vm-1001",
		Credentials: &guestv1.Credentials{
			UserName: proto.String("guest"),
			Password: proto.String(secret),
		},
	}
	copied := vcentergateway.Redact(request)
	if copied.GetVm() != "vm-1001" || copied.GetCredentials().GetUserName() != "guest" {
		t.Errorf("too little is left: %v", copied)
	}
	if copied.GetCredentials().GetPassword() != "[redacted]" || request.GetCredentials().GetPassword() != secret {
		t.Error("the copy has the password, or the original lost it")
	}
}

// No message of the contract shows what its protos call a secret, however deep it is.
func TestRedactFindsAllSecrets(t *testing.T) {
	secrets := 0
	protoregistry.GlobalTypes.RangeMessages(func(kind protoreflect.MessageType) bool {
		if ours(kind.Descriptor()) {
			message := kind.New()
			secrets += fill(message, 0)
			if text := prototext.Format(vcentergateway.Redact(message.Interface())); strings.Contains(text, "swordfish") {
				t.Errorf("%s: %s", kind.Descriptor().FullName(), text)
			}
		}
		return true
	})
	if secrets == 0 {
		t.Error("the protos have no secrets")
	}
}

// fill puts a text into every secret of a message, down to some depth, and returns how many there are.
func fill(message protoreflect.Message, depth int) (secrets int) {
	if depth == 8 {
		return 0
	}
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.Options().(*descriptorpb.FieldOptions).GetDebugRedact():
			fillSecret(message, field)
			secrets++
		case field.IsMap() && field.MapValue().Message() != nil && field.MapKey().Kind() == protoreflect.StringKind:
			item := message.Mutable(field).Map().Mutable(protoreflect.ValueOfString("key").MapKey())
			secrets += fill(item.Message(), depth+1)
		case field.IsMap() || field.Message() == nil || !ours(field.Message()):
		case field.IsList():
			secrets += fill(message.Mutable(field).List().AppendMutable().Message(), depth+1)
		default:
			secrets += fill(message.Mutable(field).Message(), depth+1)
		}
	}
	return secrets
}

// fillSecret puts a text into a secret of whatever kind.
func fillSecret(message protoreflect.Message, field protoreflect.FieldDescriptor) {
	value := func(kind protoreflect.Kind) protoreflect.Value {
		switch kind {
		case protoreflect.StringKind:
			return protoreflect.ValueOfString("swordfish")
		case protoreflect.BytesKind:
			return protoreflect.ValueOfBytes([]byte("swordfish"))
		default:
			panic("a secret of another kind: " + field.FullName())
		}
	}
	switch {
	case field.IsMap():
		key := protoreflect.ValueOfString("key").MapKey()
		message.Mutable(field).Map().Set(key, value(field.MapValue().Kind()))
	case field.IsList():
		message.Mutable(field).List().Append(value(field.Kind()))
	default:
		message.Set(field, value(field.Kind()))
	}
}

// ours reports whether the contract has a message, and not one of the packages that it imports.
func ours(message protoreflect.MessageDescriptor) bool {
	top, _, _ := strings.Cut(string(message.FullName()), ".")
	return top != "google" && top != "grpc"
}
