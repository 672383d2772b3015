"""The example that a bundle has of what its model computes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from neokernel.model.bundle import pack, read, sample_bytes
from neokernel.model.importer import import_model
from neokernel.model.problem import ModelError
from neokernel.model.sample import MOST_SAMPLE
from tests.model.digits import onnx_of


def test_a_sample_is_what_the_model_computes() -> None:
    """Of the digits: image, then scores, as onnxruntime computes them."""
    onnxruntime = pytest.importorskip("onnxruntime")
    data = onnx_of("digits")
    found = read(pack(import_model(data, "digits", dimensions={"batch": 1})))
    assert len(found.sample) == sample_bytes((*found.inputs, *found.outputs)) == 256 + 64
    image = np.frombuffer(found.sample[:256], np.float32).reshape(1, 1, 8, 8)
    assert 0 <= image.min() < 0.1 and 0.9 < image.max() < 1 and len(set(image.ravel().tolist())) == 64
    (wanted,) = onnxruntime.InferenceSession(data).run(None, {"image": image})
    scores = np.frombuffer(found.sample[256:296], np.float32).reshape(1, 10)
    np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-5)


def added(kind: int, count: int) -> bytes:
    """A model that adds two tensors."""
    given = [helper.make_tensor_value_info(name, kind, [count]) for name in ("a", "b")]
    made = [helper.make_tensor_value_info("c", kind, [count])]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "add", given, made)
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.INT32, "<i4"), (TensorProto.FLOAT, "<f4")])
def test_each_tensor_begins_aligned(kind: int, dtype: str) -> None:
    sample = import_model(added(kind, 5), "add").sample
    assert len(sample) == 3 * 64
    a, b, c = (np.frombuffer(sample[place : place + 20], dtype) for place in (0, 64, 128))
    gaps = [sample[place + 20 : place + 64] for place in (0, 64, 128)]
    assert (a != b).any() and (c == a + b).all() and not any(map(any, gaps))


def test_none_that_is_too_large() -> None:
    bundle = import_model(added(TensorProto.FLOAT, MOST_SAMPLE // 12 + 1), "add")
    assert bundle.sample == b"" == read(pack(bundle)).sample


def test_a_sample_of_another_size() -> None:
    bundle = import_model(added(TensorProto.FLOAT, 4), "add")
    wrong = type(bundle)("add", "1", bundle.inputs, bundle.outputs, bundle.codes, bundle.steps, b"", b"\0" * 64)
    with pytest.raises(ModelError, match="its sample has 64 bytes"):
        pack(wrong)
