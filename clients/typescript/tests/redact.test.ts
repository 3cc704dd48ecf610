import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { create, type DescField, fromJson, type JsonValue, ScalarType, toJson } from "@bufbuild/protobuf";
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

test("no secret of the contract is left", () => {
  const marked = [...registry]
    .filter((type) => type.kind === "message")
    .flatMap((type) =>
      type.fields.filter((field) => field.proto.options?.debugRedact).map((field) => ({ type, field })),
    );
  assert.ok(marked.length >= 6);
  for (const { type, field } of marked) {
    const message = fromJson(type, { [field.jsonName]: secretOf(field) });
    const shown = JSON.stringify(toJson(type, redact(type, message)));
    assert.ok(!shown.includes("s3cret") && !shown.includes("czNjcmV0"), `${type.typeName}.${field.name}: ${shown}`);
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
      assert.ok(shown.includes("***"));
    }
  }
});

function secretOf(field: DescField): JsonValue {
  if (field.fieldKind === "list") {
    return ["s3cret"];
  }
  if (field.fieldKind === "map") {
    return { key: "s3cret" };
  }
  return field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES ? "czNjcmV0" : "s3cret";
}
