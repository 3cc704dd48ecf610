"""The extra configuration through which cloud-init gets its data from VMware Tools.

cloud-init's datasource for VMware reads `guestinfo.userdata`, `guestinfo.metadata` and `guestinfo.vendordata`, each as
the key with `.encoding` behind it says: https://docs.cloud-init.io/en/latest/reference/datasources/vmware.html
"""

from __future__ import annotations

import base64
import gzip

__all__ = ["COMPRESSED_FROM", "extra_config"]

COMPRESSED_FROM = 32 * 1024
"""Size in bytes beyond which data is compressed by default."""


def extra_config(name: str, data: bytes, compress: bool | None) -> dict[str, str]:
    """The keys and values for data with this name, for example `userdata`. Empty data removes the keys."""
    key = f"guestinfo.{name}"
    if not data:
        return {key: "", f"{key}.encoding": ""}
    if compress is None:
        compress = len(data) > COMPRESSED_FROM
    encoding = "base64"
    if compress:
        # The same data results in the same value, so that setting it twice changes nothing.
        data, encoding = gzip.compress(data, mtime=0), "gzip+base64"
    return {key: base64.b64encode(data).decode(), f"{key}.encoding": encoding}
