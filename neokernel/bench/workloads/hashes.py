"""Cases of the kernels that turn a message into a number: hashes, checksums, and a cipher.

Short cases are the published vectors of each algorithm; the measured ones come from the standard library or from a
plain model of the definition, never from the kernels themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from neokernel.bench.tables import crc32c_remainder
from neokernel.bench.workloads.kernel import Case, Kernel, u8, u16, u32, u64

MASK = (1 << 64) - 1


def message(length: int, seed: int = 1) -> bytes:
    """`length` bytes that look random and are always the same (xorshift, 64 bits)."""
    state = seed * 0x9E3779B97F4A7C15 & MASK
    data = bytearray()
    for _ in range(length):
        state ^= state << 13 & MASK
        state ^= state >> 7
        state ^= state << 17 & MASK
        data.append(state >> 56)
    return bytes(data)


LONG_256 = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
LONG_512 = (
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
)


def sha256() -> Kernel:
    """Vectors: FIPS 180-4 examples (NIST, "Secure Hash Standard examples")."""
    published = {
        b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        LONG_256: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    }
    return _hash_kernel("sha256", "SHA-256, 4 KiB", 32, published, lambda data: hashlib.sha256(data).digest())


def sha512() -> Kernel:
    """Vectors: FIPS 180-4 examples."""
    published = {
        b"abc": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        LONG_512: "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    }
    return _hash_kernel("sha512", "SHA-512, 4 KiB", 64, published, lambda data: hashlib.sha512(data).digest())


def _hash_kernel(
    name: str, title: str, size: int, published: dict[bytes, str], reference: Callable[[bytes], bytes]
) -> Kernel:
    vectors = [(f"published, {len(data)} bytes", data, bytes.fromhex(digest)) for data, digest in published.items()]
    # Lengths around the place where padding needs a second block.
    for length in (55, 56, 63, 64, 111, 112, 127, 128, 4096):
        data = message(length)
        vectors.append((f"{length} bytes", data, reference(data)))
    cases = [Case(text, {"length": len(data), "message": data}, {"digest": digest}) for text, data, digest in vectors]
    return Kernel(name, title, [u8("digest", size)], [u64("length"), u8("message", 4096)], cases)


def crc32c() -> Kernel:
    """Vectors: RFC 3720, section B.4."""
    read_command = bytes.fromhex(
        "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
    )
    vectors = [
        ("zeroes", bytes(32), 0x8A9136AA),
        ("ones", b"\xff" * 32, 0x62A8AB43),
        ("ascending", bytes(range(32)), 0x46DD794E),
        ("descending", bytes(reversed(range(32))), 0x113FDB5C),
        ("iSCSI read", read_command, 0xD9963A56),
        ("digits", b"123456789", 0xE3069283),
        ("empty", b"", 0),
    ]
    vectors.append(("4096 bytes", message(4096), _crc32c_model(message(4096))))
    cases = [
        Case(text, {"start": 3, "length": len(data), "data": bytes(3) + data}, {"crc": crc})
        for text, data, crc in vectors
    ]
    return Kernel(
        "crc32c", "CRC-32C, slicing by 8, 4 KiB", [u32("crc")], [u64("start"), u64("length"), u8("data", 4104)], cases
    )


def _crc32c_model(data: bytes) -> int:
    """One byte at a time, by the definition."""
    register = 0xFFFFFFFF
    for byte in data:
        register = register >> 8 ^ crc32c_remainder((register ^ byte) & 0xFF, 0)
    return register ^ 0xFFFFFFFF


def aes128() -> Kernel:
    """Vectors: FIPS 197, appendices B and C.1; NIST SP 800-38A, section F.1.1, which is also what is measured."""
    plain = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    encrypted = bytes.fromhex(
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
        "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"
    )
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    vectors = [
        (
            "FIPS 197, B",
            key,
            bytes.fromhex("3243f6a8885a308d313198a2e0370734"),
            bytes.fromhex("3925841d02dc09fbdc118597196a0b32"),
        ),
        (
            "FIPS 197, C.1",
            bytes(range(16)),
            bytes.fromhex("00112233445566778899aabbccddeeff"),
            bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a"),
        ),
        ("SP 800-38A", key, plain * 16, encrypted * 16),
    ]
    cases = [
        Case(text, {"key": secret, "length": len(source), "plaintext": source}, {"ciphertext": target})
        for text, secret, source, target in vectors
    ]
    inputs = [u8("key", 16), u64("length"), u8("plaintext", 1024)]
    return Kernel("aes128", "AES-128, T-tables, 64 blocks", [u8("ciphertext", 1024)], inputs, cases)


def internet_checksum() -> Kernel:
    """Vector: RFC 1071, section 3 (the sum is DDF2)."""
    vectors = [("RFC 1071", bytes.fromhex("0001f203f4f5f6f7"), 0xDDF2 ^ 0xFFFF), ("empty", b"", 0xFFFF)]
    for length in (1, 7, 1500):
        data = message(length, seed=7)
        words = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, length, 2))
        # One's complement addition is addition modulo 65535, with 65535 for zero (unless nothing was added).
        vectors.append((f"{length} bytes", data, ((words - 1) % 0xFFFF + 1) ^ 0xFFFF))
    cases = [Case(text, {"length": len(data), "data": data}, {"checksum": total}) for text, data, total in vectors]
    inputs = [u64("length"), u8("data", 2048)]
    return Kernel("internet_checksum", "Internet checksum, 1500 bytes", [u16("checksum")], inputs, cases)


def siphash() -> Kernel:
    """Vectors: the paper's appendix A (15 bytes) and the authors' table for lengths 0 and 8."""
    key = bytes(range(16))
    vectors = [
        ("paper", bytes(range(15)), 0xA129CA6149BE45E5),
        ("empty", b"", 0x726FDB47DD0E0E31),
        ("8 bytes", bytes(range(8)), 0x93F5F5799A932462),
    ]
    vectors.extend((f"{length} bytes", message(length), _siphash_model(key, message(length))) for length in (263, 2048))
    cases = [
        Case(text, {"key": key, "start": 5, "length": len(data), "message": bytes(5) + data}, {"hash": number})
        for text, data, number in vectors
    ]
    inputs = [u8("key", 16), u64("start"), u64("length"), u8("message", 2056)]
    return Kernel("siphash", "SipHash-2-4, 2 KiB", [u64("hash")], inputs, cases)


def _siphash_model(key: bytes, data: bytes) -> int:
    """SipHash-2-4 on Python integers."""

    def rotate(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & MASK

    def rounds(count: int) -> None:
        a, b, c, d = v
        for _ in range(count):
            a, c = (a + b) & MASK, (c + d) & MASK
            b, d = rotate(b, 13) ^ a, rotate(d, 16) ^ c
            a = rotate(a, 32)
            c, a = (c + b) & MASK, (a + d) & MASK
            b, d = rotate(b, 17) ^ c, rotate(d, 21) ^ a
            c = rotate(c, 32)
        v[:] = a, b, c, d

    low, high = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573]
    padded = data.ljust(len(data) // 8 * 8 + 7, b"\0") + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
