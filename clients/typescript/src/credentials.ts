import { inspect } from "node:util";
import { type CallCredentials, credentials, Metadata, status } from "@grpc/grpc-js";

/**
 * Who the caller is. Secrets are kept where neither `console.log`, `util.inspect`, `JSON.stringify` nor an error shows
 * them.
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
   * A user and a password of vCenter. The gateway logs in once and keeps the session.
   *
   * @throws TypeError when the user name is empty or contains a colon, which HTTP's basic authentication cannot carry.
   */
  static basic(user: string, password: string): Credentials {
    if (!user || user.includes(":")) {
      throw new TypeError("a user name must not be empty or contain a colon");
    }
    const value = Buffer.from(`${user}:${password}`).toString("base64");
    return new Credentials(`basic(${JSON.stringify(user)}, ***)`, "authorization", `Basic ${value}`);
  }

  /**
   * A session that the caller created at vCenter. The gateway forwards it, and never renews it.
   *
   * @throws TypeError when this cannot be the id of a session.
   */
  static session(id: string): Credentials {
    requirePrintable("a session id", id);
    return new Credentials("session(***)", "vmware-api-session-id", id);
  }

  /**
   * A token or JWT, for a gateway that has a login of its own. One that is renewed comes from a function, which is asked
   * with each call; when it fails, so does the call, as `UNAUTHENTICATED`. White space around a token does not belong to
   * it.
   *
   * @throws TypeError when this cannot be a token.
   */
  static bearer(token: string | (() => string | Promise<string>)): Credentials {
    const value = typeof token === "string" ? bearer(token) : async () => bearer(await token());
    return new Credentials("bearer(***)", "authorization", value);
  }

  /** The same as call credentials of gRPC, for callers with stubs of their own. */
  toCallCredentials(): CallCredentials {
    return this.#callCredentials;
  }

  /** What they are, without the secret. */
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

/** What lets a call fail with this code and not as `UNKNOWN`. */
function unauthenticated(cause: unknown): Error {
  const message = `there is no token: ${cause instanceof Error ? cause.message : cause}`;
  return Object.assign(new Error(message, { cause }), { code: status.UNAUTHENTICATED });
}

function bearer(token: string): string {
  const trimmed = token.trim();
  requirePrintable("a token", trimmed);
  return `Bearer ${trimmed}`;
}

/** Throws a TypeError for a text that no metadata can carry. */
export function requirePrintable(what: string, text: string): void {
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new TypeError(`${what} consists of printable ASCII characters without spaces`);
  }
}
