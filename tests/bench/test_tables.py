"""The tables of both sides hold the same numbers, though they are computed from different definitions."""

from __future__ import annotations

import importlib

from neokernel.bench import tables


def test_crc32c_tables() -> None:
    module = importlib.import_module("benches.compiler.crc32c")
    for zeros in range(8):
        ours = getattr(module, f"TABLE_{zeros}")
        assert [int(entry) for entry in ours] == [tables.crc32c_remainder(byte, zeros) for byte in range(256)]


def test_aes_tables() -> None:
    module = importlib.import_module("benches.compiler.aes128")
    assert tuple(int(entry) for entry in module.SBOX) == tables.aes_sbox()
    for row, entries in enumerate(tables.aes_entries()):
        assert [int(entry) for entry in getattr(module, f"ENTRY_{row}")] == entries


def test_base64_table() -> None:
    module = importlib.import_module("benches.compiler.base64_codec")
    assert [int(entry) for entry in module.VALUES] == tables.base64_values()
