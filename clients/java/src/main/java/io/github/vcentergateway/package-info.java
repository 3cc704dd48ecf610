/**
 * Client of the vCenter gRPC gateway: {@link io.github.vcentergateway.VCenterGateway} is a
 * connection to it, {@link io.github.vcentergateway.GatewayCredentials} identify the caller, and
 * {@link io.github.vcentergateway.VCenterException} is the error of a failed call.
 *
 * <p>The services and their messages are generated from the gateway's protos into the packages
 * below this one: {@code vcenter.vm.hardware.v1.CdromService} of the protos is {@code
 * io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc} here.
 */
package io.github.vcentergateway;
