"""What type checkers know of the language: widths are aliases of `int`, `Embedded[T]` of `T`.

Anything stricter rejects natural code (`x + 1`) or still accepts wrong code (`u8 + u16`); `nk check` does widths
properly. The CPython meaning is in `__init__.py`; a test compares the two lists of names.
"""

# ruff: noqa: PYI035 - the names are the language's; editors show these docstrings

import collections.abc
import types
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    NoReturn,
    Protocol,
    TypeAlias,
    TypeVar,
    dataclass_transform,
    overload,
)

_T = TypeVar("_T")
_H_contra = TypeVar("_H_contra", contravariant=True)
_S_co = TypeVar("_S_co", covariant=True)
_F = TypeVar("_F", bound=Callable[..., object])
_Bytes: TypeAlias = bytes

__all__: list[str]

# --- types --------------------------------------------------------------------------------------------------------

u8: TypeAlias = int
u16: TypeAlias = int
u32: TypeAlias = int
u64: TypeAlias = int
i8: TypeAlias = int
i16: TypeAlias = int
i32: TypeAlias = int
i64: TypeAlias = int
usize: TypeAlias = int
f32: TypeAlias = float
f64: TypeAlias = float

# Integers of stated endianness: fields of wire classes.
u16be: TypeAlias = int
u16le: TypeAlias = int
u32be: TypeAlias = int
u32le: TypeAlias = int
u64be: TypeAlias = int
u64le: TypeAlias = int

# Bit fields of wire classes.
u1: TypeAlias = int
u2: TypeAlias = int
u3: TypeAlias = int
u4: TypeAlias = int
u5: TypeAlias = int
u6: TypeAlias = int
u7: TypeAlias = int
u9: TypeAlias = int
u10: TypeAlias = int
u11: TypeAlias = int
u12: TypeAlias = int
u13: TypeAlias = int
u14: TypeAlias = int
u15: TypeAlias = int
u17: TypeAlias = int
u18: TypeAlias = int
u19: TypeAlias = int
u20: TypeAlias = int
u21: TypeAlias = int
u22: TypeAlias = int
u23: TypeAlias = int
u24: TypeAlias = int
u25: TypeAlias = int
u26: TypeAlias = int
u27: TypeAlias = int
u28: TypeAlias = int
u29: TypeAlias = int
u30: TypeAlias = int
u31: TypeAlias = int
u33: TypeAlias = int
u34: TypeAlias = int
u35: TypeAlias = int
u36: TypeAlias = int
u37: TypeAlias = int
u38: TypeAlias = int
u39: TypeAlias = int
u40: TypeAlias = int
u41: TypeAlias = int
u42: TypeAlias = int
u43: TypeAlias = int
u44: TypeAlias = int
u45: TypeAlias = int
u46: TypeAlias = int
u47: TypeAlias = int
u48: TypeAlias = int
u49: TypeAlias = int
u50: TypeAlias = int
u51: TypeAlias = int
u52: TypeAlias = int
u53: TypeAlias = int
u54: TypeAlias = int
u55: TypeAlias = int
u56: TypeAlias = int
u57: TypeAlias = int
u58: TypeAlias = int
u59: TypeAlias = int
u60: TypeAlias = int
u61: TypeAlias = int
u62: TypeAlias = int
u63: TypeAlias = int

Embedded: TypeAlias = Annotated[_T, "the object itself, inline"]
Ghost: TypeAlias = Annotated[_T, "under CPython and the prover only"]

class Span(Generic[_T]):
    """Pointer and length: a mutable view of consecutive elements."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_T]: ...
    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> Span[_T]: ...
    def __setitem__(self, index: int, value: _T) -> None: ...
    def view(self) -> tuple[_T, ...]:
        """The same elements as an immutable view: live, nothing is copied."""

    def bytes(self) -> _Bytes:
        """The same `u8` elements as immutable `bytes`: live, nothing is copied."""

class Array(Span[_T]):
    """Consecutive elements with an identity; their number belongs to the type."""

class Handle(Generic[_T]):
    """Index and generation of an object in a pool: a value."""

    __match_args__: ClassVar[tuple[str, str]] = ("index", "generation")
    @property
    def index(self) -> int: ...
    @property
    def generation(self) -> int: ...
    def __init__(self, index: int, generation: int) -> None: ...

class Order(Enum):
    """Memory orders of atomic operations and fences."""

    RELAXED = 0
    ACQUIRE = 1
    RELEASE = 2
    ACQUIRE_RELEASE = 3
    SEQUENTIAL = 4

class Atomic(Generic[_T]):
    """A cell that other harts may access; lives in a field or an array."""

    def __init__(self, value: _T = ...) -> None: ...  # pyright: ignore[reportInvalidTypeVarUse]
    def load(self, order: Order = ...) -> _T: ...
    def store(self, value: _T, order: Order = ...) -> None: ...
    def exchange(self, value: _T, order: Order = ...) -> _T: ...
    def compare_exchange(self, expected: _T, new: _T, order: Order = ...) -> bool: ...
    def fetch_add(self, value: _T, order: Order = ...) -> _T: ...
    def fetch_sub(self, value: _T, order: Order = ...) -> _T: ...
    def fetch_and(self, value: _T, order: Order = ...) -> _T: ...
    def fetch_or(self, value: _T, order: Order = ...) -> _T: ...
    def fetch_xor(self, value: _T, order: Order = ...) -> _T: ...

# --- classes ------------------------------------------------------------------------------------------------------

@dataclass_transform(kw_only_default=True, eq_default=False)
def struct(kind: type[_T]) -> type[_T]: ...
@dataclass_transform(frozen_default=True)
def value(kind: type[_T]) -> type[_T]: ...
@overload
def wire(kind: type[_T]) -> type[_T]: ...
@overload
def wire(*, endian: str = "little", registers: bool = False) -> Callable[[type[_T]], type[_T]]: ...
def at(offset: int) -> Any: ...
def array(length: int, fill: _T = ...) -> Array[_T]: ...  # pyright: ignore[reportInvalidTypeVarUse]
def array_of(*elements: _T) -> Array[_T]: ...
def replace(original: _T, **changes: Any) -> _T: ...
def retire(instance: object) -> None:
    """The object's life is over: every later access fails (kind *dead*)."""

def renew(instance: object) -> None:
    """The object anew, where it lies, by its fields' defaults."""

def wire_view(kind: type[_T], span: Span[int]) -> _T: ...
def invariant(method: _F) -> _F: ...
def ghost(function: _F) -> _F: ...
def writer(method: _F) -> _F: ...
def size_of(kind: object) -> int: ...
def align_of(kind: object) -> int: ...
def offset_of(kind: object, field: str) -> int: ...

# --- interfaces ---------------------------------------------------------------------------------------------------

def interface(kind: _T) -> _T: ...
def uses(slot: int = ..., *, lend: int = ..., optional: bool = ...) -> Any: ...
def provides(slot: int = ...) -> Any: ...
def setting(default: object) -> Any: ...
def posts(memory: Any, wake: int) -> Any: ...
def takes(memory: Any, wake: int) -> Any: ...
def outbox_of(view: object) -> Any:
    """The `Outbox` of `neokernel.runtime.post` behind a poster."""

def slot_of(view: object) -> int: ...
def up_to(most: int) -> object: ...

Uses: TypeAlias = Annotated[_T, "a client's view"]
Given: TypeAlias = Annotated[_T, "the sender has it no longer"]

class Provides(Generic[_H_contra]):
    """What serves an interface: a handler has its methods, which don't fail as calls do."""

    slot: int
    async def dispatch_later(self, handler: Any, asked: Any) -> Any:
        """The same of a handler whose methods are `async def`s."""

    def dispatch(self, handler: _H_contra, asked: Any, reply: int = ...) -> Any:
        """The `Answer` to a `Message`: of `neokernel.runtime.interface` and `system`.

        With the index of the `Reply`, a supervisor can have the program replaced.
        """

    def serve(self, process: Any, handler: _H_contra) -> Any:
        """Receive and answer, for ever: gives the `Failure` that ended it. `process.client` is the caller's badge."""

    def serve_until_signals(self, process: Any, handler: _H_contra, reply: int) -> Any:
        """The same with the server's own Reply, until the bound notification is signalled: gives its signals."""

Posts: TypeAlias = Annotated[_T, "methods are posted into a ring"]

class Takes(Generic[_H_contra]):
    """What takes messages of an interface out of a ring."""

    def take(self, handler: _H_contra, most: int) -> Any:
        """Call the handler for at most so many messages: how many, or `Broken` of `neokernel.runtime.ring`."""

    def may_sleep(self) -> Any:
        """Ask to be woken by the next message. False: there is one already."""

    def refused(self) -> int:
        """How many messages were none of the interface."""

class Setting(Generic[_S_co]):
    """What the configuration says."""

    def get(self, process: Any) -> _S_co: ...

# --- coroutines ---------------------------------------------------------------------------------------------------

Coroutine: TypeAlias = collections.abc.Coroutine[Any, Any, _T]

class _Frame:
    """Room for one coroutine: an element of `Tasks`."""

class Tasks:
    """Frames for coroutines of one `async def`: a field of a struct, made by `tasks(function, number)`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> _Frame: ...

def pause() -> Awaitable[None]:
    """Return to whoever resumed the coroutine; go on when it is resumed again."""

def resume(work: Coroutine[Any] | _Frame) -> bool:
    """Let the coroutine go on until it pauses or ends; True when it has ended."""

def result_of(work: Coroutine[_T]) -> _T:
    """What a coroutine that has ended has given."""

def cancel(work: Coroutine[Any] | _Frame) -> None:
    """End the coroutine where it waits: the `__exit__`s of its `with` blocks run, innermost first."""

def start(frame: _Frame, work: Coroutine[None]) -> None:
    """Put a coroutine into a frame; it begins when that is resumed."""

def tasks(function: Callable[..., Coroutine[None]], count: int) -> Tasks:
    """Frames for `count` coroutines of an `async def` that run at the same time."""

# --- arithmetic ---------------------------------------------------------------------------------------------------

def wrapping_add(a: int, b: int) -> int: ...
def wrapping_sub(a: int, b: int) -> int: ...
def wrapping_mul(a: int, b: int) -> int: ...
def saturating_add(a: int, b: int) -> int: ...
def saturating_sub(a: int, b: int) -> int: ...
def saturating_mul(a: int, b: int) -> int: ...
def multiply_high(a: int, b: int) -> int: ...
def wrapping_shl(a: int, n: int) -> int: ...
def rotate_left(a: int, n: int) -> int: ...
def rotate_right(a: int, n: int) -> int: ...
def wrapping_neg(a: int) -> int: ...
def count_leading_zeros(a: int) -> int: ...
def count_trailing_zeros(a: int) -> int: ...
def count_ones(a: int) -> int: ...
def byte_swap(a: int) -> int: ...
def truncate(width: type[int], x: int) -> int: ...
def text_of(data: bytes) -> str: ...
@overload
def copy(target: Span[int], source: bytes) -> None: ...
@overload
def copy(target: Span[_T], source: Span[_T] | tuple[_T, ...]) -> None: ...
def square_root(x: float) -> float: ...
def float_bits(x: float) -> int: ...
def float_from_bits(x: int) -> float: ...

# --- contracts and ends of paths ----------------------------------------------------------------------------------

def requires(condition: bool) -> None: ...
def ensures(condition: Callable[[Any], bool] | Callable[[], bool]) -> None: ...
def old(expression: _T) -> _T: ...
def loop_invariant(condition: bool) -> None: ...
def loop_bound(rounds: int) -> None: ...
def unreachable(why: str) -> NoReturn: ...

# --- the machine --------------------------------------------------------------------------------------------------

def fence(order: Order = ...) -> None: ...
def device_fence() -> None: ...
def unsafe(reason: str) -> None: ...
def object_at(kind: type[_T], address: int) -> _T: ...
def new_at(kind: type[_T], address: int) -> _T: ...
def span_at(element: type[_T], address: int, length: int) -> Span[_T]: ...
def address_of(target: object) -> int: ...
@overload
def asm(template: str, *operands: object, result: type[_T], inputs: str = "", clobbers: str = "") -> _T: ...
@overload
def asm(template: str, *operands: object, results: str, inputs: str = "", clobbers: str = "") -> tuple[u64, ...]: ...
@overload
def asm(template: str, *operands: object, inputs: str = "", clobbers: str = "") -> None: ...
def naked(function: _F) -> _F: ...
def cold(function: _F) -> _F: ...
def inline(function: _F) -> _F: ...
def assembly(text: str) -> None: ...

# --- for the host: failures, positions, loading, simulation -------------------------------------------------------

class CheckFailed(Exception):
    """A check of the running program failed; `kind` names it."""

    kind: ClassVar[str]

class IntegerOverflow(CheckFailed, OverflowError): ...
class DivisionByZero(CheckFailed, ZeroDivisionError): ...
class ShiftOutOfRange(CheckFailed, ValueError): ...
class IndexOutOfRange(CheckFailed, IndexError): ...
class ConversionFailed(CheckFailed, OverflowError): ...
class NotAMember(CheckFailed, ValueError): ...
class AssertionFailed(CheckFailed, AssertionError): ...
class UnreachableReached(CheckFailed, AssertionError): ...
class DeadObject(CheckFailed, ReferenceError): ...
class ContractFailed(CheckFailed, AssertionError): ...

class StaticError(TypeError):
    """The compiler rejects this program; CPython noticed while running it."""

class ConstantError(StaticError, OverflowError): ...
class FieldError(StaticError, AttributeError): ...

class Position(NamedTuple):
    """A range of a source file: lines from 1, columns in characters from 0, end exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

class Simulator(Protocol):
    """The machine, for target code that runs under CPython."""

    def asm(self, template: str, inputs: Any, result: Any) -> Any: ...
    def object_at(self, kind: Any, address: int) -> Any: ...
    def new_at(self, kind: Any, address: int) -> Any: ...
    def span_at(self, element: Any, address: int, length: int) -> Any: ...
    def address_of(self, target: Any) -> int: ...

class SimulatorMissing(RuntimeError): ...

class View:
    """What `bytes` and `tuple[T, ...]` of target modules are under CPython."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, index: int | slice) -> Any: ...
    def __bytes__(self) -> bytes: ...

def failure_position(failure: BaseException) -> Position | None: ...
def is_target_source(source: bytes) -> bool: ...
def load_module(source: str | Path, name: str, filename: str | None = None) -> types.ModuleType: ...
def install_hook() -> None: ...
def set_simulator(simulator: Simulator | None) -> Simulator | None: ...
def byte_view(constant: bytes | bytearray) -> bytes: ...
def byte_span(memory: bytearray) -> Span[int]: ...
def wire_over(kind: type[_T], memory: Any, offset: int = 0) -> _T: ...
