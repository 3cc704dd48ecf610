"""Validates JSON values against the catalogue: requests from clients, and the simulator's own results.

A request that does not match is the client's fault (INVALID_ARGUMENT, or UNEXPECTED_INPUT for unknown fields of a
body). A result that does not match is a defect of the simulator. Both use the same rules, so that the simulator never
returns what it would not accept itself.
"""

import re
from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.catalogue import Catalogue, Field, Operation, Structure, Type

__all__ = ["Mismatch", "Validator"]

_INT64 = range(-(2**63), 2**63)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_INTEGER = re.compile(r"-?\d{1,19}")
_STRINGS = frozenset({"string", "uri", "password"})
# vCenter accepts this value, which only the enumerations of deployments have: govc sends it with each new template.
_ALSO_ACCEPTED = {
    f"VcenterVmTemplateLibraryItemsCreateSpec{storage}StoragePolicyType": "USE_SOURCE_POLICY"
    for storage in ("Disk", "VmHome")
}


class Mismatch(Exception):  # noqa: N818 - it is the finding, what it leads to is decided by the caller
    """A value that does not match its type: where, and the vAPI message with the reason."""

    def __init__(self, path: str, message: errors.Message, *, unexpected: bool = False) -> None:
        super().__init__(f"{path}: {message.default_message}")
        self.path = path
        self.message = message
        self.unexpected = unexpected


def _mismatch(path: str, expected: str, value: Any) -> Mismatch:
    found = {bool: "BOOLEAN", int: "INTEGER", float: "DOUBLE", str: "STRING", list: "LIST", dict: "STRUCTURE"}
    kind = found.get(type(value), "OPTIONAL")
    text = f"Expected {expected}, but received {kind}."
    return Mismatch(path, errors.Message("vapi.data.validate.mismatch", text, (expected, kind)))


class Validator:
    """Validates against the catalogue of one release, `catalogue`; `whole` is that of all releases."""

    def __init__(self, catalogue: Catalogue, whole: Catalogue) -> None:
        self._structures = catalogue.structures
        self._enumerations = catalogue.enumerations
        self._newer = {
            name: structure.fields.keys() - catalogue.structures[name].fields.keys()
            for name, structure in whole.structures.items()
        }
        self._has_newer = any(self._newer.values())

    def request(self, operation: Operation, query: Mapping[str, list[str]], body: Any, *, has_body: bool) -> None:
        """Raises vCenter's error if query or body do not match the operation."""
        try:
            self._query(operation, query)
            if operation.body is not None:
                if not has_body:
                    raise Mismatch("", errors.Message("com.vmware.vapi.rest.missing_body", "The request has no body."))
                if isinstance(operation.body, Structure):
                    self._structure(operation.body, body, "")
                else:
                    self._value(operation.body, body, "")
        except Mismatch as found:
            raise _rejection(operation, found) from None

    def result(self, operation: Operation, value: Any) -> None:
        """Raises `Mismatch` if the result does not match the catalogue, or has null for unset fields."""
        if value is None and operation.result_is_optional:
            return
        _require_no_nulls(value, "")
        if operation.result is not None:
            self._value(operation.result, value, "")
        elif value is not None:
            raise _mismatch("", "VOID", value)

    def without_newer(self, operation: Operation, value: Any) -> Any:
        """The result without fields that are newer than the release."""
        if not self._has_newer or operation.result is None:
            return value
        return self._without_newer(operation.result, value)

    def _without_newer(self, kind: Type, value: Any) -> Any:
        if isinstance(kind, str):
            if kind not in self._structures or not isinstance(value, dict):
                return value
            fields = self._structures[kind].fields
            return {
                name: self._without_newer(fields[name].type, item) if name in fields else item
                for name, item in value.items()
                if name not in self._newer[kind]
            }
        if isinstance(value, dict) and "map" in kind:
            return {key: self._without_newer(kind["map"][1], item) for key, item in value.items()}
        if isinstance(value, list) and "map" not in kind:
            return [self._without_newer(kind.get("list") or kind["set"], item) for item in value]
        return value

    def _query(self, operation: Operation, query: Mapping[str, list[str]]) -> None:
        for name, values in query.items():
            if name in operation.fixed_query:
                continue
            if name not in operation.query:
                # vCenter rejects parameters of a query before it looks at the input as a whole.
                message, text = "com.vmware.vapi.rest.unsupported_property", "Unsupported property with name: {0}."
                raise errors.invalid_argument(message, text, name)
            kind = operation.query[name].type
            if isinstance(kind, str):
                if len(values) > 1:
                    raise _mismatch(name, kind.upper(), values)
                self._value(kind, _query_value(kind, values[0]), name)
            else:
                self._value(kind, values, name)
        for parameter in operation.query.values():
            if parameter.required and parameter.name not in query:
                text = f"Required parameter '{parameter.name}' is missing."
                raise Mismatch(
                    parameter.name,
                    errors.Message("com.vmware.vapi.rest.missing_parameter", text, (parameter.name,)),
                )

    def _value(self, kind: Type, value: Any, path: str) -> None:
        if not isinstance(kind, str):
            self._collection(kind, value, path)
        elif kind in self._structures:
            self._structure(self._structures[kind], value, path)
        elif kind in self._enumerations:
            self._enumeration(kind, value, path)
        else:
            self._scalar(kind, value, path)

    def _collection(self, kind: Mapping[str, Any], value: Any, path: str) -> None:
        if "map" in kind:
            if not isinstance(value, dict):
                raise _mismatch(path, "MAP", value)
            for key, item in value.items():
                self._value(kind["map"][1], item, f"{path}[{key}]")
            return
        if not isinstance(value, list):
            raise _mismatch(path, "LIST", value)
        item_kind = kind.get("list") or kind["set"]
        for position, item in enumerate(value):
            self._value(item_kind, item, f"{path}[{position}]")
        if "set" in kind and len(set(map(repr, value))) < len(value):
            raise Mismatch(
                path, errors.Message("vapi.bindings.typeconverter.set.duplicate.element", "Duplicate element.")
            )

    def _structure(self, structure: Structure, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _mismatch(path, "STRUCTURE", value)
        prefix = f"{path}." if path else ""
        for name, item in value.items():
            field = structure.fields.get(name)
            if field is None:
                text = f"Unsupported property with name: {name}."
                message = errors.Message("com.vmware.vapi.rest.unsupported_property", text, (name,))
                raise Mismatch(prefix + name, message, unexpected=True)
            if item is not None:
                self._value(field.type, item, prefix + name)
        for field in structure.fields.values():
            if field.required and value.get(field.name) is None:
                raise _missing(structure, field, prefix)
        for union in structure.unions:
            self._union(structure, union.tag, union.cases, value, prefix)

    def _union(
        self,
        structure: Structure,
        tag: str,
        cases: Mapping[str, tuple[tuple[str, bool], ...]],
        value: Mapping[str, Any],
        prefix: str,
    ) -> None:
        selected = value.get(tag)
        allowed = dict(cases.get(selected, ())) if selected is not None else {}
        for name, required in allowed.items():
            if required and value.get(name) is None:
                text = f"The union of structure '{structure.name}' lacks the field '{name}' of this case"
                message = errors.Message("vapi.data.structure.union.missing", text, (structure.name, name))
                raise Mismatch(prefix + name, message)
        for members in cases.values():
            for name, _ in members:
                # Without a tag there is no case, and so none of these fields: vCenter does not guess.
                if name not in allowed and value.get(name) is not None:
                    text = f"Extra field '{name}' in the union of structure '{structure.name}'"
                    message = errors.Message("vapi.data.structure.union.extra", text, (structure.name, name))
                    raise Mismatch(prefix + name, message)

    def _enumeration(self, kind: str, value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise _mismatch(path, "ENUMERATION", value)
        if value not in self._enumerations[kind].values and value != _ALSO_ACCEPTED.get(kind):
            text = f"Value {value} is not one of the values of the enumeration {kind}."
            raise Mismatch(path, errors.Message("vapi.bindings.typeconverter.enum.unknown.value", text, (value, kind)))

    def _scalar(self, kind: str, value: Any, path: str) -> None:
        if kind in _STRINGS:
            fits = isinstance(value, str)
        elif kind == "int64":
            fits = isinstance(value, int) and not isinstance(value, bool) and value in _INT64
        elif kind == "boolean":
            fits = isinstance(value, bool)
        elif kind == "double":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        elif kind == "date-time":
            fits = isinstance(value, str) and _DATE_TIME.fullmatch(value) is not None
        elif kind == "dynamic":
            fits = True
        else:
            raise LookupError(f"the catalogue names a type nobody knows: {kind}")
        if not fits:
            raise _mismatch(path, kind.upper(), value)


def _query_value(kind: str, text: str) -> Any:
    """The value of a query text: a boolean or an integer if the parameter is one."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "int64" and _INTEGER.fullmatch(text):
        return int(text)
    return text


def _require_no_nulls(value: Any, path: str) -> None:
    """Clients may send null for unset fields; vCenter omits them."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if item is None:
            raise _mismatch(f"{path}[{key}]", "VALUE", item)
        _require_no_nulls(item, f"{path}[{key}]")


def _missing(structure: Structure, field: Field, prefix: str) -> Mismatch:
    text = f"Structure '{structure.name}' is missing a field: {field.name}"
    return Mismatch(
        prefix + field.name, errors.Message("vapi.data.structure.field.missing", text, (structure.name, field.name))
    )


def _rejection(operation: Operation, found: Mismatch) -> errors.VapiError:
    messages = [
        errors.Message(
            "vapi.invoke.input.invalid", f"Unable to validate input to method {operation.id}", (operation.id,)
        )
    ]
    if found.path:
        text = f"Found invalid field {found.path} in structure."
        messages.append(errors.Message("vapi.data.structure.field.invalid", text, (found.path,)))
    messages.append(found.message)
    return errors.VapiError("UNEXPECTED_INPUT" if found.unexpected else "INVALID_ARGUMENT", messages)
