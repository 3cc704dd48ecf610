import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { create, type DescField, ScalarType, toJson } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { redact } from "vcenter-gateway-client";
import { registry } from "vcenter-gateway-client/registry";
import { VmInfoSchema } from "vcenter-gateway-client/vcenter/v1";
import { CreateProcessRequestSchema, CredentialsType } from "vcenter-gateway-client/vcenter/vm/guest/v1";

test("secrets are replaced in a copy, the rest stays", () => {
  const request = create(CreateProcessRequestSchema, {
    vm: "vm-1",
    credentials: { type: CredentialsType.USERNAME_PASSWORD, userName: "root", password: "s3cret" },
  });
  const copy = redact(CreateProcessRequestSchema, request);
  assert.ok(!inspect(copy, { depth: Number.POSITIVE_INFINITY }).includes("s3cret"));
  assert.equal(copy.vm, "vm-1");
  assert.equal(copy.credentials?.userName, "root");
  assert.equal(copy.credentials?.password, "***");
  assert.equal(copy.credentials?.samlToken, undefined);
  assert.equal(request.credentials?.password, "s3cret");
});

test("a message without secrets is only copied", () => {
  const vm = create(VmInfoSchema, {
    name: "web",
    cdroms: { "16000": { label: "CD/DVD drive 1" } },
    bootDevices: [{ disks: ["2000"] }],
  });
  assert.deepEqual(redact(VmInfoSchema, vm), vm);
});

test("every secret of the contract is replaced or left out", () => {
  const marked = [...registry]
    .filter((type) => type.kind === "message")
    .flatMap((type) =>
      type.fields.filter((field) => field.proto.options?.debugRedact).map((field) => ({ type, field })),
    );
  assert.ok(marked.length >= 6);
  for (const { type, field } of marked) {
    const message = reflect(type);
    fill(message, field);
    assert.ok(JSON.stringify(toJson(type, message.message)).includes(secret), `${field} is not filled`);
    const text = JSON.stringify(toJson(type, redact(type, message.message)));
    assert.ok(!text.includes(secret), `${field}: ${text}`);
  }
});

/** A text that is base64 as well, so that bytes show it too. */
const secret = "swordfish123";

/** Puts a secret into a field of any kind. */
function fill(message: ReflectMessage, field: DescField): void {
  const bytes = Buffer.from(secret, "base64");
  const scalar = (type: ScalarType) => (type === ScalarType.BYTES ? bytes : secret);
  if (field.fieldKind === "scalar") {
    message.set(field, scalar(field.scalar));
  } else if (field.fieldKind === "list" && field.listKind === "scalar") {
    message.get(field).add(scalar(field.scalar));
  } else if (field.fieldKind === "map" && field.mapKind === "scalar") {
    message.get(field).set("key", scalar(field.scalar));
  } else {
    assert.fail(`${field} is of another kind`);
  }
}
