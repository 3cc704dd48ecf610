/**
 * Typed client for the vCenter gRPC gateway.
 *
 * The services and their messages are in one module for each package of the contract, for example
 * `vcenter-gateway-client/vcenter/vm/hardware/v1`.
 *
 * @module
 */
export { status } from "@grpc/grpc-js";
export {
  type CallOptions,
  type ConnectOptions,
  connect,
  Gateway,
  type ServiceClient,
  type TlsOptions,
} from "./connect.js";
export { Credentials } from "./credentials.js";
export { VCenterError, vcenterError } from "./errors.js";
export { ErrorType } from "./gen/vapi/std/errors/v1/index.js";
export { Reason } from "./gen/vcenter/gateway/v1/index.js";
export { redact } from "./redact.js";
export type { Requests } from "./running.js";
