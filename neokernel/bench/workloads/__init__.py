"""All kernels of `nk bench compiler`, by name."""

from __future__ import annotations

from collections.abc import Callable

from neokernel.bench.workloads import codecs, hashes, structures
from neokernel.bench.workloads.kernel import Kernel

KERNELS: dict[str, Callable[[], Kernel]] = {
    "sha256": hashes.sha256,
    "sha512": hashes.sha512,
    "crc32c": hashes.crc32c,
    "aes128": hashes.aes128,
    "siphash": hashes.siphash,
    "internet_checksum": hashes.internet_checksum,
    "heap_sort": structures.heap_sort,
    "linked_list": structures.linked_list,
    "hash_map": structures.hash_map,
    "matrix_multiply": structures.matrix_multiply,
    "utf8_validate": codecs.utf8_validate,
    "lz4_decode": codecs.lz4_decode,
    "base64_codec": codecs.base64_codec,
    "json_tokenize": codecs.json_tokenize,
}
