package io.github.vcentergateway;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class ServiceConfigTest {
  @Test
  void exactlyTheReadsAreRepeated() throws ReflectiveOperationException {
    Map<String, Set<String>> repeated = repeated();
    Map<String, Set<String>> reads = new TreeMap<>();
    for (String service : repeated.keySet()) {
      reads.put(service, reads(service));
    }
    assertEquals(reads, repeated);
  }

  /** The names of all methods without side effects, as the protos have it. */
  private static Set<String> reads(String service) throws ReflectiveOperationException {
    String stubs = VCenterGateway.class.getPackageName() + "." + service + "Grpc";
    ServiceDescriptor descriptor =
        (ServiceDescriptor) Class.forName(stubs).getMethod("getServiceDescriptor").invoke(null);
    return descriptor.getMethods().stream()
        .filter(MethodDescriptor::isSafe)
        .map(MethodDescriptor::getBareMethodName)
        .collect(Collectors.toSet());
  }

  /** The names of all methods with a retry policy, by service. */
  private static Map<String, Set<String>> repeated() {
    Map<String, Set<String>> repeated = new TreeMap<>();
    for (Map<String, ?> config : list(VCenterGateway.defaultServiceConfig(), "methodConfig")) {
      if (config.containsKey("retryPolicy")) {
        for (Map<String, ?> name : list(config, "name")) {
          repeated
              .computeIfAbsent((String) name.get("service"), service -> new TreeSet<>())
              .add((String) name.get("method"));
        }
      }
    }
    return repeated;
  }

  @SuppressWarnings("unchecked") // the value is JSON
  private static List<Map<String, ?>> list(Map<String, ?> config, String key) {
    return (List<Map<String, ?>>) config.get(key);
  }
}
