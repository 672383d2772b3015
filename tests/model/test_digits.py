"""A real network: it classifies as onnxruntime does, on the host and on the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neokernel.bench.model_machine import Job, run
from neokernel.model.emit import emit
from neokernel.model.graph import Array
from neokernel.model.host import compiled
from neokernel.model.machine import VARIANTS, Variant, machine_code
from tests.model.digits import MODELS, graph_of, held_out, onnx_of
from tests.model.test_networks import session

#: of the images that were held out, those that run on the machine too
ON_MACHINE = 12
#: float32: sums are added up in another order. int8: the one float operation of a sum may round to the other side
TOLERANCE = {"digits": 1e-4, "digits-int8": 0.0}


def expected(name: str, images: Array) -> Array:
    found: Array = session(onnx_of(name)).run(None, {"image": images})[0]
    return found


@pytest.mark.parametrize("name", MODELS)
def test_it_classifies_as_onnxruntime_does(name: str) -> None:
    images, labels = held_out()
    want = expected(name, images)
    (got,) = compiled(graph_of(name, len(images)))({"image": images}).values()
    np.testing.assert_allclose(got, want, rtol=TOLERANCE[name], atol=TOLERANCE[name])
    assert (got.argmax(axis=1) == want.argmax(axis=1)).all()
    assert (got.argmax(axis=1) == labels).mean() > 0.98


@pytest.mark.qemu
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_so_it_does_on_the_machine(variant: Variant, tmp_path: Path) -> None:
    images, _ = held_out()
    chosen = images[:ON_MACHINE]
    jobs, want = [], []
    for name in MODELS:
        graph = graph_of(name)
        emitted = emit(graph, variant.machine)
        blob = machine_code(emitted, variant)
        for image, scores in zip(chosen, expected(name, chosen), strict=True):
            size = emitted.plan.arena_size
            jobs.append(Job(graph, blob.code, emitted.constants, size, {"image": image[None]}))
            want.append((name, scores))
    for (name, scores), answer in zip(want, run(jobs, variant, tmp_path), strict=True):
        np.testing.assert_allclose(answer.results[0][0], scores, rtol=TOLERANCE[name], atol=TOLERANCE[name])
        print(name, answer.instructions)
