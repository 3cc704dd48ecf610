// The health service that every gRPC server has, and the contract does not.
import { createFileRegistry, fromJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const file = "grpc/health/v1/health.proto";
const statuses = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const [inputType, outputType] = [".grpc.health.v1.HealthCheckRequest", ".grpc.health.v1.HealthCheckResponse"];

/** Its messages and its service. */
export const health = createFileRegistry(
  fromJson(FileDescriptorSetSchema, {
    file: [
      {
        name: file,
        package: "grpc.health.v1",
        syntax: "proto3",
        messageType: [
          {
            name: "HealthCheckRequest",
            field: [{ name: "service", jsonName: "service", number: 1, type: "TYPE_STRING", label: "LABEL_OPTIONAL" }],
          },
          {
            name: "HealthCheckResponse",
            field: [
              {
                name: "status",
                jsonName: "status",
                number: 1,
                type: "TYPE_ENUM",
                label: "LABEL_OPTIONAL",
                typeName: `${outputType}.Status`,
              },
            ],
            enumType: [{ name: "Status", value: statuses.map((name, number) => ({ name, number })) }],
          },
        ],
        service: [
          {
            name: "Health",
            method: [
              { name: "Check", inputType, outputType },
              { name: "Watch", inputType, outputType, serverStreaming: true },
            ],
          },
        ],
      },
    ],
  }),
);
