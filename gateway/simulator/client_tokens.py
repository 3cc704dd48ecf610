"""Client tokens: with a token, a caller marks a call as a repetition of an earlier one, and gets the same response.

vCenter 7 and 8 expect the token in the query, vCenter 9 in a header field; each ignores or rejects the other place.
"""

import uuid
from collections.abc import Callable
from typing import TypeVar

from gateway.simulator import errors
from gateway.simulator.registry import Call

__all__ = ["once"]

_IN_HEADER_SINCE = "9.0.0.0"

Result = TypeVar("Result")


def once(call: Call, work: Callable[[], Result]) -> Result:
    """The result of the work, or that of the first call of this operation with the same token.

    A failed call is not remembered. INVALID_ARGUMENT for a token that is not a UUID.
    """
    in_header = call.inventory.release.has(_IN_HEADER_SINCE)
    token = call.headers.get("client-token") if in_header else next(iter(call.query.get("client_token", ())), None)
    if token is None:
        return work()
    try:
        key = (call.operation, uuid.UUID(token))
    except ValueError:
        raise errors.invalid_argument(
            "com.vmware.vdcs.cls-main.invalid_client_token", "The client token '{0}' is not a UUID.", token
        ) from None
    if key not in call.inventory.client_tokens:
        call.inventory.client_tokens[key] = work()
    result: Result = call.inventory.client_tokens[key]
    return result
