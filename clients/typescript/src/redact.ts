import { clone, type DescField, type DescMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/**
 * A copy of a message that can be logged: passwords and all other fields that the contract marks with `debug_redact`
 * are replaced with `***`, in nested messages too.
 */
export function redact<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): MessageShape<Desc> {
  const copy = clone(schema, message);
  redactFields(reflect<DescMessage>(schema, copy as Message));
  return copy;
}

function redactFields(message: ReflectMessage): void {
  for (const field of message.fields.filter((field) => message.isSet(field))) {
    if (field.proto.options?.debugRedact) {
      redactField(message, field);
    } else if (field.fieldKind === "message") {
      redactFields(message.get(field));
    } else if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of message.get(field)) {
        redactFields(item as ReflectMessage);
      }
    } else if (field.fieldKind === "map" && field.mapKind === "message") {
      for (const item of message.get(field).values()) {
        redactFields(item as ReflectMessage);
      }
    }
  }
}

function redactField(message: ReflectMessage, field: DescField): void {
  if (field.fieldKind === "scalar" && typeof message.get(field) === "string") {
    message.set(field, "***");
  } else {
    message.clear(field);
  }
}
