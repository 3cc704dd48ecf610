"""Real clusters on this machine: for trying things out (`make cluster`), and for the tests (`make test-cluster`).

python -m tests.cluster                      # a control plane; tells its KUBECONFIG, and stops at Ctrl-C
python -m tests.cluster build [--node]       # builds all that the tests need
python -m tests.cluster test [ARGUMENTS]     # runs the tests that need a control plane
python -m tests.cluster test --node [...]    # runs the tests that need pods, where this machine can run some
python -m tests.cluster test --node --quick  # the same without those that take long; tells which these are
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.cluster import node
from tests.cluster.build import BUILD, ROOT, BuildError, built, helm4, kube_router, kubernetes_version, metrics_server
from tests.cluster.control_plane import StartError, control_plane
from tests.cluster.running import figures

_HERE = Path(__file__).parent
_NAMESPACES = ("--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


def main(arguments: list[str]) -> int:
    """Does what the arguments say; returns the exit code."""
    action = arguments.pop(0) if arguments and arguments[0] in ("build", "test") else "run"
    has_node = "--node" in arguments
    is_quick = "--quick" in arguments
    rest = [argument for argument in arguments if argument not in ("--node", "--quick")]
    try:
        if action == "test" and has_node and (missing := node.missing()):
            return _without_node(missing)
        begin = time.monotonic()
        built(kubernetes_version(), node=has_node)
        if action == "run":
            return _run(begin)
        helm4()
        if action == "build":
            return 0
        return (
            _test_node(rest, is_quick) if has_node else _pytest([str(_HERE), "--ignore", str(_HERE / "running"), *rest])
        )
    except (BuildError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _pytest(arguments: list[str], *, before: tuple[str, ...] = (), variables: dict[str, str] | None = None) -> int:
    command = [*before, sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | (variables or {})).returncode


def _without_node(missing: list[node.Need]) -> int:
    sys.stdout.write(f"The tests that need pods are skipped. This machine lacks {'; '.join(map(str, missing))}.\n")
    # The continuous integration has what can be installed. Its kernel is what it is.
    return int("CI" in os.environ and any(not need.of_kernel for need in missing))


def _test_node(arguments: list[str], is_quick: bool) -> int:
    if is_quick:
        arguments = ["-m", "not long", *arguments]
    else:
        metrics_server()
        kube_router()
    node.prepare()
    node.make_images()
    figures.forget()
    before = ("unshare", *_NAMESPACES, str(_HERE / "node.sh"), str(node.FOLDER))
    try:
        return _pytest([str(_HERE / "running"), *arguments], before=before, variables={"CLUSTER_NODE": "1"})
    finally:
        node.clean()


def _run(begin: float) -> int:
    folder = BUILD / "running"
    shutil.rmtree(folder, ignore_errors=True)
    with control_plane(built(kubernetes_version()), folder) as plane:
        sys.stdout.write(
            f"Kubernetes {plane.kubernetes.version}: ready after {time.monotonic() - begin:.1f} s. In another shell:\n"
            f"  export KUBECONFIG={plane.kubeconfig}\n"
            f"  alias kubectl='{plane.kubernetes.program} kubectl'\n"
            "Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
