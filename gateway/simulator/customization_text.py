"""Customization specifications as texts, in JSON and in XML, for storing in files and moving to other vCenters.

The catalogue defines what the text contains: which fields are numbers, and which are passwords, which are omitted.
"""

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from gateway.simulator import errors
from gateway.simulator.catalogue import Type, load
from gateway.simulator.customization_specs import without_nulls
from gateway.simulator.validation import Mismatch, Validator

__all__ = ["from_text", "to_json_text", "to_xml_text"]

_STRUCTURE = "VcenterGuestCustomizationSpecsCreateSpec"
_IMPORT = "com.vmware.vcenter.guest.customization_specs.import_specification"
_ROOT, _ELEMENT = "ConfigRoot", "e"


def to_json_text(spec: Mapping[str, Any]) -> str:
    """The text of a VcenterGuestCustomizationSpecsCreateSpec in JSON."""
    return json.dumps(_without_passwords(_STRUCTURE, spec), indent=2, ensure_ascii=False)


def to_xml_text(spec: Mapping[str, Any]) -> str:
    """The text of a VcenterGuestCustomizationSpecsCreateSpec in XML: an element for each field, `e` for list items."""
    root = ElementTree.Element(_ROOT)
    _fill(root, _without_passwords(_STRUCTURE, spec))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def from_text(text: str) -> dict[str, Any]:
    """The specification in a text; INVALID_ARGUMENT for an invalid text."""
    try:
        value = _of_xml(text) if text.lstrip().startswith("<") else without_nulls(json.loads(text))
        catalogue = load()
        Validator(catalogue, catalogue).result(catalogue.operations[_IMPORT], value)
    except (ValueError, RecursionError, ElementTree.ParseError, Mismatch) as error:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.guest.customization_spec.invalid_text",
            "The text is not that of a customization specification: {0}",
            str(error),
        ) from None
    spec: dict[str, Any] = value
    return spec


def _without_passwords(kind: Type, value: Any) -> Any:
    """The value with all passwords emptied."""
    if not isinstance(kind, str):
        element = kind.get("list") or kind.get("set")
        return [_without_passwords(element, item) for item in value] if element is not None else value
    if kind == "password":
        return ""
    structure = load().structures.get(kind)
    if structure is None:
        return value
    return {name: _without_passwords(structure.fields[name].type, item) for name, item in value.items()}


def _fill(element: ElementTree.Element, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _fill(ElementTree.SubElement(element, name), item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _fill(ElementTree.SubElement(element, _ELEMENT, id=str(number)), item)
    else:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)


def _of_xml(text: str) -> Any:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it declares types or entities")
    root = ElementTree.fromstring(text.encode())  # noqa: S314 - entities are refused above
    if root.tag != _ROOT:
        raise ValueError(f"its root is {root.tag}, not {_ROOT}")
    return _read(_STRUCTURE, root)


def _read(kind: Type, element: ElementTree.Element) -> Any:
    if not isinstance(kind, str):
        item = kind.get("list") or kind.get("set")
        return [_read(item, child) for child in element] if item is not None else {}
    structure = load().structures.get(kind)
    if structure is not None:
        fields = structure.fields
        return {
            child.tag: _read(fields[child.tag].type if child.tag in fields else "string", child) for child in element
        }
    content = element.text or ""
    if kind == "int64":
        return int(content)
    return {"true": True, "false": False}.get(content, content) if kind == "boolean" else content
