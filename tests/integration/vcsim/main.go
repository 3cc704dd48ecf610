// Serves govmomi's simulator of vCenter on a port of its own, until its standard input ends. Prints its URL first.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	model := simulator.VPX()
	flag.IntVar(&model.Machine, "vm", model.Machine, "machines in each of the two resource pools")
	user := flag.String("user", "", "user name and password, as in a URL; without them everybody may log in")
	flag.Parse()
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	defer model.Remove()
	if *user != "" {
		listen, err := url.Parse("http://" + *user + "@127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		model.Service.Listen = listen
	}
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Printf("%s://%s\n", server.URL.Scheme, server.URL.Host)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
