"""Cases of the kernels that work on structures in memory: sorting, a list, a map, matrices.

Expected results come from Python's own sort, list, dict and integers.
"""

from __future__ import annotations

from neokernel.bench.workloads.hashes import MASK, message
from neokernel.bench.workloads.kernel import Case, Kernel, i8, i32, u16, u32, u64


def words(count: int, size: int, seed: int) -> list[int]:
    """`count` deterministic integers of `size` bytes."""
    data = message(count * size, seed)
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def heap_sort() -> Kernel:
    """Sizes and orders that take different ways through the heap."""
    inputs: list[list[int]] = [[], [5], [2, 1], [1, 1, 1], list(range(33)), list(reversed(range(32)))]
    inputs.append([value % 7 for value in words(100, 4, 3)])
    inputs.append(words(1024, 4, 2))
    cases = [
        Case(f"{len(values)} values", {"values": values, "length": len(values)}, {"values": sorted(values)})
        for values in inputs
    ]
    # The values are both input and result: they are sorted in place, so they come first and once.
    return Kernel("heap_sort", "heap sort, 1024 u32", [u32("values", 1024)], [u64("length")], cases)


def linked_list() -> Kernel:
    """Moves in and out of a list, by a Python list."""
    cases = []
    for length in (0, 1, 64, 1024):
        subjects = [step % 256 for step in words(length, 2, 11)]
        anchors = [step % 256 for step in words(length, 2, 12)]
        order: list[int] = []
        total = 0
        for step, (subject, anchor) in enumerate(zip(subjects, anchors, strict=True)):
            if subject in order:
                order.remove(subject)
            elif anchor in order:
                order.insert(order.index(anchor), subject)
            else:
                order.append(subject)
            if step % 64 == 63:
                fingerprint = 0
                for node in order:
                    fingerprint = (fingerprint * 31 + node + 1) & MASK
                total = (total * 3 + fingerprint) & MASK
        cases.append(
            Case(
                f"{length} steps",
                {"length": length, "subjects": subjects, "anchors": anchors},
                {"fingerprint": total, "size": len(order)},
            )
        )
    results = [u64("fingerprint"), u64("size")]
    inputs = [u64("length"), u16("subjects", 1024), u16("anchors", 1024)]
    opaque = 24 + 256 * 32  # the list, then the nodes
    return Kernel("linked_list", "linked list, 1024 moves, 16 walks", results, inputs, cases, opaque)


def hash_map() -> Kernel:
    """Insert, delete every third, look all up, by a dict."""
    # With repeated keys, with 0 and the greatest key, and with keys that share a home slot.
    inverse = pow(0x9E3779B97F4A7C15, -1, 1 << 64)
    crowded = [(0x3FF << 54 | i) * inverse & MASK for i in range(40)]
    lists = [[], [0], [0, MASK, 0, 5], crowded, words(768, 8, 21)]
    cases = []
    for keys in lists:
        table: dict[int, int] = {}
        inserted = deleted = found = fingerprint = 0
        for key in keys:
            table[key] = ~key & MASK
            inserted += 1
        for key in keys[::3]:
            deleted += table.pop(key, None) is not None
        for key in keys:
            if key in table:
                found += 1
                fingerprint = (fingerprint * 31 + table[key]) & MASK
        expected = {"fingerprint": fingerprint, "inserted": inserted, "deleted": deleted, "found": found}
        cases.append(Case(f"{len(keys)} keys", {"length": len(keys), "keys": keys}, expected))
    results = [u64("fingerprint"), u64("inserted"), u64("deleted"), u64("found")]
    inputs = [u64("length"), u64("keys", 768)]
    opaque = 8 + 1024 * 24  # the size, then the slots
    return Kernel("hash_map", "hash map, 768 keys", results, inputs, cases, opaque)


def matrix_multiply() -> Kernel:
    """Products, by the definition."""
    cases = []
    for rows, outputs, depth in ((1, 1, 1), (2, 3, 4), (5, 1, 7), (0, 4, 4), (3, 3, 0), (32, 32, 64)):
        left = [value - 128 for value in message(rows * depth, 31)]
        right = [value - 128 for value in message(outputs * depth, 32)]
        product = [
            sum(left[row * depth + k] * right[output * depth + k] for k in range(depth))
            for row in range(rows)
            for output in range(outputs)
        ]
        shape = {"rows": rows, "outputs": outputs, "depth": depth}
        cases.append(
            Case(f"{rows}x{outputs}x{depth}", {**shape, "inputs": left, "weights": right}, {"product": product})
        )
    inputs = [u64("rows"), u64("outputs"), u64("depth"), i8("inputs", 2048), i8("weights", 2048)]
    return Kernel("matrix_multiply", "int8 matrices, 32x32x64", [i32("product", 1024)], inputs, cases)
