// The provision example tells the whole life of a machine: it is made from a template, equipped, started, used, and
// removed. Whatever happens, nothing of the machine is left behind.
//
// The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are $GATEWAY_USER and
// $GATEWAY_PASSWORD. The password of the guest's account is $GUEST_PASSWORD.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	vcentergateway "github.com/vcenter-gateway/vcenter-gateway/clients/go"
	vcenterv1 "github.com/vcenter-gateway/vcenter-gateway/clients/go/vcenter/v1"
	"google.golang.org/protobuf/proto"
)

const (
	gib    = 1 << 30
	script = "/tmp/setup.sh" // in the guest
	report = "/tmp/setup.log"
)

// wanted is what the command line asks for.
type wanted struct {
	name, template, datacenter, cluster, folder, network, tag, script string
	disk                                                              int64
	account                                                           account
	web                                                               web
	client                                                            client
}

func main() {
	want := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, want); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "interrupted")
		}
		os.Exit(1)
	}
}

// parse reads the command line. What has a default fits the simulated vCenter.
func parse() *wanted {
	var want wanted
	var timeout, poll float64
	flag.StringVar(&want.template, "template", "golden-image", "library item of type vm-template")
	flag.StringVar(&want.datacenter, "datacenter", "DC0", "")
	flag.StringVar(&want.cluster, "cluster", "Cluster0", "")
	flag.StringVar(&want.folder, "folder", "Production", "")
	flag.StringVar(&want.network, "network", "Backup Network", "of the card that is added")
	flag.StringVar(&want.tag, "tag", "Environment/development", "category and tag")
	flag.Int64Var(&want.disk, "disk", 20, "size of the disk that is added, in GiB")
	flag.StringVar(&want.account.user, "guest-user", "root", "account of the guest")
	flag.StringVar(&want.script, "script", "#!/bin/sh\nhostname > "+report+"\n", "runs in the guest")
	flag.StringVar(&want.web.host, "transfer-host", "", "host for transfers whose URL does not name one")
	flag.StringVar(&want.web.caFile, "ca-file", "", "authorities of the hosts' certificates, for transfers")
	flag.Float64Var(&timeout, "timeout", 600, "seconds to wait for each thing")
	flag.Float64Var(&poll, "poll", 1, "seconds between two questions")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: provision [flags] NAME")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	want.name = flag.Arg(0)
	want.account.password = os.Getenv("GUEST_PASSWORD")
	want.client.timeout = time.Duration(timeout * float64(time.Second))
	want.client.poll = time.Duration(poll * float64(time.Second))
	return &want
}

func run(ctx context.Context, want *wanted) error {
	var options []vcentergateway.Option
	if user := os.Getenv("GATEWAY_USER"); user != "" {
		basic := vcentergateway.Basic(user, os.Getenv("GATEWAY_PASSWORD"))
		options = append(options, vcentergateway.WithCredentials(basic))
	}
	conn, err := vcentergateway.Connect(cmp.Or(os.Getenv("GATEWAY_TARGET"), "127.0.0.1:50051"), options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	want.client.conn = conn
	if err := provision(ctx, &want.client, want); err != nil {
		return err
	}
	fmt.Println("nothing is left")
	return nil
}

// provision tells the story. Each defer removes what was made before it, whatever happens afterwards.
func provision(ctx context.Context, c *client, want *wanted) (err error) {
	source, err := c.findTemplate(ctx, want.template)
	if err != nil {
		return err
	}
	place, err := c.findPlace(ctx, want.datacenter, want.cluster, want.folder, source.size+want.disk*gib)
	if err != nil {
		return err
	}
	network, err := c.findNetwork(ctx, place.datacenter, want.network)
	if err != nil {
		return err
	}
	category, name, _ := strings.Cut(want.tag, "/")
	tag, err := c.findTag(ctx, category, name)
	if err != nil {
		return err
	}
	spec := "provision-" + want.name
	if err := c.requireFreeNames(ctx, place.folder, want.name, spec); err != nil {
		return err
	}
	fmt.Printf("%s is %s; its clone goes to %s, %s, %s\n",
		want.template, source.vm, place.cluster, place.folder, place.datastore)

	// [docs: story]
	if err := c.storeSpec(ctx, spec, source.cards); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.removeSpec(context.WithoutCancel(ctx), spec)) }()
	fmt.Println("stored the customization spec", spec)

	vm, err := c.clone(ctx, &vcenterv1.VmCloneSpec{
		Source: &source.vm,
		Name:   &want.name,
		Placement: &vcenterv1.VmClonePlacementSpec{
			Folder:    &place.folder,
			Cluster:   &place.cluster,
			Datastore: &place.datastore,
		},
		GuestCustomizationSpec: &vcenterv1.VmGuestCustomizationSpec{Name: proto.String(spec)},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.remove(context.WithoutCancel(ctx), vm)) }()
	fmt.Println("cloned", vm)

	if err := c.attachTag(ctx, vm, tag); err != nil {
		return err
	}
	fmt.Println("attached the tag", want.tag)
	disk, err := c.addDisk(ctx, vm, want.disk*gib)
	if err != nil {
		return err
	}
	fmt.Println("added disk", disk)
	card, err := c.addCard(ctx, vm, network)
	if err != nil {
		return err
	}
	fmt.Println("added card", card)
	if err := c.powerOn(ctx, vm); err != nil {
		return err
	}
	fmt.Println("powered on")
	return use(ctx, c, vm, want)
	// [docs: end]
}

// use works in the guest of the machine that runs.
func use(ctx context.Context, c *client, vm string, want *wanted) error {
	address, err := c.waitForAddress(ctx, vm)
	if err != nil {
		return err
	}
	fmt.Println("its address is", address)
	if err := c.upload(ctx, want.web, vm, want.account, script, []byte(want.script), "0700"); err != nil {
		return err
	}
	if err := c.runProgram(ctx, vm, want.account, script); err != nil {
		return err
	}
	content, err := c.download(ctx, want.web, vm, want.account, report)
	if err != nil {
		return err
	}
	fmt.Println("the guest says:", strings.TrimSpace(string(content)))
	return nil
}
