"""Models: from ONNX to native code with a static memory plan, in a bundle (docs/design/models.md).

`importer.py` is the way through; `read.py` knows ONNX, `graph.py` is what the rest works on, `passes/` change it,
`operators/` know how each operation is computed, `plan.py` gives tensors their places, `emit.py` writes LLVM's IR,
`host.py` and `machine.py` make code of it, and `bundle.py` puts it into a file.
"""
