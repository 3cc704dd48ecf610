// Package vcentergateway is the client of the vCenter gateway, which manages VMware virtual machines through gRPC.
//
// [Connect] opens a connection, and the stubs of the services make the calls. They are in packages of their own, one
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
// A call that fails returns an [*Error], which holds all that the gateway and vCenter say about it:
//
//	var failed *vcentergateway.Error
//	if errors.As(err, &failed) && failed.MayHaveExecuted {
//		// look at the machine before the call is repeated
//	}
//
// Streams deliver each message as it arrives, and end with the same error, or with io.EOF. They last as long as their
// context does.
//
// [TypeOf] and [ErrorFrom] read the errors of any connection, also those of one that was not made by Connect.
//
// Requests can hold secrets, such as the password of a guest account. Hand them to [Redact] before they are logged.
package vcentergateway
