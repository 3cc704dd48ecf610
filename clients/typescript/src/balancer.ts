import { experimental, Metadata } from "@grpc/grpc-js";

/**
 * The load balancer of this package: round_robin, but without retries of reads if the gateway's certificate is not
 * trusted, because a retry would not help.
 */
export const balancerName = "vcenter_gateway_round_robin";

/** Tells grpc-js not to retry a call. */
const noRetry = new Metadata();
noRetry.set("grpc-retry-pushback-ms", "-1");

const roundRobin = experimental.parseLoadBalancingConfig({ round_robin: {} });

class Config implements experimental.TypedLoadBalancingConfig {
  static createFromJson(): Config {
    return new Config();
  }

  getLoadBalancerName(): string {
    return balancerName;
  }

  toJsonObject(): object {
    return { [balancerName]: {} };
  }
}

class Balancer extends experimental.ChildLoadBalancerHandler implements experimental.LoadBalancer {
  constructor(helper: experimental.ChannelControlHelper) {
    const updateState: typeof helper.updateState = (state, picker, message) => {
      const untrusted = isAboutCertificate(message);
      helper.updateState(
        state,
        untrusted ? new experimental.UnavailablePicker({ details: message, metadata: noRetry }) : picker,
        message,
      );
    };
    super(experimental.createChildChannelControlHelper(helper, { updateState }));
  }

  override updateAddressList(
    ...[endpoints, , options, note]: Parameters<experimental.LoadBalancer["updateAddressList"]>
  ): boolean {
    return super.updateAddressList(endpoints, roundRobin, options, note);
  }

  override getTypeName(): string {
    return balancerName;
  }
}

/** Whether an untrusted certificate made the connection fail: OpenSSL and Node.js then mention it in the message. */
function isAboutCertificate(message: string | null): message is string {
  return message !== null && /\bcertificate\b/i.test(message);
}

experimental.registerLoadBalancerType(balancerName, Balancer, Config);
