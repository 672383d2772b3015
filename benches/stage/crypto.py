"""What verification is made of, on the bare machine: reports `= NAME COUNT`, in instructions.

Key, message and signature are those of RFC 8032, section 7.1, test 3. A wrong verdict ends the machine with status 1.
"""

from neokernel.arch.riscv64.bare import Machine
from neokernel.crypto.ed25519 import Verdict, verify
from neokernel.crypto.field25519 import Number, decoded
from neokernel.crypto.sha512 import SIZE, sha512
from neokernel.lang import Array, array, asm, u8, u64, unsafe

unsafe("instructions are counted by a register")

KEY = (
    b"\xfc\x51\xcd\x8e\x62\x18\xa1\xa3\x8d\xa4\x7e\xd0\x02\x30\xf0\x58"
    b"\x08\x16\xed\x13\xba\x33\x03\xac\x5d\xeb\x91\x15\x48\x90\x80\x25"
)
MESSAGE = b"\xaf\x82"
SIGNATURE = (
    b"\x62\x91\xd6\x57\xde\xec\x24\x02\x48\x27\xe6\x9c\x3a\xbe\x01\xa3"
    b"\x0c\xe5\x48\xa2\x84\x74\x3a\x44\x5e\x36\x80\xd7\xdb\x5a\xc3\xac"
    b"\x18\xff\x9b\x53\x8d\x16\xf2\x90\xae\x67\xf7\x60\x98\x4d\xc6\x59"
    b"\x4a\x7c\x15\xe9\x71\x6e\xd2\x8d\xc0\x27\xbe\xce\xea\x1e\xc4\x0a"
)
KIB = 1024
#: KiB that are hashed, and products that are multiplied, of which a report is the mean
MANY = 64


def instructions() -> u64:
    return asm("rdinstret {result}", result=u64, clobbers="memory")


def main(machine: Machine) -> None:
    data: Array[u8] = array(MANY * KIB)
    digest: Array[u8] = array(SIZE)
    start = instructions()
    sha512(digest, data.bytes()[:0])
    empty = instructions() - start
    start = instructions()
    sha512(digest, data.bytes())
    machine.console.write(f"= sha512_kib {(instructions() - start - empty) // MANY}\n")
    start = instructions()
    verdict = verify(KEY, MESSAGE, SIGNATURE)
    machine.console.write(f"= ed25519 {instructions() - start}\n")
    number = decoded(KEY)
    if verdict is not Verdict.VALID or number is None:
        machine.power_off(1)
    start = instructions()
    product = many_products(number)
    machine.console.write(f"= product {(instructions() - start) // MANY}\n")
    start = instructions()
    square = number.squared_often(MANY)
    machine.console.write(f"= square {(instructions() - start) // MANY}\n")
    if product.equals(square):
        machine.power_off(1)


def many_products(number: Number) -> Number:
    product = number
    for _ in range(MANY):
        product = product.times(number)
    return product
