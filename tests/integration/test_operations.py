"""Every rpc and every documented error of every rpc, from a client through a real gateway to the simulated vCenter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.errors import BY_ERROR_TYPE
from gateway.simulator import Fault
from gateway.simulator.catalogue import load
from gateway.simulator.inventory import BUSY, INACCESSIBLE
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.harness import Failure, System

FAMILIES = [
    import_module(f"tests.integration.{path.stem}") for path in sorted(Path(__file__).parent.glob("*_cases.py"))
]
SUCCESSES: list[Success] = [case for family in FAMILIES for case in family.SUCCESSES]
SPECIFIC: list[ErrorCase] = [case for family in FAMILIES for case in family.ERRORS]
METHODS = load_contract().methods


def operation_of(rpc: str) -> str:
    """The id of the operation in vCenter's catalogue that an rpc stands for: of several with its verb and path, the one
    with its parameters."""
    rule = METHODS[rpc].rule
    path, _, query = rule.path.partition("?")
    address = (rule.verb, path, dict(parse_qsl(query)))
    fields = set(METHODS[rpc].input_type.fields_by_name)
    found = [item for item in load().operations.values() if (item.method, item.path, item.fixed_query) == address]
    return min(found, key=lambda item: len(fields ^ {*rule.variables, *item.query})).id


def common_cases() -> Iterator[ErrorCase]:
    """What every operation can end in, as far as it is documented: made from the first success of each rpc."""
    firsts: dict[str, Success] = {}
    for success in SUCCESSES:
        firsts.setdefault(success.rpc, success)
    specific = {(case.rpc, case.error) for case in SPECIFIC}
    for rpc, success in firsts.items():
        documented = set(METHODS[rpc].errors)
        request = dict(success.request)
        if "vm" in METHODS[rpc].input_type.fields_by_name:
            for error, vm, message in (
                ("NOT_FOUND", "vm-999999", "com.vmware.api.vcenter.vm.not_found"),
                ("RESOURCE_INACCESSIBLE", INACCESSIBLE, "com.vmware.api.vcenter.vm.configuration_inaccessible"),
                ("RESOURCE_BUSY", BUSY, "vmsg.TaskInProgress.summary"),
            ):
                if error in documented:
                    name = vm if isinstance(vm, str) else f"vm-{1022 + vm}"
                    yield _common(rpc, error, message, {**request, "vm": name})
        if "UNAUTHORIZED" in documented:
            message = "vapi.security.authorization.invalid"
            yield _common(rpc, "UNAUTHORIZED", message, request, user="noaccess@vsphere.local")
        for error in ("ERROR", "SERVICE_UNAVAILABLE"):
            if error in documented and (rpc, error) not in specific:
                outage = "com.vmware.vapi.endpoint.cis.ServiceUnavailable"
                message = outage if error == "SERVICE_UNAVAILABLE" else "com.vmware.vcenter.simulator.fault"
                yield _common(rpc, error, message, request, setup=_failing(error, operation_of(rpc)))


def _common(rpc: str, error: str, message: str, request: Json, **more: Any) -> ErrorCase:
    return ErrorCase(rpc=rpc, error=error, messages=(message,), request=request, id="common", **more)


def _failing(error: str, operation: str) -> Setup:
    # For good: the gateway repeats reads that fail in a way that may pass.
    return lambda simulator: simulator.faults.add(Fault.error(error), operation=operation, times=None)


COMMON = list(common_cases())


def _success_id(case: Success) -> str:
    return f"{case.rpc.rpartition('.')[2]}-{case.id}"


def _error_id(case: ErrorCase) -> str:
    return f"{case.rpc.rpartition('.')[2]}-{case.error}{f'-{case.id}' if case.id else ''}"


@pytest.mark.parametrize("case", SUCCESSES, ids=_success_id)
async def test_success(system: System, case: Success) -> None:
    """The call succeeds with the expected response and leaves the expected state."""
    if case.setup is not None:
        case.setup(system.simulator)
    response = await system.client.call(case.rpc, case.request)
    if case.response is not None:
        assert response == case.response
    if case.check is not None:
        case.check(response, system.simulator)


@pytest.mark.parametrize("case", [*SPECIFIC, *COMMON], ids=_error_id)
async def test_error(system: System, case: ErrorCase) -> None:
    """The refusal arrives with its code, its reason and all of vCenter's messages."""
    if case.setup is not None:
        case.setup(system.simulator)
    with pytest.raises(Failure) as caught:
        await system.client.call(case.rpc, case.request, user=case.user)
    failure = caught.value
    assert (failure.code, failure.reason) == (code_pb2.Code.Name(BY_ERROR_TYPE[case.error]), case.error)
    assert failure.message_ids == case.all_messages
    assert failure.domain == "vcenter.vmware.com"
    assert failure.metadata["operation"] == METHODS[case.rpc].operation
    for name, expected in case.details.items():
        assert failure.details[name] == expected


@pytest.mark.parametrize("rpc", [rpc for rpc in METHODS if "UNAUTHENTICATED" in METHODS[rpc].errors])
async def test_expired_session(system: System, rpc: str) -> None:
    """A session that vCenter does not know is refused with vCenter's own message and challenge."""
    request = next(case.request for case in SUCCESSES if case.rpc == rpc)
    with pytest.raises(Failure) as caught:
        await system.client.call(rpc, request, user=None, metadata=(("vmware-api-session-id", "0" * 32),))
    assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert caught.value.message_ids == ("com.vmware.vapi.endpoint.method.authentication.required",)
    assert "SIGN realm" in caught.value.details["vapi.std.errors.v1.Error"]["challenge"]


def test_every_rpc_succeeds_somewhere() -> None:
    """No rpc is left without a success whose result is looked at."""
    looked_at = {case.rpc for case in SUCCESSES if case.response is not None or case.check is not None}
    assert {rpc for rpc, method in METHODS.items() if method.operation} - looked_at == set()


def test_every_documented_error_is_provoked() -> None:
    """No error that vCenter documents for an operation is left out, and none is tested that it does not document."""
    documented = {(rpc, error) for rpc, method in METHODS.items() for error in method.errors}
    provoked = {(case.rpc, case.error) for case in [*SPECIFIC, *COMMON]}
    provoked |= {(rpc, "UNAUTHENTICATED") for rpc in METHODS if "UNAUTHENTICATED" in METHODS[rpc].errors}
    assert documented - provoked == set()
    assert provoked - documented == set()


def test_cases_have_names_of_their_own() -> None:
    """Two cases with one name would hide each other in a report."""
    names = Counter([_success_id(case) for case in SUCCESSES] + [_error_id(case) for case in [*SPECIFIC, *COMMON]])
    assert [name for name, count in names.items() if count > 1] == []
