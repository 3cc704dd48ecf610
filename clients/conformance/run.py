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
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from gateway.contract import load_contract

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
USER, PASSWORD = "administrator@vsphere.local", "VMware1!"
SECONDS = 60


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


def set_fault(vcenter: str, fault: Mapping[str, Any]) -> None:
    """Switches a fault of the simulator on."""
    request = urllib.request.Request(  # noqa: S310 - the simulator's own address
        f"{vcenter}/simulator/faults", json.dumps(fault).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310 - likewise
        pass


def run_language(language: str, cases: list[dict[str, Any]]) -> list[str]:
    """Runs all cases with one runner. Returns a line for each that gave something else than it should."""
    with (
        process("simulate", "--listen", "127.0.0.1:0") as (_, announced),
        process("serve", "--vcenter", address_in(announced, " on "), "--listen", "127.0.0.1:0") as (_, serving),
    ):
        vcenter = address_in(announced, " on ")
        environment = {
            **os.environ,
            "GATEWAY_TARGET": address_in(serving, " on "),
            "GATEWAY_USER": USER,
            "GATEWAY_PASSWORD": PASSWORD,
        }
        with subprocess.Popen(  # noqa: S603 - the runners of this project
            [runner(language)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        ) as running:
            problems = list(_answers(running, vcenter, cases))
            if code := running.wait(SECONDS):
                problems.append(f"the runner ended with exit code {code}")
    return problems


def _answers(running: subprocess.Popen[str], vcenter: str, cases: list[dict[str, Any]]) -> Iterator[str]:
    """Makes the calls of all cases and yields what is wrong with their answers."""
    if running.stdin is None or running.stdout is None:
        raise ValueError("the runner needs pipes")
    with running.stdin as requests:
        for case in cases:
            if "fault" in case:
                set_fault(vcenter, case["fault"])
            requests.write(json.dumps({"rpc": case["rpc"], "request": case.get("request", {})}) + "\n")
            requests.flush()
            line = running.stdout.readline()
            if not line:
                yield f"{case['id']}: the runner ended"
                return
            if problem := compare(case, json.loads(line)):
                yield f"{case['id']}: {problem}"


def compare(case: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """What is wrong with an answer, empty when nothing is."""
    if "error" in case:
        if "error" not in answer:
            return f"an error was expected, not {answer}"
        expected, got = case["error"], answer["error"]
        wrong = {key: got.get(key) for key, value in expected.items() if got.get(key) != value}
        return f"{wrong} instead of { {key: expected[key] for key in wrong} }" if wrong else ""
    if "response" not in answer:
        return f"failed with {answer.get('error')}"
    response_type = load_contract().methods[case["rpc"]].output_type
    got = _canonical(response_type, answer["response"])
    if "contains" in case:
        return _missing(_canonical(response_type, case["contains"]), got, "")
    expected = _canonical(response_type, case["response"])
    return "" if got == expected else f"{got} instead of {expected}"[:2000]


def _canonical(response_type: Any, value: Any) -> Any:
    """The one JSON form of a message, whichever of the allowed ones it came in."""
    contract = load_contract()
    message = json_format.ParseDict(value, contract.message_class(response_type)(), descriptor_pool=contract.pool)
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
