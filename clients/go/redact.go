package vcentergateway

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const redacted = "[redacted]"

// Redact returns a copy of a message without its secrets, for logs: fields that the protos mark with debug_redact
// become "[redacted]", or unset if they are not strings. Go's protobuf prints such fields unchanged.
func Redact[M proto.Message](message M) M {
	message = proto.CloneOf(message)
	redact(message.ProtoReflect())
	return message
}

func redact(message protoreflect.Message) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		options, _ := field.Options().(*descriptorpb.FieldOptions)
		switch {
		case options.GetDebugRedact() && field.Kind() == protoreflect.StringKind && !field.IsList():
			message.Set(field, protoreflect.ValueOfString(redacted))
		case options.GetDebugRedact():
			message.Clear(field)
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, item protoreflect.Value) bool {
					redact(item.Message())
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				redact(value.List().Get(i).Message())
			}
		default:
			redact(value.Message())
		}
		return true
	})
}
