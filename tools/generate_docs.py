"""Writes the generated parts of docs/: the reference of the services, and the tables of settings and errors.

    generate_docs.py           writes them
    generate_docs.py --check   fails when one of them is not what it would be

A generated part of a page stands between two comments that name it; the rest of the page is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.rpc import code_pb2

from gateway.admin.metrics import metrics_table
from gateway.contract import Idempotency, Method, Streaming, load_contract
from gateway.errors import BY_ERROR_TYPE, BY_HTTP_STATUS, SERVER_FAULTS
from gateway.settings import issuers_table, reference_table

DOCS = Path(__file__).resolve().parents[1] / "docs"

# Numbers of fields in google/protobuf/descriptor.proto, of which the paths of comments are made.
_SERVICE, _OPTIONS = 6, 3

_REPEATABLE = {
    Idempotency.NO_SIDE_EFFECTS: "reads only",
    Idempotency.IDEMPOTENT: "may be repeated",
    Idempotency.UNKNOWN: "changes something",
}


def services() -> str:
    """Every service with its rpcs: the REST call, the errors, and what the proto says."""
    contract = load_contract()
    comments = _comments(contract.descriptor_set)
    lines: list[str] = []
    for service in sorted(contract.services):
        lines += [f"## {service}", "", comments[service], ""]
        for method in contract.methods.values():
            if method.service == service:
                lines += [*_method(method, comments[method.full_name]), ""]
    return "\n".join(lines).rstrip()


def _comments(descriptor_set: bytes) -> dict[str, str]:
    """The comments of services and rpcs by full name."""
    comments = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        for location in file.source_code_info.location:
            if location.path[:1] != [_SERVICE] or len(location.path) not in (2, 4) or location.path[2:3] == [_OPTIONS]:
                continue
            service = file.service[location.path[1]]
            name = f"{file.package}.{service.name}"
            if len(location.path) == 4:
                name += f"/{service.method[location.path[3]].name}"
            comments[name] = "\n".join(line.strip() for line in location.leading_comments.strip().splitlines())
    return comments


def _method(method: Method, comment: str) -> Iterator[str]:
    yield f"### {method.name}"
    yield ""
    call = f"`{method.operation}`" if method.operation else "Implemented by the gateway"
    streams = " · streams responses" if method.streaming is Streaming.SERVER else ""
    since = f" · since vCenter {method.since}" if method.since else ""
    yield f"{call} · {_REPEATABLE[method.idempotency]}{streams}{since}"
    yield ""
    yield comment
    yield ""
    yield f"Request `{method.input_type.full_name}`, response `{method.output_type.full_name}`."
    if method.errors:
        yield ""
        yield f"Errors: {', '.join(f'`{error}`' for error in method.errors)}."


def error_types() -> str:
    """vAPI's standard errors with their gRPC codes."""
    rows = ["| vAPI error type (the reason) | gRPC code |", "|---|---|"]
    return "\n".join(rows + [f"| `{name}` | `{code_pb2.Code.Name(code)}` |" for name, code in BY_ERROR_TYPE.items()])


def http_statuses() -> str:
    """HTTP statuses with the gRPC codes of answers that carry no error type."""
    rows = ["| HTTP status | gRPC code |", "|---|---|"]
    rows += [f"| {status} | `{code_pb2.Code.Name(code)}` |" for status, code in BY_HTTP_STATUS.items()]
    return "\n".join([*rows, "| any other | `UNKNOWN` |"])


def server_faults() -> str:
    """The codes that say that the gateway or vCenter failed."""
    return ", ".join(f"`{name}`" for name in sorted(SERVER_FAULTS))


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "configuration.md": {"settings": reference_table, "issuers": issuers_table},
    "errors.md": {
        "error types": error_types,
        "http statuses": http_statuses,
        "server faults": server_faults,
    },
    "operations.md": {"metrics": metrics_table},
    "services.md": {"services": services},
}


def render(page: str, text: str) -> str:
    """The page with its generated parts replaced. Raises SystemExit when it has no place for one of them."""
    for part, make in PARTS[page].items():
        begin, end = f"<!-- generated: {part} -->", f"<!-- end of generated: {part} -->"
        content = f"{begin}\n\n{make()}\n\n{end}".replace("\\", "\\\\")
        text, count = re.subn(f"{begin}.*?{end}", content, text, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"docs/{page} must have one part between {begin} and {end}")
    return text


def main() -> None:
    """Writes or checks all pages."""
    stale = []
    for page in PARTS:
        path = DOCS / page
        old = path.read_text(encoding="utf-8")
        new = render(page, old)
        if new == old:
            continue
        if "--check" in sys.argv[1:]:
            stale.append(f"docs/{page}")
        else:
            path.write_text(new, encoding="utf-8")
    if stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run `make generate`")


if __name__ == "__main__":
    main()
