"""`make cluster`: a control plane for trying things out, which runs until it is told to stop.

    python -m tests.cluster build [--node]     # builds all that the tests need
    python -m tests.cluster                    # starts it, tells its KUBECONFIG, stops at Ctrl-C
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.cluster.build import BUILD, BuildError, built, helm4, kubernetes_version
from tests.cluster.control_plane import StartError, control_plane


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description="A real Kubernetes control plane, for trying things out.")
    parser.add_argument("action", nargs="?", choices=["build"], help="build what is needed, and start nothing")
    parser.add_argument("--node", action="store_true", help="with kubelet and kube-proxy")
    arguments = parser.parse_args()
    try:
        kubernetes = built(kubernetes_version(), node=arguments.node)
        if arguments.action == "build":
            helm4()
            return 0
        return _run(kubernetes.program, time.monotonic())
    except (BuildError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run(program: Path, begin: float) -> int:
    folder = BUILD / "running"
    shutil.rmtree(folder, ignore_errors=True)
    with control_plane(built(kubernetes_version()), folder) as plane:
        sys.stdout.write(
            f"Kubernetes {plane.kubernetes.version} is ready after {time.monotonic() - begin:.1f} s. In another shell:\n"
            f"  export KUBECONFIG={plane.kubeconfig}\n"
            f"  alias kubectl='{program} kubectl'\n"
            "Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
