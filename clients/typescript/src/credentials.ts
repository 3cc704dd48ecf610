import { inspect } from "node:util";
import { type CallCredentials, credentials, Metadata, status } from "@grpc/grpc-js";

/**
 * The caller's identity. Secrets are not visible to `console.log`, `util.inspect`, `JSON.stringify` or in errors.
 */
export class Credentials {
  readonly #label: string;
  readonly #callCredentials: CallCredentials;

  private constructor(label: string, key: string, value: string | (() => Promise<string>)) {
    this.#label = label;
    this.#callCredentials = credentials.createFromMetadataGenerator(async (_parameters, callback) => {
      const metadata = new Metadata();
      try {
        metadata.set(key, typeof value === "string" ? value : await value());
      } catch (error) {
        callback(unauthenticated(error));
        return;
      }
      callback(null, metadata);
    });
  }

  /**
   * The username and password of a vCenter user. The gateway logs in once and keeps the session.
   *
   * @throws TypeError if the username is empty or contains a colon, which HTTP basic authentication does not allow.
   */
  static basic(user: string, password: string): Credentials {
    if (!user || user.includes(":")) {
      throw new TypeError("the username must not be empty or contain a colon");
    }
    const value = Buffer.from(`${user}:${password}`).toString("base64");
    return new Credentials(`basic(${JSON.stringify(user)}, ***)`, "authorization", `Basic ${value}`);
  }

  /**
   * An existing vCenter session of the caller. The gateway forwards it and never renews it.
   *
   * @throws TypeError if this is not a valid session ID.
   */
  static session(id: string): Credentials {
    requirePrintable("a session id", id);
    return new Credentials("session(***)", "vmware-api-session-id", id);
  }

  /**
   * A token or JWT, for a gateway that has its own service account. For a token that rotates, pass a function, which is
   * called for each rpc; if it fails, the call fails with `UNAUTHENTICATED`. Whitespace around a token is ignored.
   *
   * @throws TypeError if this is not a valid token.
   */
  static bearer(token: string | (() => string | Promise<string>)): Credentials {
    const value = typeof token === "string" ? bearer(token) : async () => bearer(await token());
    return new Credentials("bearer(***)", "authorization", value);
  }

  /** The same as gRPC call credentials, for callers with their own stubs. */
  toCallCredentials(): CallCredentials {
    return this.#callCredentials;
  }

  /** The type of the credentials, without the secret. */
  toString(): string {
    return `Credentials.${this.#label}`;
  }

  /** The same as `toString()`. */
  toJSON(): string {
    return this.toString();
  }

  /** The same as `toString()`. */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** An error that makes a call fail with this code instead of `UNKNOWN`. */
function unauthenticated(cause: unknown): Error {
  const message = `there is no token: ${cause instanceof Error ? cause.message : cause}`;
  return Object.assign(new Error(message, { cause }), { code: status.UNAUTHENTICATED });
}

function bearer(token: string): string {
  const trimmed = token.trim();
  requirePrintable("a token", trimmed);
  return `Bearer ${trimmed}`;
}

/** Throws a TypeError if the text is not valid in metadata. */
export function requirePrintable(what: string, text: string): void {
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new TypeError(`${what} must consist of printable ASCII characters without spaces`);
  }
}
