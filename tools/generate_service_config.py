"""Writes clients/service_config.json: how a gRPC client of any language should balance and repeat calls.

    generate_service_config.py           writes it
    generate_service_config.py --check   fails when it is not what it would be

What may be repeated follows from the protos' `idempotency_level`: rpcs without side effects, on UNAVAILABLE alone. All
others are sent once, whatever happens. Therefore no call may be on its way to a replica that closes its listener, and
clients watch the health of each, to leave before that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gateway.contract import Idempotency, load_contract
from gateway.server.gateway import CLIENTS_HEALTH
from gateway.vcenter.retry import CLIENT_RETRIES

OUTPUT = Path(__file__).resolve().parents[1] / "clients" / "service_config.json"


def service_config() -> dict[str, Any]:
    """The service config as gRPC's clients take it, in its JSON form."""
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
    content = json.dumps(service_config(), indent=2) + "\n"
    if "--check" not in sys.argv[1:]:
        OUTPUT.write_text(content, encoding="utf-8")
    elif not OUTPUT.is_file() or OUTPUT.read_text(encoding="utf-8") != content:
        sys.exit("not up to date: clients/service_config.json; run `make generate`")


if __name__ == "__main__":
    main()
