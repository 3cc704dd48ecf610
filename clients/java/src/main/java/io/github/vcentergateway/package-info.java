/**
 * Client of the vCenter gRPC gateway: {@link io.github.vcentergateway.VCenterGateway} is the way to
 * it, {@link io.github.vcentergateway.GatewayCredentials} say who calls, and {@link
 * io.github.vcentergateway.VCenterException} is what a failed call says.
 *
 * <p>The services and their messages are generated from the gateway's protos into the packages
 * below this one: {@code vcenter.vm.hardware.v1.CdromService} of the protos is {@code
 * io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc} here.
 */
package io.github.vcentergateway;
