"""What calls end in that vCenter did not answer."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from gateway.contract import load_contract
from gateway.vcenter.failures import AnswerTimeoutError, NotSentError, os_text


def tls_error() -> ssl.SSLError:
    """An error as OpenSSL makes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError) as caught:
        context.wrap_bio(incoming, outgoing, server_hostname="vcenter").do_handshake()
    return caught.value


METHODS = load_contract().methods
LATE = AnswerTimeoutError("no response in time")


@pytest.mark.parametrize("name", ["CloneVm", "RelocateVm"])
def test_long_operations(name: str) -> None:
    """A long operation that outlives the deadline may go on: the failure says so, and how to find out."""
    failure = LATE.failure(METHODS[f"vcenter.v1.VmService/{name}"])
    assert failure.may_have_executed
    assert failure.message == (
        "no response in time; vCenter may continue it, which cis.v1.TaskService/ListTasks shows; "
        f"{name}Task returns a task to follow"
    )
    assert failure.metadata["task_form"] == f"vcenter.v1.VmService/{name}Task"


@pytest.mark.parametrize(
    ("error", "rpc"),
    [
        pytest.param(LATE, "vcenter.v1.VmService/DeleteVm", id="no-task-form"),
        pytest.param(LATE, "vcenter.v1.VmService/CloneVmTask", id="the-task-form-itself"),
        pytest.param(LATE, "vcenter.v1.VmService/ListVms", id="read"),
        pytest.param(NotSentError("no connection"), "vcenter.v1.VmService/CloneVm", id="not-sent"),
    ],
)
def test_other_failures(error: AnswerTimeoutError | NotSentError, rpc: str) -> None:
    """No other failure speaks of tasks."""
    failure = error.failure(METHODS[rpc])
    assert failure.message == str(error)
    assert "task_form" not in failure.metadata


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(OSError(errno.ECONNREFUSED, "Connect call failed"), "Connection refused", id="os"),
        pytest.param(tls_error(), "wrong version number", id="openssl"),
        pytest.param(ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1000)"),
                     "EOF occurred in violation of protocol", id="tls-without-a-reason"),
        pytest.param(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known",
                     id="resolver"),
        pytest.param(OSError(0, "Error"), "Error", id="no-number"),
        pytest.param(OSError("broken"), "broken", id="a-text-alone"),
        pytest.param(ConnectionResetError("by peer"), "by peer", id="without-a-number"),
        pytest.param(ValueError("anything"), "anything", id="no-error-of-the-system"),
    ],
)  # fmt: skip
def test_what_the_system_says(error: Exception, text: str) -> None:
    """An error is told in the words of the operating system, of OpenSSL, or of the resolver, whoever made it."""
    assert os_text(error) == text
