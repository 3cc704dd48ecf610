package io.github.vcentergateway;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Names of gRPC servers. */
final class Target {
  private static final Pattern HOST =
      Pattern.compile("(?:dns:(?://[^/]*/)?/?)?(?:\\[(?<ip6>[^]]*)]|(?<host>[^:/]*))(?::\\d+)?");
  private static final Pattern LOOPBACK =
      Pattern.compile("localhost|127(?:\\.\\d{1,3}){3}", Pattern.CASE_INSENSITIVE);

  private Target() {}

  /** Whether a target is certainly on the local machine. Only {@code localhost} is resolved. */
  static boolean isLocal(String target) {
    if (target.startsWith("unix:")) {
      return true;
    }
    Matcher parts = HOST.matcher(target);
    return parts.matches()
        && ("::1".equals(parts.group("ip6"))
            || parts.group("host") != null && LOOPBACK.matcher(parts.group("host")).matches());
  }
}
