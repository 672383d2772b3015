"""The layouts that the first stage reads: image, signature, enrolment blob (docs/design/image.md).

    image      ImageHeader | kernel | archive          the file that is built; deterministic
    signature  Signature                               beside it; it follows the image where that is loaded
    enrolment  EnrolmentHeader | Key × n | SHA-512     on the board, where nothing that runs can write it

All numbers are little-endian; unused bytes are zero. What a version of the first stage doesn't know, it refuses: so
fields that have no use yet must be zero.
"""

from neokernel.lang import Array, Embedded, array, size_of, u8, u32, u64, wire

# --- the image --------------------------------------------------------------------------------------------------------

#: "nkimage", as the bytes stand in memory
IMAGE_MAGIC: u64 = 0x0065_6761_6D69_6B6E
IMAGE_VERSION = 1
#: ELF's number of the machine
RISCV = 243
#: QEMU's `virt`, for riscv64
BOARD = b"virt"
BOARD_SIZE = 16
HASH_SIZE = 64


@wire
class Part:
    """`size` bytes at `offset` in the image go to `address`, which is physical; `memory_size` are the part's there."""

    address: u64
    offset: u64
    size: u64
    memory_size: u64


@wire
class ImageHeader:
    """What is signed. `size` counts all bytes of the image; `contents` is the SHA-512 of those behind the header.

    `entry` is the physical address at which the kernel is entered. `rollback` is the image's rollback index: a board
    starts it if that is at least the one that it was enrolled with.
    """

    magic: u64
    version: u32
    machine: u32
    board: Array[u8] = array(BOARD_SIZE)
    size: u64
    rollback: u64
    contents: Array[u8] = array(HASH_SIZE)
    kernel: Embedded[Part]
    archive: Embedded[Part]
    entry: u64
    unused: Array[u8] = array(72)


# --- the signature ----------------------------------------------------------------------------------------------------

#: "nksign1"
SIGNATURE_MAGIC: u64 = 0x0031_6E67_6973_6B6E
PUBLIC_SIZE = 32


@wire
class Signature:
    """An image's header signed (Ed25519), and the public key that it was signed with."""

    magic: u64
    key: Array[u8] = array(PUBLIC_SIZE)
    signature: Array[u8] = array(64)


# --- the enrolment blob -----------------------------------------------------------------------------------------------

#: where the blob lies on the board: at the beginning of the second flash device, as the first can hold firmware
ENROLMENT_ADDRESS = 0x2200_0000
#: "nkenrol"
ENROLMENT_MAGIC: u64 = 0x006C_6F72_6E65_6B6E
ENROLMENT_VERSION = 1
NAME_SIZE = 32
MOST_KEYS = 32


@wire
class EnrolmentHeader:
    """Keys follow: those that sign images, then the operators'; then the SHA-512 of all before it.

    `least_rollback` is the least `rollback` of an image that may start.
    """

    magic: u64
    version: u32
    image_keys: u32
    operator_keys: u32
    unused: u32
    least_rollback: u64


@wire
class Key:
    """A public key (Ed25519), and its name: printable ASCII without spaces, filled up with zeroes."""

    public: Array[u8] = array(PUBLIC_SIZE)
    name: Array[u8] = array(NAME_SIZE)


HEADER_SIZE = size_of(ImageHeader)
SIGNATURE_SIZE = size_of(Signature)
ENROLMENT_HEADER_SIZE = size_of(EnrolmentHeader)
KEY_SIZE = size_of(Key)
MOST_ENROLMENT = ENROLMENT_HEADER_SIZE + MOST_KEYS * KEY_SIZE + HASH_SIZE

assert HEADER_SIZE == 256, "no padding, and parts of the image are aligned"
assert SIGNATURE_SIZE == 104, "no padding"
assert ENROLMENT_HEADER_SIZE == 32, "no padding"
assert KEY_SIZE == 64, "no padding"
