import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import io.github.vcentergateway.GatewayCredentials;
import io.github.vcentergateway.VCenterException;
import io.github.vcentergateway.VCenterGateway;
import io.github.vcentergateway.vapi.std.v1.LocalizableMessage;
import io.grpc.CallOptions;
import io.grpc.InsecureChannelCredentials;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.ServiceDescriptor;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;

/** Makes the calls that it reads from its standard input, and writes what came back. */
public final class Conformance {
  private static final JsonFormat.Printer PRINTER =
      JsonFormat.printer().preservingProtoFieldNames();

  private Conformance() {}

  public static void main(String[] arguments) throws Exception {
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    PrintStream answers = new PrintStream(System.out, true, UTF_8);
    try (VCenterGateway gateway =
        VCenterGateway.newBuilder(
                System.getenv("GATEWAY_TARGET"), InsecureChannelCredentials.create())
            .credentials(
                GatewayCredentials.basic(
                        System.getenv("GATEWAY_USER"), System.getenv("GATEWAY_PASSWORD"))
                    .allowingPlaintext())
            .connect()) {
      for (String line = requests.readLine(); line != null; line = requests.readLine()) {
        answer(gateway, JsonParser.parseString(line).getAsJsonObject(), answers);
      }
    }
  }

  private static void answer(VCenterGateway gateway, JsonObject line, PrintStream answers)
      throws Exception {
    MethodDescriptor<Message, Message> method = method(line.get("rpc").getAsString());
    PrototypeMarshaller<Message> requests =
        (PrototypeMarshaller<Message>) method.getRequestMarshaller();
    Message prototype = requests.getMessagePrototype();
    try {
      if (line.has("requests")) {
        // Has the methods that a stream of requests needs, however many responses there are.
        BlockingClientCall<Message, Message> call =
            ClientCalls.blockingBidiStreamingCall(gateway, method, CallOptions.DEFAULT);
        for (JsonElement request : line.getAsJsonArray("requests")) {
          call.write(message(request, prototype));
        }
        call.halfClose();
        answer(call, line, answers);
      } else if (line.has("stream")) {
        answer(
            ClientCalls.blockingV2ServerStreamingCall(
                gateway, method, CallOptions.DEFAULT, message(line.get("request"), prototype)),
            line,
            answers);
      } else {
        Message response =
            ClientCalls.blockingUnaryCall(
                gateway, method, CallOptions.DEFAULT, message(line.get("request"), prototype));
        answers.println(object("response", json(response)));
      }
    } catch (StatusException | StatusRuntimeException e) {
      answers.println(object("error", json(VCenterException.from(e))));
    }
  }

  private static Message message(JsonElement json, Message prototype)
      throws InvalidProtocolBufferException {
    Message.Builder message = prototype.newBuilderForType();
    JsonFormat.parser().merge(json.toString(), message);
    return message.build();
  }

  /** Writes the messages that answer a call as they arrive, or the only one. */
  private static void answer(
      BlockingClientCall<Message, Message> call, JsonObject line, PrintStream answers)
      throws Exception {
    int cancelAfter = line.has("cancel_after") ? line.get("cancel_after").getAsInt() : 0;
    String kind = line.has("stream") ? "message" : "response";
    for (int arrived = 1; call.hasNext(); arrived++) {
      answers.println(object(kind, json(call.read())));
      if (arrived == cancelAfter) {
        call.cancel("the case says so", null);
      }
    }
    // Tells how the call ended: null when it ended well.
    Message after = call.read();
    if (after != null) {
      throw new IllegalStateException("a message follows the end");
    }
    if (line.has("stream")) {
      answers.println(object("end", new JsonObject()));
    }
  }

  private static JsonObject object(String key, JsonElement value) {
    JsonObject object = new JsonObject();
    object.add(key, value);
    return object;
  }

  /** The method of a name such as {@code vcenter.v1.VmService/ListVms}. */
  @SuppressWarnings("unchecked") // all methods take and return messages
  private static MethodDescriptor<Message, Message> method(String rpc)
      throws ReflectiveOperationException {
    String service = rpc.substring(0, rpc.indexOf('/'));
    // gRPC's own services are not in the contract.
    String root = service.startsWith("grpc.") ? "io" : VCenterGateway.class.getPackageName();
    String stubs = root + "." + service + "Grpc";
    ServiceDescriptor descriptor =
        (ServiceDescriptor) Class.forName(stubs).getMethod("getServiceDescriptor").invoke(null);
    return (MethodDescriptor<Message, Message>)
        descriptor.getMethods().stream()
            .filter(method -> method.getFullMethodName().equals(rpc))
            .findFirst()
            .orElseThrow();
  }

  private static JsonObject json(VCenterException error) throws InvalidProtocolBufferException {
    JsonObject json = new JsonObject();
    json.addProperty("code", error.getCode().name());
    json.addProperty("reason", error.getReason());
    json.addProperty("gateway_reason", error.getGatewayReason().name());
    json.addProperty("error_type", error.getErrorType().name());
    json.addProperty("message", error.getDescription());
    JsonArray messages = new JsonArray();
    for (LocalizableMessage message : error.getMessages()) {
      messages.add(json(message));
    }
    json.add("messages", messages);
    JsonArray violations = new JsonArray();
    for (BadRequest.FieldViolation violation : error.getFieldViolations()) {
      violations.add(json(violation));
    }
    json.add("violations", violations);
    json.addProperty("retry_delay", error.getRetryDelay().map(Conformance::seconds).orElse(null));
    json.addProperty("may_have_executed", error.mayHaveExecuted());
    json.addProperty("request_id", error.getRequestId());
    json.add("data", error.getData().isPresent() ? json(error.getData().get()) : JsonNull.INSTANCE);
    return json;
  }

  private static JsonObject json(LocalizableMessage message) {
    JsonObject json = new JsonObject();
    json.addProperty("id", message.getId());
    json.addProperty("default_message", message.getDefaultMessage());
    JsonArray arguments = new JsonArray();
    message.getArgsList().forEach(arguments::add);
    json.add("args", arguments);
    return json;
  }

  private static JsonObject json(BadRequest.FieldViolation violation) {
    JsonObject json = new JsonObject();
    json.addProperty("field", violation.getField());
    json.addProperty("description", violation.getDescription());
    return json;
  }

  private static JsonElement json(MessageOrBuilder message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(PRINTER.print(message));
  }

  private static Double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNano() / 1e9;
  }
}
