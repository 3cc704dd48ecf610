import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import { connect, ErrorType, Reason, status, VCenterError, vcenterError } from "vcenter-gateway-client";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "vcenter-gateway-client/google/rpc";
import { ErrorSchema } from "vcenter-gateway-client/vapi/std/errors/v1";
import { ProcessErrorDetailsSchema } from "vcenter-gateway-client/vcenter/vm/guest/v1";
import { CdromService } from "vcenter-gateway-client/vcenter/vm/hardware/v1";
import { failure, failureWith, serve, unknownDetail } from "./server.js";

/** What a call is rejected with when the server ends it with this status. */
async function rejection(thrown: unknown): Promise<unknown> {
  await using server = await serve(CdromService, {
    connectCdrom() {
      throw thrown;
    },
  });
  using gateway = connect(server.target);
  try {
    await gateway.client(CdromService).connectCdrom({ vm: "vm-1", cdrom: "16000" });
  } catch (error) {
    return error;
  }
  return assert.fail("the call succeeded");
}

async function rejectionWith(
  ...details: Parameters<typeof failure> extends [unknown, unknown, ...infer Rest] ? Rest : never
) {
  const error = vcenterError(await rejection(failure(status.FAILED_PRECONDITION, "no", ...details)));
  assert.ok(error);
  return error;
}

test("an error carries all that the gateway says", async () => {
  const error = await rejectionWith(
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, {
        reason: "RESOURCE_BUSY",
        domain: "vcenter.vmware.com",
        metadata: { may_have_executed: "true" },
      }),
    ),
    anyPack(
      ErrorSchema,
      create(ErrorSchema, {
        errorType: ErrorType.RESOURCE_BUSY,
        messages: [{ id: "a.b", defaultMessage: "busy: x", args: ["x"] }, { id: "c.d" }],
        data: { count: 1 },
      }),
    ),
    anyPack(
      BadRequestSchema,
      create(BadRequestSchema, { fieldViolations: [{ field: "spec.count", description: "too small" }] }),
    ),
    anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: 2n, nanos: 500_000_000 } })),
    anyPack(RequestInfoSchema, create(RequestInfoSchema, { requestId: "r-1" })),
  );

  assert.equal(error.code, status.FAILED_PRECONDITION);
  assert.equal(error.message, "no");
  assert.equal(error.reason, "RESOURCE_BUSY");
  assert.equal(error.errorType, ErrorType.RESOURCE_BUSY);
  const [first, second] = error.messages;
  assert.equal(first?.id, "a.b");
  assert.equal(first?.defaultMessage, "busy: x");
  assert.deepEqual(first?.args, ["x"]);
  assert.equal(second?.id, "c.d");
  assert.equal(second?.defaultMessage, undefined);
  assert.equal(error.violations[0]?.field, "spec.count");
  assert.equal(error.violations[0]?.description, "too small");
  assert.equal(error.retryDelayMs, 2500);
  assert.equal(error.mayHaveExecuted, true);
  assert.equal(error.requestId, "r-1");
  assert.deepEqual(error.data, { count: 1 });
  assert.equal(error.detail(ErrorInfoSchema)?.domain, "vcenter.vmware.com");
});

for (const [what, thrown] of [
  ["no details", { code: status.FAILED_PRECONDITION, details: "no" }],
  ["details that are garbage", failureWith(status.FAILED_PRECONDITION, "no", Uint8Array.of(255, 1, 2))],
  ["a detail of an unknown type", failure(status.FAILED_PRECONDITION, "no", unknownDetail)],
  [
    "a detail that is garbage",
    failure(
      status.FAILED_PRECONDITION,
      "no",
      create(AnySchema, { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: Uint8Array.of(255) }),
    ),
  ],
] as const) {
  test(`an error with ${what} still has code and message`, async () => {
    const error = vcenterError(await rejection(thrown));
    assert.ok(error);
    const {
      code,
      message,
      reason,
      gatewayReason,
      errorType,
      messages,
      violations,
      retryDelayMs,
      mayHaveExecuted,
      requestId,
      data,
    } = error;
    assert.deepEqual(
      {
        code,
        message,
        reason,
        gatewayReason,
        errorType,
        messages,
        violations,
        retryDelayMs,
        mayHaveExecuted,
        requestId,
        data,
      },
      {
        code: status.FAILED_PRECONDITION,
        message: "no",
        reason: "",
        gatewayReason: Reason.UNSPECIFIED,
        errorType: ErrorType.UNSPECIFIED,
        messages: [],
        violations: [],
        retryDelayMs: undefined,
        mayHaveExecuted: false,
        requestId: "",
        data: undefined,
      },
    );
  });
}

test("details beside an unknown one are found", async () => {
  const details = create(ProcessErrorDetailsSchema, { pid: 2n ** 60n });
  const error = await rejectionWith(unknownDetail, anyPack(ProcessErrorDetailsSchema, details));
  assert.equal(error.detail(ProcessErrorDetailsSchema)?.pid, 2n ** 60n);
});

test("an error type of a newer gateway is unspecified", async () => {
  const reported = create(ErrorSchema, { errorType: 999 as ErrorType });
  assert.equal((await rejectionWith(anyPack(ErrorSchema, reported))).errorType, ErrorType.UNSPECIFIED);
});

test("calls are rejected with the typed error, whose stack leads to the caller", async () => {
  const error = await rejection({ code: status.NOT_FOUND, details: "gone" });
  assert.ok(error instanceof VCenterError);
  assert.equal(vcenterError(error), error);
  assert.equal(error.name, "VCenterError");
  assert.match(error.stack ?? "", /VCenterError: gone[\s\S]*rejection/);
});

test("the error of another client on grpc-js is understood", () => {
  const raw = Object.assign(new Error("5 NOT_FOUND: gone"), { code: status.NOT_FOUND, details: "gone" });
  assert.equal(vcenterError(raw)?.code, status.NOT_FOUND);
});

test("what is not the failure of a call is left alone", () => {
  const systemError = Object.assign(new Error("no such file"), { code: "ENOENT" });
  for (const other of [new TypeError("x"), systemError, "text", null, undefined]) {
    assert.equal(vcenterError(other), undefined);
  }
});

for (const [domain, reason, expected] of [
  ["vcenter-gateway", "OVERLOADED", Reason.OVERLOADED],
  ["vcenter.vmware.com", "OVERLOADED", Reason.UNSPECIFIED],
  ["vcenter-gateway", "OF_A_LATER_RELEASE", Reason.UNSPECIFIED],
] as const) {
  test(`the reason ${reason} of ${domain} is ${Reason[expected]}`, async () => {
    const error = await rejectionWith(anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain, reason })));
    assert.equal(error.gatewayReason, expected);
    assert.equal(error.reason, reason);
  });
}

test("when the gateway did not answer, a change may have executed if gRPC itself ended it", async () => {
  const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL } = status;
  const undecided: status[] = [UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL];
  let code: status;
  let details: readonly Any[] = [];
  const fail = () => {
    throw details.length > 0 ? failure(code, "no", ...details) : { code, details: "no" };
  };
  await using server = await serve(CdromService, { connectCdrom: fail, getCdrom: fail });
  using gateway = connect(server.target, { grpc: { "grpc.enable_retries": 0 } });
  const cdroms = gateway.client(CdromService);
  const answer = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "OVERLOADED" }));
  for (code = status.CANCELLED; code <= status.UNAUTHENTICATED; code += 1) {
    details = [];
    const change = await cdroms.connectCdrom({ vm: "vm-1", cdrom: "16000" }).catch(vcenterError);
    assert.equal(change instanceof VCenterError && change.mayHaveExecuted, undecided.includes(code), status[code]);
    const read = await cdroms.getCdrom({ vm: "vm-1", cdrom: "16000" }).catch(vcenterError);
    assert.equal(read instanceof VCenterError && read.mayHaveExecuted, false, status[code]);
    details = [answer];
    const answered = await cdroms.connectCdrom({ vm: "vm-1", cdrom: "16000" }).catch(vcenterError);
    assert.equal(answered instanceof VCenterError && answered.mayHaveExecuted, false, status[code]);
  }
});

test("a change that cannot be sent has not executed", async () => {
  using gateway = connect("127.0.0.1:1");
  const change = await gateway.client(CdromService).connectCdrom({ vm: "vm-1", cdrom: "16000" }).catch(vcenterError);
  assert.ok(change instanceof VCenterError);
  assert.deepEqual([change.code, change.mayHaveExecuted], [status.UNAVAILABLE, false]);
});
