"""Writes clients/service_config.json: how gRPC clients of all languages load-balance and retry calls.

    generate_service_config.py           writes it
    generate_service_config.py --check   fails if it is out of date

The protos' `idempotency_level` decides what is retried: rpcs without side effects, only on UNAVAILABLE. All others are
sent once, whatever happens. Therefore, no call may be in flight to a replica that closes its listener, and clients
watch the health of each replica to leave before that.
"""

from __future__ import annotations

import json
from typing import Any

from generated import ROOT, write_or_check

from gateway.contract import Idempotency, load_contract
from gateway.server.gateway import CLIENTS_HEALTH
from gateway.vcenter.retry import CLIENT_RETRIES

OUTPUT = ROOT / "clients" / "service_config.json"


def service_config() -> dict[str, Any]:
    """The service config in the JSON form that gRPC clients accept."""
    reads = [
        {"service": method.service, "method": method.name}
        for method in load_contract().methods.values()
        if method.idempotency is Idempotency.NO_SIDE_EFFECTS
    ]
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": CLIENTS_HEALTH},
        "methodConfig": [
            {
                "name": sorted(reads, key=lambda name: (name["service"], name["method"])),
                "retryPolicy": {
                    "maxAttempts": CLIENT_RETRIES.max_attempts,
                    "initialBackoff": f"{CLIENT_RETRIES.initial_backoff:g}s",
                    "maxBackoff": f"{CLIENT_RETRIES.max_backoff:g}s",
                    "backoffMultiplier": CLIENT_RETRIES.backoff_multiplier,
                    "retryableStatusCodes": list(CLIENT_RETRIES.codes),
                },
            }
        ],
        "retryThrottling": {"maxTokens": CLIENT_RETRIES.max_tokens, "tokenRatio": CLIENT_RETRIES.token_ratio},
    }


def main() -> None:
    """Writes or checks the file."""
    write_or_check({OUTPUT: json.dumps(service_config(), indent=2) + "\n"})


if __name__ == "__main__":
    main()
