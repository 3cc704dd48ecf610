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
    Message.Builder request = requests.getMessagePrototype().newBuilderForType();
    JsonFormat.parser().merge(line.get("request").toString(), request);
    try {
      if (line.has("stream")) {
        int cancelAfter = line.has("cancel_after") ? line.get("cancel_after").getAsInt() : 0;
        stream(gateway, method, request.build(), cancelAfter, answers);
        answers.println(object("end", new JsonObject()));
      } else {
        Message response =
            ClientCalls.blockingUnaryCall(gateway, method, CallOptions.DEFAULT, request.build());
        answers.println(object("response", json(response)));
      }
    } catch (StatusException | StatusRuntimeException e) {
      answers.println(object("error", json(VCenterException.from(e))));
    }
  }

  /** Writes the messages of a stream as they arrive. Returns when it has ended well. */
  private static void stream(
      VCenterGateway gateway,
      MethodDescriptor<Message, Message> method,
      Message request,
      int cancelAfter,
      PrintStream answers)
      throws Exception {
    BlockingClientCall<Message, Message> messages =
        ClientCalls.blockingV2ServerStreamingCall(gateway, method, CallOptions.DEFAULT, request);
    for (int arrived = 1; messages.hasNext(); arrived++) {
      answers.println(object("message", json(messages.read())));
      if (arrived == cancelAfter) {
        messages.cancel("the case says so", null);
      }
    }
    // Tells how the stream ended: null when it ended well.
    Message after = messages.read();
    if (after != null) {
      throw new IllegalStateException("a message follows the end");
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
