// Writes src/gen: the generated code of all protos, an index for each of their packages, a registry of everything, and
// the service config. The google/api and google/rpc protos come from googleapis-common-protos in the project's venv;
// no npm package has them for this generator, which has no registry of types that a second copy could clash in.
//
// protoc-gen-es 2.13 is the last that runs on Node.js 20. What it writes works with every later 2.x of the runtime.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";

const here = import.meta.dirname;
const root = join(here, "../..");
const output = join(here, "src/gen");
const python = join(root, ".venv/bin/python");

const include = "import json, grpc_tools, google.rpc; print(json.dumps([*grpc_tools.__path__, *google.rpc.__path__]))";
const [grpcTools, googleRpc] = JSON.parse(execFileSync(python, ["-c", include], { encoding: "utf8" }));
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((file) => file.split(sep).join("/"))
    .sort();
const protos = filesBelow(join(root, "protos")).filter((file) => file.endsWith(".proto"));
const google = ["api/annotations", "api/field_behavior", "api/http", "rpc/error_details", "rpc/status"];
const files = [...google.map((file) => `google/${file}.proto`), ...protos];

const { exports: exported } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
for (const folder of new Set(protos.map((file) => file.split("/")[0]))) {
  if (!(`./${folder}/*` in exported)) {
    throw new Error(`package.json does not export "./${folder}/*"`);
  }
}

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
execFileSync(
  python,
  [
    ...["-m", "grpc_tools.protoc"],
    ...[join(root, "protos"), join(googleRpc, "../.."), join(grpcTools, "_proto")].map(
      (path) => `--proto_path=${path}`,
    ),
    `--plugin=protoc-gen-es=${join(here, "node_modules/.bin/protoc-gen-es")}`,
    `--es_out=${output}`,
    "--es_opt=target=ts,import_extension=js",
    ...files,
  ],
  { stdio: "inherit" },
);

const modules = filesBelow(output).filter((file) => file.endsWith("_pb.ts"));
for (const folder of new Set(modules.map(dirname))) {
  const own = modules.filter((file) => dirname(file) === folder);
  const lines = own.map((file) => `export * from ".${file.slice(folder.length, -3)}.js";\n`);
  writeFileSync(join(output, folder, "index.ts"), lines.join(""));
}

const descriptors = modules.map((file) => `file_${file.slice(0, -"_pb.ts".length).replaceAll("/", "_")}`);
writeFileSync(
  join(output, "registry.ts"),
  `import { createRegistry, type Registry } from "@bufbuild/protobuf";
${modules.map((file, index) => `import { ${descriptors[index]} } from "./${file.slice(0, -3)}.js";`).join("\n")}

/** Every message, enum and service by its full name, for code that learns names only when it runs. */
export const registry: Registry = createRegistry(
${descriptors.map((descriptor) => `  ${descriptor},\n`).join("")});
`,
);

const config = JSON.parse(readFileSync(join(root, "clients/service_config.json"), "utf8"));
writeFileSync(join(output, "service_config.ts"), `export const serviceConfig = ${JSON.stringify(config, null, 2)};\n`);
