"""Operators by family: how each is read from ONNX, and how what it becomes is computed."""
