"""Cases of the kernels that read formats: UTF-8, LZ4, Base64, JSON.

Expected results come from CPython's decoder, the standard library, and the text that was encoded.
"""

from __future__ import annotations

import base64
import re

from neokernel.bench.workloads.hashes import message
from neokernel.bench.workloads.kernel import Case, Kernel, Value, u8, u64

SENTENCE = (
    "Der Kernel hält nichts für selbstverständlich: 每个权限都有名字, каждый путь ограничен, "
    "and every failing check says where. Ελέγχεται πάντα. 🙂 "
)


def utf8_validate() -> Kernel:
    """Boundaries of table 3-7 and samples of tables 3-8 to 3-11 of The Unicode Standard, by CPython's decoder."""
    texts = [bytes.fromhex("61f18080e180c26280638080bf64"), bytes.fromhex("c0afe080bff08182418080"), b""]
    texts += [
        b"ok" + bytes([lead]) for lead in (0x7F, 0x80, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF)
    ]
    for lead, seconds in (
        (0xC2, (0x7F, 0x80, 0xBF, 0xC0)),
        (0xE0, (0x9F, 0xA0, 0xBF, 0xC0)),
        (0xED, (0x7F, 0x80, 0x9F, 0xA0)),
        (0xEF, (0x7F, 0x80, 0xBF, 0xC0)),
        (0xF0, (0x8F, 0x90, 0xBF, 0xC0)),
        (0xF4, (0x7F, 0x80, 0x8F, 0x90)),
    ):
        for second in seconds:
            texts += [b"\xc3\xa4" + bytes([lead, second, *rest]) for rest in ((), (0x80,), (0xBF, 0xBF), (0x80, 0x41))]
    mixed = SENTENCE.encode() * 40
    texts.append(mixed[:4096])
    cases = [
        Case(f"text {number}", {"length": len(text), "text": text}, {"valid": _valid_prefix(text)})
        for number, text in enumerate(texts)
    ]
    inputs = [u64("length"), u8("text", 4096)]
    return Kernel("utf8_validate", "UTF-8 validation, 4 KiB", [u64("valid")], inputs, cases)


def _valid_prefix(text: bytes) -> int:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(text)


def lz4_compress(data: bytes) -> bytes:
    """A plain greedy LZ4 block encoder, by the format's description: ends of blocks as it demands (12 and 5 bytes)."""
    block = bytearray()
    seen: dict[bytes, int] = {}
    start = position = 0

    def emit(literals: bytes, offset: int, length: int) -> None:
        token_literals = min(len(literals), 15)
        token_match = min(length - 4, 15) if length else 0
        block.append(token_literals << 4 | token_match)
        if token_literals == 15:
            block.extend(_lz4_length(len(literals) - 15))
        block.extend(literals)
        if length:
            block.extend(offset.to_bytes(2, "little"))
            if token_match == 15:
                block.extend(_lz4_length(length - 4 - 15))

    while position + 12 <= len(data):
        word = data[position : position + 4]
        candidate = seen.get(word)
        seen[word] = position
        if candidate is None or position - candidate > 0xFFFF:
            position += 1
            continue
        length = 4
        while position + length < len(data) - 5 and data[candidate + length] == data[position + length]:
            length += 1
        emit(data[start:position], position - candidate, length)
        position += length
        start = position
    emit(data[start:], 0, 0)
    return bytes(block)


def _lz4_length(rest: int) -> bytes:
    return b"\xff" * (rest // 255) + bytes([rest % 255])


def lz4_text(length: int) -> bytes:
    """Log-like text that compresses as text does: some long matches, many short ones, some bytes that are new."""
    noise = message(length, seed=41)
    vocabulary = SENTENCE.split()
    lines = bytearray()
    number = 0
    while len(lines) < length:
        word = vocabulary[noise[number] % len(vocabulary)]
        line = f"[{number * 137:>9}] {word} {noise[number : number + 4].hex()}: queue is full\n"
        lines += line.encode()
        number += 1
    return bytes(lines[:length])


def lz4_decode() -> Kernel:
    """Blocks made by hand from the format's description, damaged ones, and an encoded text."""
    hello = b"\x50hello"
    run = b"\x1aa\x01\x00" + b"\x50bcdef"  # one literal, then 14 bytes at offset 1, which overlap
    text = lz4_text(8192)
    block = lz4_compress(text)
    long_run = b"\x1fa\x01\x00\xff\x05" + b"\x50bcdef"  # 19 + 255 + 5
    good = [
        ("literals", hello, b"hello"),
        ("overlap", run, b"a" * 15 + b"bcdef"),
        ("long match", long_run, b"a" * 280 + b"bcdef"),
        ("empty", b"\x00", b""),
        ("zeroes", lz4_compress(bytes(8000)), bytes(8000)),
    ]
    bad = [
        ("nothing", b"", 8192, 1),
        ("cut literals", hello[:-1], 8192, 1),
        ("cut offset", b"\x1aa\x01", 8192, 1),
        ("cut length", b"\x1fa\x01\x00\xff\xff", 8192, 1),
        ("cut literal length", b"\xf0\xff", 8192, 1),
        ("no final literals", b"\x1aa\x01\x00", 8192, 1),
        ("offset zero", b"\x1aa\x00\x00", 8192, 3),
        ("offset before start", b"\x1aa\x02\x00", 8192, 3),
        ("no room for literals", hello, 4, 2),
        ("no room for a match", run, 14, 2),
    ]
    cases = [_lz4_case(text_name, source, 8192, expected) for text_name, source, expected in good]
    for case_name, source, capacity, problem in bad:
        literals = _lz4_literals_before_failure(source, capacity, problem)
        inputs: dict[str, Value] = {"length": len(source), "capacity": capacity, "source": source}
        cases.append(Case(case_name, inputs, {"produced": 0, "problem": problem, "decoded": literals}))
    cases.append(_lz4_case("8 KiB of text", block, 8192, text))
    inputs_fields = [u64("length"), u64("capacity"), u8("source", 8192)]
    results = [u64("produced"), u64("problem"), u8("decoded", 8192)]
    return Kernel("lz4_decode", "LZ4 block, 8 KiB of text", results, inputs_fields, cases)


def _lz4_case(name: str, source: bytes, capacity: int, expected: bytes) -> Case:
    inputs: dict[str, Value] = {"length": len(source), "capacity": capacity, "source": source}
    return Case(name, inputs, {"produced": len(expected), "problem": 0, "decoded": expected})


def _lz4_literals_before_failure(source: bytes, capacity: int, problem: int) -> bytes:
    """What the damaged blocks above leave in the target: `a` if their first sequence got that far."""
    if len(source) < 2 or source[0] >> 4 != 1:
        return b""
    whole_match = source == b"\x1aa\x01\x00" and problem == 1
    return b"a" * 15 if whole_match else b"a"[:capacity]


def base64_codec() -> Kernel:
    """Vectors: RFC 4648, section 10; others by the standard library."""
    texts = [b"", b"f", b"fo", b"foo", b"foob", b"fooba", b"foobar", bytes(range(256)), message(3072, seed=51)]
    cases = []
    for text in texts:
        encoded = base64.b64encode(text)
        expected: dict[str, Value] = {
            "encoded_length": len(encoded),
            "decoded_length": len(text),
            "encoded": encoded,
            "decoded": text,
        }
        cases.append(Case(f"{len(text)} bytes", {"length": len(text), "data": text}, expected))
    results = [u64("encoded_length"), u64("decoded_length"), u8("encoded", 4096), u8("decoded", 4096)]
    inputs = [u64("length"), u8("data", 3072)]
    return Kernel("base64_codec", "Base64 both ways, 3 KiB", results, inputs, cases)


#: One token of JSON (RFC 8259): kind, as the kernel numbers them, by its first character.
JSON_TOKEN = re.compile(
    rb'[ \t\n\r]*(?:(?P<punctuation>[{}\[\]:,])|(?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    rb"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(?P<word>true|false|null))"
)
JSON_KINDS = {"punctuation": 1, "string": 2, "number": 3, "word": 4}


def json_tokenize() -> Kernel:
    """Tokens by a regular expression of the grammar."""
    record = (
        b'{"id": %d, "name": "caf\\u00e9 \\"%d\\"", "ratio": -%d.5e-3, "tags": ["a", "b\\n"], "ok": true, "next": null}'
    )
    document = b"[" + b",\n  ".join(record % (n * 7919, n, n * 31) for n in range(40))
    texts = [b"", b"  ", b"{}", b"[1,-0,0.5,1e9,1E+2,-2.50e-07]", b'"\\u12aF\\/\\b"', b"true false null", b"[1 2]"]
    texts += [b"nul", b"truth", b"01", b"-", b"1.", b"1.e3", b"1e", b"1e+", b"#", b'["a']
    texts += [b'"open', b'"bad \\x"', b'"\\u12g4"', b'"tab\t"', b'"\\', b'"\\u12']
    texts.append(document[:4080])
    cases = []
    for number, text in enumerate(texts):
        count, end, fingerprint = json_model(text)
        expected = {"tokens": count, "consumed": end, "fingerprint": fingerprint}
        cases.append(Case(f"text {number}", {"length": len(text), "text": text}, expected))
    results = [u64("tokens"), u64("consumed"), u64("fingerprint")]
    inputs = [u64("length"), u8("text", 4096)]
    return Kernel("json_tokenize", "JSON tokens, 4 KiB", results, inputs, cases)


def json_model(text: bytes) -> tuple[int, int, int]:
    """What the tokenizer must give for `text`: tokens, bytes consumed, fingerprint."""
    count = end = fingerprint = 0
    while match := JSON_TOKEN.match(text, end):
        assert match.lastgroup is not None
        kind = JSON_KINDS[match.lastgroup]
        start, stop = match.span(match.lastgroup)
        fingerprint = (fingerprint * 31 + kind * 65536 * 65536 + start * 65536 + stop) % (1 << 64)
        count += 1
        end = stop
    return count, end, fingerprint
