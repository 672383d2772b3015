"""The classifier of digits that `models/digits/train.py` has trained, and what it hasn't learned from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from neokernel.model.graph import Array, Graph
from neokernel.model.passes import improve
from neokernel.model.read import read

FOLDER = Path(__file__).resolve().parents[2] / "models" / "digits"
MODELS = ("digits", "digits-int8")


def onnx_of(name: str) -> bytes:
    return (FOLDER / f"{name}.onnx").read_bytes()


def graph_of(name: str, batch: int = 1) -> Graph:
    return improve(read(onnx_of(name), dimensions={"batch": batch}))


@cache
def held_out() -> tuple[Array, Array]:
    """Images as the models take them, float32 [n, 1, 8, 8], and labels."""
    with np.load(FOLDER / "held_out.npz") as found:
        return found["images"].astype(np.float32)[:, None], found["labels"]
