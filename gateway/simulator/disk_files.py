"""Virtual disk files, and the space that they use on their datastores."""

from collections import UserDict

from gateway.simulator.places import Places

__all__ = ["DiskFiles"]


class DiskFiles(UserDict[str, int]):
    """The virtual disk files by path, with their capacity in bytes, which counts as used space of their datastores."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self._places = places

    def __setitem__(self, path: str, capacity: int) -> None:
        self._use(path, capacity - self.get(path, 0))
        super().__setitem__(path, capacity)

    def __delitem__(self, path: str) -> None:
        self._use(path, -self[path])
        super().__delitem__(path)

    def _use(self, path: str, size: int) -> None:
        datastore = self._places.datastore_of(path)
        if datastore is not None:
            datastore.used += size
