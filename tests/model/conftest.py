"""What all tests of models share: without the packages that read and check models, they are left out."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = (
    [] if all(importlib.util.find_spec(name) for name in ("numpy", "onnx", "onnxruntime")) else ["test_*.py"]
)
