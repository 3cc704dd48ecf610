"""The contract: the content of the protos, read once from the compiled descriptor set.

The descriptors are in a separate pool, so that an application can load the gateway and generated stubs of the same
protos into one process.
"""

from gateway.contract.contract import (
    Contract,
    ContractError,
    Idempotency,
    Local,
    Method,
    Moved,
    Rest,
    Streaming,
    UnionCase,
)
from gateway.contract.http_rule import Variable
from gateway.contract.reader import load_contract
from gateway.contract.resources import Named

__all__ = [
    "Contract",
    "ContractError",
    "Idempotency",
    "Local",
    "Method",
    "Moved",
    "Named",
    "Rest",
    "Streaming",
    "UnionCase",
    "Variable",
    "load_contract",
]
