import { inspect } from "node:util";
import { type CallCredentials, credentials, Metadata } from "@grpc/grpc-js";

/**
 * Who the caller is. Secrets are kept where neither `console.log`, `util.inspect`, `JSON.stringify` nor an error shows
 * them.
 */
export class Credentials {
  readonly #label: string;
  readonly #callCredentials: CallCredentials;

  private constructor(label: string, key: string, value: string) {
    const metadata = new Metadata();
    metadata.set(key, value);
    this.#label = label;
    this.#callCredentials = credentials.createFromMetadataGenerator((_parameters, callback) =>
      callback(null, metadata),
    );
  }

  /**
   * A user and a password of vCenter. The gateway logs in once and keeps the session.
   *
   * @throws TypeError when the user name contains a colon, which HTTP's basic authentication cannot carry.
   */
  static basic(user: string, password: string): Credentials {
    if (user.includes(":")) {
      throw new TypeError("a user name must not contain a colon");
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
    if (!/^[\x21-\x7e]+$/.test(id)) {
      throw new TypeError("a session id consists of printable ASCII characters without spaces");
    }
    return new Credentials("session(***)", "vmware-api-session-id", id);
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
