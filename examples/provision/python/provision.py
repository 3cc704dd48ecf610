"""The whole life of a machine: it is made from a template, equipped, started, used, and removed.

The gateway is $GATEWAY_TARGET, else 127.0.0.1:50051; the user is $GATEWAY_USER with $GATEWAY_PASSWORD. The password of
the guest's account is $GUEST_PASSWORD. Whatever happens, nothing of the machine is left behind.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator

import grpc
from guest import Account, Web, download, run_program, upload, wait_for_address
from machine import add_card, add_disk, attach_tag, cloned, power_on, stored_spec
from places import find_network, find_place, find_tag, find_template, require_free_names
from vcenter.v1.vm_service_pb2 import VmClonePlacementSpec, VmCloneSpec, VmGuestCustomizationSpec
from vcenter_gateway_client import Credentials, VCenterError, connect
from waiting import Patience, Problem

_GIB = 1 << 30
_SCRIPT, _REPORT = "/tmp/setup.sh", "/tmp/setup.log"  # noqa: S108 - in the guest, which is new


def provision(channel: grpc.Channel, wanted: argparse.Namespace) -> None:
    """Tells the whole story. What the `with` statements make is removed at their end, whatever happens in between."""
    patience = Patience(wanted.timeout, wanted.poll)
    account = Account(wanted.guest_user, os.environ.get("GUEST_PASSWORD", ""))
    web = Web(wanted.transfer_host, wanted.ca_file)

    template = find_template(channel, wanted.template)
    size = template.size + wanted.disk * _GIB
    place = find_place(channel, wanted.datacenter, wanted.cluster, wanted.folder, size)
    network = find_network(channel, place.datacenter, wanted.network)
    tag = find_tag(channel, *wanted.tag.split("/", 1))
    spec_name = f"provision-{wanted.name}"
    require_free_names(channel, place.folder, wanted.name, spec_name)
    print(f"{wanted.template} is {template.vm}; its clone goes to {place.cluster}, {place.folder}, {place.datastore}")

    # [docs: story]
    with stored_spec(channel, patience, spec_name, template.cards) as spec:
        print(f"stored the customization spec {spec}")
        clone = VmCloneSpec(
            source=template.vm,
            name=wanted.name,
            placement=VmClonePlacementSpec(folder=place.folder, cluster=place.cluster, datastore=place.datastore),
            guest_customization_spec=VmGuestCustomizationSpec(name=spec),
        )
        with cloned(channel, patience, clone) as vm:
            print(f"cloned {vm}")
            attach_tag(channel, vm, tag)
            print(f"attached the tag {wanted.tag}")
            print(f"added disk {add_disk(channel, patience, vm, wanted.disk * _GIB)}")
            print(f"added card {add_card(channel, patience, vm, network)}")
            power_on(channel, patience, vm)
            print("powered on")
            print(f"its address is {wait_for_address(channel, patience, vm)}")
            upload(channel, web, vm, account, _SCRIPT, wanted.script.encode(), "0700")
            run_program(channel, patience, vm, account, _SCRIPT)
            report = download(channel, web, vm, account, _REPORT).decode()
            print(f"the guest says: {report.strip()}")
    print("nothing is left")
    # [docs: end]


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line. What has a default fits the simulated vCenter."""
    parser = argparse.ArgumentParser(description="Makes a machine from a template, uses it, and removes it.")
    parser.add_argument("name", help="of the machine, and its host name")
    parser.add_argument("--template", default="golden-image", help="library item of type vm-template")
    parser.add_argument("--datacenter", default="DC0")
    parser.add_argument("--cluster", default="Cluster0")
    parser.add_argument("--folder", default="Production")
    parser.add_argument("--network", default="Backup Network", help="of the card that is added")
    parser.add_argument("--tag", default="Environment/development", help="category and tag")
    parser.add_argument("--disk", type=int, default=20, help="size of the disk that is added, in GiB")
    parser.add_argument("--guest-user", default="root", help="account of the guest")
    parser.add_argument("--script", default=f"#!/bin/sh\nhostname > {_REPORT}\n", help="runs in the guest")
    parser.add_argument("--transfer-host", default="", help="host for transfers whose URL does not name one")
    parser.add_argument("--ca-file", help="authorities of the hosts' certificates, for transfers")
    parser.add_argument("--timeout", type=float, default=600, help="seconds to wait for each thing")
    parser.add_argument("--poll", type=float, default=1, help="seconds between two questions")
    return parser.parse_args(arguments)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those before it: first what went wrong, then what failed while cleaning up."""
    if error is not None:
        yield from causes(error.__context__)
        if isinstance(error, (Problem, VCenterError, KeyboardInterrupt)):
            yield error


def main() -> int:
    """Runs the example."""
    wanted = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Both signals end the program after a clean-up.
    user, password = os.environ.get("GATEWAY_USER"), os.environ.get("GATEWAY_PASSWORD")
    credentials = Credentials.basic(user, password) if user and password else None
    try:
        with connect(os.environ.get("GATEWAY_TARGET", "127.0.0.1:50051"), credentials=credentials) as channel:
            provision(channel, wanted)
    except (Problem, VCenterError, KeyboardInterrupt) as error:
        for cause in causes(error):
            print(str(cause) or "interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
