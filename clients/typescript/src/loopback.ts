import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");

/**
 * Whether data that is sent to a gRPC target certainly stays on the local machine. Parses targets like grpc-js: an
 * unknown scheme is part of the host name.
 */
export function isLoopback(target: string): boolean {
  const [, scheme = "dns", authority, path = ""] =
    /^(?:(dns|ipv4|ipv6|unix):)?(?:\/\/([^/]*)\/)?(.+)$/.exec(target) ?? [];
  if (authority) {
    return false;
  }
  const addresses = scheme === "dns" ? [path] : path.split(",");
  return scheme === "unix" || addresses.every(isLoopbackAddress);
}

function isLoopbackAddress(address: string): boolean {
  const [, bracketed, plain] = /^(?:\[(.*)\]|([^:]*))(?::\d+)?$/.exec(address) ?? [];
  const host = bracketed ?? plain ?? address;
  const version = isIP(host);
  return version === 0 ? host === "localhost" : loopback.check(host, version === 6 ? "ipv6" : "ipv4");
}
