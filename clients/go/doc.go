// Package vcentergateway is the client of the vCenter gateway, which manages VMware virtual machines through gRPC.
//
// [Connect] opens a connection, and the stubs of the services make the calls. The stubs are in separate packages, one
// for each package of the protos: VmService in vcenter/v1, CdromService in vcenter/vm/hardware/v1, and so on.
//
//	conn, err := vcentergateway.Connect("gateway.example.com:443",
//		vcentergateway.WithTLS(nil),
//		vcentergateway.WithCredentials(vcentergateway.Basic("administrator@vsphere.local", password)))
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	vms, err := vcenterv1.NewVmServiceClient(conn).ListVms(ctx, &vcenterv1.ListVmsRequest{})
//
// A failed call returns an [*Error], which contains everything that the gateway and vCenter report about the failure:
//
//	var failed *vcentergateway.Error
//	if errors.As(err, &failed) && failed.MayHaveExecuted {
//		// check the machine before you retry
//	}
//
// Streams deliver each message as it arrives, and end with io.EOF or the same error. They last as long as their
// context.
//
// [TypeOf] and [ErrorFrom] read the errors of any connection, including connections that Connect did not create.
//
// Requests can contain secrets, such as the password of a guest account. Use [Redact] before you log them.
package vcentergateway
