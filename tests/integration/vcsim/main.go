// Serves govmomi's simulator of vCenter until its standard input ends. Prints its URL first.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	model := simulator.VPX()
	machines := flag.Int("vm", model.Machine, "machines in each resource pool")
	flag.Parse()
	model.Machine = *machines
	defer model.Remove()
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Printf("%s://%s\n", server.URL.Scheme, server.URL.Host)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
