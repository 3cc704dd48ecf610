"""A HorizontalPodAutoscaler adds pods when callers need more CPU, by what metrics-server says of the pods."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import eventually
from tests.cluster.running.calling import BASIC, calling
from tests.cluster.running.metrics import metrics
from tests.cluster.running.release import Running, is_ready

pytestmark = pytest.mark.timeout(400)


@pytest.mark.long("needs metrics-server, 45 s and its build")
def test_pods_are_added_under_load(running: Running) -> None:
    """No call fails while the second and third pod come, and connections that are closed after a while find them."""
    with metrics(running.cluster):
        running.install(
            running.values(
                {"max_connection_age_seconds": 10},
                autoscaling={
                    "enabled": True,
                    "minReplicas": 1,
                    "maxReplicas": 3,
                    # Of a core: what eight callers need of each pod, whatever the machine.
                    "targetCPUUtilizationPercentage": 2,
                },
            )
        )
        [first] = running.ready(1)
        with calling(running.headless, BASIC) as seen:
            eventually(
                lambda: len([pod for pod in running.pods() if is_ready(pod)]) == 3,
                f"three pods: {running.cluster.items('HorizontalPodAutoscaler', running.namespace)}",
                180,
            )
    assert seen.failures == []
    assert seen.calls > 300
    assert first["metadata"]["name"] in {pod["metadata"]["name"] for pod in running.pods()}
