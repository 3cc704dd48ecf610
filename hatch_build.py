"""Compiles the protos into the package at build time: an installed gateway needs neither protoc nor .proto files."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileProtos(BuildHookInterface[Any]):
    """Runs tools/compile_protos.py before the wheel (or the editable install) is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        compile_protos = runpy.run_path(str(root / "tools" / "compile_protos.py"))["compile_protos"]
        compile_protos(root / "protos", root / "gateway" / "contract" / "descriptors.binpb")
