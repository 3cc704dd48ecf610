"""How a step of `check` ends that gets no answer from vCenter."""

from __future__ import annotations

import socket

import pytest

from gateway.cli.output import Exit
from gateway.cli.steps import StepError, VCenterSteps
from gateway.contract import load_contract
from gateway.vcenter.options import VCenterOptions


def failed(port: int) -> StepError:
    """What asking for the API ends in, at a port of this machine."""
    options = VCenterOptions(f"http://127.0.0.1:{port}", read_timeout=0.2)
    steps = VCenterSteps(options, load_contract())
    with pytest.raises(StepError) as caught:
        steps.api()
    steps.close()
    return caught.value


def test_no_answer_in_time() -> None:
    """A vCenter that takes the connection and does not answer ends the step like any call that is late."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        late = failed(server.getsockname()[1])
    assert (late.exit, late.text) == (Exit.TIMEOUT, "vCenter did not answer in time")


def test_no_connection(unused_tcp_port: int) -> None:
    """A port that refuses connections is one that cannot be reached."""
    assert failed(unused_tcp_port).exit == Exit.UNREACHABLE
