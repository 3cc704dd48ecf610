"""Runs the conformance cases with the runner of one language, or of several, and compares their answers.

    run.py go                       one language
    run.py go java python rust      several, each against a vCenter of its own

Exit code 0 when every case of every language gave what it should.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from grpc_health.v1 import health_pb2
from hop import Hop

from gateway.contract import load_contract

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
USER, PASSWORD = "administrator@vsphere.local", "VMware1!"
SECONDS = 60
"""How long anything may take before it counts as hung."""
POLL_SECONDS = 0.02
HEALTH = "grpc.health.v1.Health/"


def runner(language: str) -> Path:
    """The executable that makes the calls in one language. Raises SystemExit when it was not built."""
    path = ROOT / "build" / "clients" / language / "conformance"
    if not path.is_file():
        sys.exit(f"{path.relative_to(ROOT)} is missing: run `make test-client-{language}`")
    return path


def load_cases() -> list[dict[str, Any]]:
    """All cases, in their order. Raises SystemExit for an id that occurs twice."""
    cases: list[dict[str, Any]] = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    cases.append(large_answer())
    ids = [case["id"] for case in cases]
    if duplicates := {item for item in ids if ids.count(item) > 1}:
        sys.exit(f"cases.json: several cases have the id {', '.join(sorted(duplicates))}")
    return cases


def large_answer() -> dict[str, Any]:
    """A case that is too large to write down: more than the 4 MiB that gRPC takes unless it is told otherwise."""
    text = "x" * (8 << 20)
    return {
        "id": "an answer of 8 MiB",
        "rpc": "vcenter.vm.guest.v1.EnvironmentService/GetEnvironment",
        "request": {
            "vm": "vm-1001",
            "credentials": {
                "interactive_session": False,
                "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
                "user_name": "root",
                "password": "VMware1!",
            },
            "name": "LARGE",
        },
        "fault": {"kind": "answer", "operation": "com.vmware.vcenter.vm.guest.environment.get", "body": text},
        "response": {"value": text},
    }


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command of the gateway that runs in the background, and the first line it prints."""
    running = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "gateway", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "GATEWAY_LOG_LEVEL": "error", "GATEWAY_LOG_AUDIT_FILE": os.devnull},
    )
    try:
        yield running, running.stdout.readline() if running.stdout else ""
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(SECONDS)


def address_in(line: str, before: str) -> str:
    """The word that follows `before` in a line that a command printed."""
    _, found, rest = line.partition(before)
    if not found:
        sys.exit(f"the gateway did not start: {line!r}")
    return rest.split()[0].rstrip(".:")


@dataclass(frozen=True)
class VCenter:
    """The simulated vCenter, by its control API."""

    address: str

    def set_fault(self, fault: Mapping[str, Any]) -> None:
        """Switches a fault on."""
        self._request("POST", "faults", json.dumps(fault).encode())

    def calls(self, operation: str) -> int:
        """How often an operation has been called since `forget_calls`."""
        record = self._request("GET", f"calls?operation={urllib.parse.quote(operation)}")
        return len(json.loads(record))

    def forget_calls(self) -> None:
        """Starts to count anew."""
        self._request("DELETE", "calls")

    def wait_for_call(self, operation: str) -> None:
        """Returns when an operation has been called. Raises SystemExit when it is not."""
        deadline = time.monotonic() + SECONDS
        while not self.calls(operation):
            if time.monotonic() > deadline:
                sys.exit(f"vCenter got no call of {operation}")
            time.sleep(POLL_SECONDS)

    def _request(self, verb: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - the simulator's own address
            f"{self.address}/simulator/{path}", body, {"Content-Type": "application/json"}, method=verb
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310 - likewise
            answer: bytes = response.read()
        return answer


@contextmanager
def simulated(*options: str) -> Iterator[VCenter]:
    """Starts a simulated vCenter, and ends it."""
    with process("simulate", "--listen", "127.0.0.1:0", *options) as (_, announced):
        yield VCenter(address_in(announced, " on "))


@dataclass(frozen=True)
class Site:
    """A gateway, a client, and the network between them."""

    vcenter: VCenter
    gateway: subprocess.Popen[str]
    hop: Hop
    runner: subprocess.Popen[str]

    def do(self, action: str) -> None:
        """What a case lets happen."""
        if action == "stop":
            self.gateway.send_signal(signal.SIGTERM)
        elif action == "cut":
            self.hop.cut()
        elif action == "refuse":
            self.hop.refuse()
        else:
            sys.exit(f"cases.json: {action!r} is not something that can happen")


@contextmanager
def site(language: str, vcenter: VCenter, problems: list[str]) -> Iterator[Site]:
    """Starts a gateway and a runner that reaches it, and ends both. Adds a problem when the runner fails in the end."""
    with (
        process("serve", "--vcenter", vcenter.address, "--listen", "127.0.0.1:0") as (gateway, serving),
        Hop(address_in(serving, " on ")) as hop,
    ):
        environment = {
            **os.environ,
            "GATEWAY_TARGET": hop.address,
            "GATEWAY_USER": USER,
            "GATEWAY_PASSWORD": PASSWORD,
        }
        with subprocess.Popen(  # noqa: S603 - the runners of this project
            [runner(language)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        ) as running:
            yield Site(vcenter, gateway, hop, running)
            if running.stdin:
                running.stdin.close()
            if code := running.wait(SECONDS):
                problems.append(f"the runner ended with exit code {code}")


def run_language(language: str, cases: list[dict[str, Any]]) -> list[str]:
    """Runs all cases with one runner. Returns a line for each that gave something else than it should."""
    problems: list[str] = []
    with simulated() as vcenter:
        with site(language, vcenter, problems) as shared:
            for case in cases:
                if not {"happens", "release"} & case.keys():
                    problems += _run(shared, case)
        for case in cases:
            if "happens" in case:
                # What happens may not touch other cases.
                with site(language, vcenter, problems) as own:
                    problems += _run(own, case)
    for case in cases:
        if "release" in case:
            with simulated("--release", case["release"]) as old, site(language, old, problems) as own:
                problems += _run(own, case)
    return problems


def _run(at: Site, case: Mapping[str, Any]) -> list[str]:
    """Makes the call of a case. Returns what is wrong, nothing or one line."""
    happens = case.get("happens", {})
    resets = at.hop.resets
    at.vcenter.forget_calls()
    if "fault" in case:
        at.vcenter.set_fault(case["fault"])
    watchdog = threading.Timer(SECONDS, at.runner.kill)
    watchdog.start()
    try:
        answers = list(_answers(at, case, happens))
    finally:
        watchdog.cancel()
    if not answers or "message" in answers[-1]:
        problem = f"the runner ended, or took more than {SECONDS} s, after {answers}"
    else:
        try:
            problem = compare(case, answers)
        except json_format.ParseError as error:
            problem = f"not the JSON form of the response: {error}"
    if not problem and "cancel_after" in case and not at.hop.wait_for_reset(resets, SECONDS):
        problem = "the gateway was not told that the stream was cancelled"
    for operation, expected in case.get("calls", {}).items():
        if not problem and (calls := at.vcenter.calls(operation)) != expected:
            problem = f"vCenter got {calls} calls of {operation} instead of {expected}"
    return [f"{case['id']}: {problem}"] if problem else []


def _answers(at: Site, case: Mapping[str, Any], happens: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines by which the runner answers, the last of which is no message; fewer when the runner ends."""
    if at.runner.stdin is None or at.runner.stdout is None:
        raise ValueError("the runner needs pipes")
    messages = 0
    if happens.get("after_messages") == messages:
        at.do(happens["what"])
    request = {key: case[key] for key in ("rpc", "request", "requests", "stream", "cancel_after") if key in case}
    at.runner.stdin.write(json.dumps({"request": {}, **request}) + "\n")
    at.runner.stdin.flush()
    if "once_called" in happens:
        at.vcenter.wait_for_call(happens["once_called"])
        at.do(happens["what"])
    while line := at.runner.stdout.readline():
        answer = json.loads(line)
        yield answer
        if "message" not in answer:
            return
        messages += 1
        if happens.get("after_messages") == messages:
            at.do(happens["what"])


def compare(case: Mapping[str, Any], answers: list[dict[str, Any]]) -> str:
    """What is wrong with the answers to a call, empty when nothing is."""
    *messages, answer = answers
    if problem := _compare_messages(case, [message["message"] for message in messages]):
        return problem
    if "error" in case:
        if "error" not in answer:
            return f"an error was expected, not {answer}"
        expected, got = case["error"], answer["error"]
        wrong = {key: got.get(key) for key, value in expected.items() if got.get(key) != value}
        return f"{wrong} instead of { {key: expected[key] for key in wrong} }" if wrong else ""
    if ("end" if case.get("stream") else "response") not in answer:
        return f"failed with {answer.get('error', answer)}"
    if case.get("stream"):
        return ""
    got = _canonical(case["rpc"], answer["response"])
    if "contains" in case:
        return _missing(_canonical(case["rpc"], case["contains"]), got, "")
    expected = _canonical(case["rpc"], case["response"])
    return "" if got == expected else f"{got} instead of {expected}"[:2000]


def _compare_messages(case: Mapping[str, Any], messages: list[Any]) -> str:
    """What is wrong with the messages of a stream, empty when nothing is."""
    expected = case.get("messages", [])
    if len(messages) != len(expected) and not (case.get("more_messages") and len(messages) > len(expected)):
        return f"{len(messages)} messages instead of {len(expected)}: {messages}"[:2000]
    for number, (wanted, message) in enumerate(zip(expected, messages, strict=False), 1):
        if problem := _missing(_canonical(case["rpc"], wanted), _canonical(case["rpc"], message), ""):
            return f"message {number}: {problem}"
    return ""


def _canonical(rpc: str, value: Any) -> Any:
    """The one JSON form of a response, whichever of the allowed ones it came in."""
    if rpc.startswith(HEALTH):
        message = json_format.ParseDict(value, health_pb2.HealthCheckResponse())
    else:
        contract = load_contract()
        response = contract.message_class(contract.methods[rpc].output_type)()
        message = json_format.ParseDict(value, response, descriptor_pool=contract.pool)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _missing(expected: Any, got: Any, path: str) -> str:
    """Where `got` lacks what is expected, empty when it has it all."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            if problem := _missing(value, got.get(key), f"{path}.{key}" if path else key):
                return problem
        return ""
    return "" if expected == got else f"{path} is {got!r} instead of {expected!r}"


def main(languages: list[str]) -> int:
    """Runs the languages one after the other and prints what they gave."""
    if not languages:
        sys.exit(__doc__)
    cases = load_cases()
    failed = 0
    for language in languages:
        problems = run_language(language, cases)
        failed += len(problems)
        for problem in problems:
            print(f"{language}: {problem}", file=sys.stderr)
        print(f"{language}: {len(cases)} cases, {len(problems)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
