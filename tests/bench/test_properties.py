"""Kernels on any input: no check fails, and results agree with the models that the cases were made by."""

from __future__ import annotations

import base64
import importlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.bench.workloads import KERNELS, codecs
from neokernel.bench.workloads.kernel import Case, Value

TEXT_PIECES = st.sampled_from(["a", "é", "€", "🙂", "\x00", "\ud7ff", "\ue000", "\U0010ffff"]).map(str.encode)
DAMAGE = st.binary(min_size=1, max_size=3)
JSON_PIECES = st.sampled_from(
    [b"{", b"]", b",", b" ", b'"', b"\\", b"u00e", b"-", b"0", b"1", b".", b"e", b"+", b"true"]
)


def run(name: str, **inputs: Value) -> Any:
    """The work object after the kernel ran."""
    module = importlib.import_module(f"benches.compiler.{name}")
    work = module.Work()
    KERNELS[name]().fill(work, Case("", inputs, {}))
    module.run(work)
    return work


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT_PIECES | DAMAGE, max_size=20).map(b"".join))
def test_utf8_agrees_with_cpython(text: bytes) -> None:
    try:
        expected = len(text.decode().encode())
    except UnicodeDecodeError as error:
        expected = error.start
    assert run("utf8_validate", length=len(text), text=text).valid == expected


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_lz4_never_fails_a_check(source: bytes, capacity: int) -> None:
    work = run("lz4_decode", length=len(source), capacity=capacity, source=source)
    assert work.produced <= capacity
    assert work.problem == 0 or work.produced == 0
    assert not any(work.decoded[capacity : capacity + 16])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=12), max_size=40).map(lambda parts: b"".join(parts + parts[::2])))
def test_lz4_gives_back_what_was_encoded(data: bytes) -> None:
    block = codecs.lz4_compress(data)
    work = run("lz4_decode", length=len(block), capacity=8192, source=block)
    assert work.problem == 0
    assert bytes(int(byte) for byte in work.decoded[: work.produced]) == data


@settings(max_examples=200, deadline=None)
@given(st.lists(JSON_PIECES, max_size=20).map(b"".join))
def test_json_agrees_with_the_grammar(text: bytes) -> None:
    work = run("json_tokenize", length=len(text), text=text)
    assert (work.tokens, work.consumed, work.fingerprint) == codecs.json_model(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=70))
def test_base64_agrees_with_the_library(data: bytes) -> None:
    work = run("base64_codec", length=len(data), data=data)
    assert bytes(int(byte) for byte in work.encoded[: work.encoded_length]) == base64.b64encode(data)
    assert bytes(int(byte) for byte in work.decoded[: work.decoded_length]) == data


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 1), max_size=60))
def test_hash_map_agrees_with_a_dict(keys: list[int]) -> None:
    work = run("hash_map", length=len(keys), keys=keys)
    table = dict.fromkeys(keys)
    deleted = sum(table.pop(key, key) is None for key in keys[::3])
    assert (work.deleted, work.found) == (deleted, sum(key in table for key in keys))
    assert work.map.size == len(table)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=80))
def test_heap_sort_sorts(values: list[int]) -> None:
    work = run("heap_sort", length=len(values), values=values)
    assert list(work.values)[: len(values)] == sorted(values)
