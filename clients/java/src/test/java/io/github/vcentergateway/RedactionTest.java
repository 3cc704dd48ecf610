package io.github.vcentergateway;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.TextFormat;
import io.github.vcentergateway.vcenter.vm.guest.v1.CreateProcessRequest;
import io.github.vcentergateway.vcenter.vm.guest.v1.Credentials;
import org.junit.jupiter.api.Test;

/** What the README says about requests in logs. */
class RedactionTest {
  private static final CreateProcessRequest REQUEST =
      CreateProcessRequest.newBuilder()
          .setVm("vm-1001")
          .setCredentials(Credentials.newBuilder().setUserName("root").setPassword("swordfish"))
          .build();

  @Test
  void theDebugFormatLeavesOutWhatIsSecret() {
    String text = TextFormat.debugFormatPrinter().printToString(REQUEST);
    assertFalse(text.contains("swordfish"), text);
    assertTrue(text.contains("vm-1001") && text.contains("root"), text);
  }

  @Test
  void toStringDoesNot() {
    assertTrue(REQUEST.toString().contains("swordfish"));
  }
}
