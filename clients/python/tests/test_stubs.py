"""The generated stubs, as they are installed."""

from __future__ import annotations

import pickle
from importlib.metadata import files

from vcenter_gateway_client.cis.v1.task_service_pb2 import GetTaskRequest


def test_the_package_takes_no_name_that_a_program_may_have_taken() -> None:
    """Of two packages called `content`, Python finds one."""
    folders = {path.parts[0] for path in files("vcenter-gateway-client") or ()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {
        "vapi",
        "vcenter",
        "vcenter_gateway_client",
    }


def test_a_message_knows_the_module_that_it_is_in() -> None:
    """Pickling asks for it."""
    request = GetTaskRequest(task="task-1")
    assert GetTaskRequest.__module__ == "vcenter_gateway_client.cis.v1.task_service_pb2"
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301 - just made
