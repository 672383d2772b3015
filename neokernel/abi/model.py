"""The bundle of a model: what it takes and gives, and its code for each kind of machine.

    Header | Port × inputs | Port × outputs | Dimension × dimensions | Code × codes | Step × steps | contents

What is signed is the header, which has the hash of all that follows (`stage/format.py` has the signature's layout).
Each Code is for machines of one kind, and there is one at least; their `features` grow, and whoever loads a model takes
the last one whose `features` the machine has. Code and constants begin on page boundaries and have their pages for
themselves, so that they can be mapped where they are: code to be executed, constants to be read.

Code is entered at its first byte, as a C function of four pointers: constants; the arena, of `arena_size` bytes,
aligned to 64; a table of pointers to the inputs' elements; one to the outputs'. It needs `stack` bytes of stack and
`stack_vectors` vector registers more (as many bytes each as the machine's `vlenb` says), calls nobody, and writes to
the arena and the outputs alone.

The sample is an example of what the model computes, on pages of its own: the bytes of all inputs, then those of the
outputs that belong to them, each at the next multiple of SAMPLE_ALIGNMENT. Who loads a model can try it with that.

All numbers are little-endian; unused bytes are zero.
"""

from neokernel.lang import Array, array, size_of, u8, u32, u64, wire

#: "nkmodel", as the bytes stand in memory
MAGIC: u64 = 0x006C_6564_6F6D_6B6E
VERSION = 3
HASH_SIZE = 64
SAMPLE_ALIGNMENT = 64
NAME_SIZE = 64
PORT_NAME_SIZE = 128
STEP_NAME_SIZE = 112
MOST_DIMENSIONS = 8
#: of one bundle
MOST_PORTS = 32
MOST_CODES = 8
MOST_STEPS = 1 << 14
#: bytes of constants and arena together that one code may need
MOST_MEMORY = 1 << 31
#: bytes of stack
MOST_STACK = 1 << 20
#: vector registers on it
MOST_STACK_VECTORS = 1 << 10

#: Port.element: ONNX's numbers of types (onnx.TensorProto.DataType)
FLOAT32 = 1
UINT8 = 2
INT8 = 3
UINT16 = 4
INT16 = 5
INT32 = 6
INT64 = 7
BOOL = 9
FLOAT64 = 11
UINT32 = 12
UINT64 = 13

#: Code.features: what a machine must have beside RV64GC
VECTORS = 1


@wire
class Header:
    """`size` counts all bytes of the bundle; `contents` is the SHA-512 of those behind the header.

    Names are UTF-8, filled up with zeroes. `source`, of `source_size` bytes, is the model that it was made of, in ONNX;
    both are 0 if it was left out. So are `sample` and `sample_size`, the place and the bytes of the sample.

    `serial` says which of two bundles is newer: where one serves, none with a lower serial replaces it. It is for who
    signs to count up; `model_version` is a text for people.
    """

    magic: u64
    version: u32
    inputs: u32
    outputs: u32
    codes: u32
    steps: u32
    dimensions: u32
    size: u64
    source: u64
    source_size: u64
    sample: u64
    sample_size: u64
    multiply_adds: u64
    serial: u64
    contents: Array[u8] = array(HASH_SIZE)
    name: Array[u8] = array(NAME_SIZE)
    model_version: Array[u8] = array(NAME_SIZE)


@wire
class Port:
    """An input or output: row-major, `size` bytes in all.

    It has `rank` dimensions, from the one with the number `first_dimension` on.
    """

    name: Array[u8] = array(PORT_NAME_SIZE)
    element: u32
    rank: u32
    size: u64
    first_dimension: u64


@wire
class Dimension:
    size: u64


@wire
class Code:
    """The model for machines that have `features`, and what it needs there. Places count from the bundle's start."""

    name: Array[u8] = array(NAME_SIZE)
    features: u64
    code: u64
    code_size: u64
    constants: u64
    constants_size: u64
    arena_size: u64
    stack: u64
    stack_vectors: u64


@wire
class Step:
    """A part of the computation, in order, for people: the node that it was, and what it does."""

    name: Array[u8] = array(STEP_NAME_SIZE)
    operators: Array[u8] = array(STEP_NAME_SIZE)
    multiply_adds: u64
    unused: u64


assert size_of(Header) == 280, "no padding"
assert size_of(Port) == 152, "no padding"
assert size_of(Dimension) == 8, "no padding"
assert size_of(Code) == 128, "no padding"
assert size_of(Step) == 240, "no padding"
