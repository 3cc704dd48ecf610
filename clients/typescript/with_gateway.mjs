// Runs a program of Node.js while a gateway with the embedded vCenter runs: with_gateway.mjs PROGRAM
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "../..");
const gateway = spawn(
  join(root, ".venv/bin/python"),
  ["-m", "gateway", "serve", "--simulator", "--listen", "127.0.0.1:0"],
  { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
);
let log = "";
gateway.stderr.setEncoding("utf8").on("data", (text) => {
  log += text;
});

try {
  const [line = ""] = await once(createInterface({ input: gateway.stdout }), "line", {
    signal: AbortSignal.timeout(60_000),
  });
  const identity = { GATEWAY_USER: "administrator@vsphere.local", GATEWAY_PASSWORD: "VMware1!" };
  const env = { ...process.env, ...identity, GATEWAY_TARGET: / on (\S+:\d+)/.exec(line)?.[1] };
  const [code] = await once(spawn(process.execPath, process.argv.slice(2), { env, stdio: "inherit" }), "exit");
  process.exitCode = code ?? 1;
} catch (error) {
  console.error("the gateway did not start:", error);
  process.exitCode = 1;
} finally {
  gateway.kill();
}
if (process.exitCode) {
  console.error(log);
}
