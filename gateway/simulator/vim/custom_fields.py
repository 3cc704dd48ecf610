"""Custom attributes: their definitions. The machines contain their values."""

from dataclasses import dataclass
from itertools import count

from gateway.simulator.vim.faults import VimError, invalid_argument
from gateway.simulator.vim.values import Data

__all__ = ["CustomField", "CustomFields"]

_FIRST_KEY = 101


@dataclass(slots=True)
class CustomField:
    """A custom attribute; without a type, any object can have it."""

    key: int
    name: str
    type: str | None

    def to_data(self) -> Data:
        """The CustomFieldDef."""
        return Data("CustomFieldDef", key=self.key, name=self.name, type="string", managedObjectType=self.type)


class CustomFields:
    """All custom attributes by key."""

    def __init__(self) -> None:
        self.fields: dict[int, CustomField] = {}
        self._keys = count(_FIRST_KEY)

    def definitions(self) -> list[Data]:
        """All definitions."""
        return [field.to_data() for field in self.fields.values()]

    def find(self, key: int | None) -> CustomField:
        """The attribute with that key; InvalidArgument if it does not exist."""
        field = self.fields.get(-1 if key is None else key)
        if field is None:
            raise invalid_argument("key")
        return field

    def add(self, name: str, type: str | None) -> CustomField:  # noqa: A002
        """A new attribute; DuplicateName if the name is taken."""
        self._require_free(name)
        field = CustomField(next(self._keys), name, type)
        self.fields[field.key] = field
        return field

    def rename(self, key: int | None, name: str) -> None:
        """Renames an attribute."""
        field = self.find(key)
        if field.name != name:
            self._require_free(name)
        field.name = name

    def _require_free(self, name: str) -> None:
        if not name:
            raise invalid_argument("name")
        if any(field.name == name for field in self.fields.values()):
            raise VimError("DuplicateName", f"The name '{name}' already exists.", name=name)
