"""NK02xx: modules, and names that stand for nothing, or for two things."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

CODES: dict[str, Code] = {
    "NK0201": Code(
        "no such target module",
        "A target module imports `neokernel.lang`, other target modules, and a few names of `enum` and `typing`. "
        "Modules are looked for in the program's folder and in `neokernel`. A file without a top-level `from "
        "neokernel.lang import …` is a host module: CPython runs it, the compiler doesn't read it.",
        "from neokernel.lang import u32\n\nimport json\n",
        "from neokernel.lang import u32\n\nfrom neokernel.runtime import format\n",
    ),
    "NK0202": Code(
        "this form of import is not in the language",
        "Every name says where it comes from: import names, not packages, by the full name of their module. Of the "
        "standard library there is what the type checkers need: `enum.Enum`, and of `typing` `TypeVar`, `Generic`, "
        "`Protocol`, `Final`, `TypeAlias`, `assert_never`, `NoReturn` and `TYPE_CHECKING`.",
        "from typing import Any\n\nfrom neokernel.lang import u32\n",
        "from typing import Final\n\nfrom neokernel.lang import u32\n\nLIMIT: Final[u32] = 3\n",
    ),
    "NK0203": Code(
        "import cycle",
        "Two modules that import each other have no order in which they could be read, neither by CPython nor by the "
        "compiler. Move what both need into a third module that imports neither.",
        "from neokernel.lang import u32\n\nimport example\n",
        "from neokernel.lang import u32\n\nLIMIT: u32 = 3\n",
    ),
    "NK0204": Code(
        "the module has no such name",
        "The module is there, but defines nothing of this name. It may be misspelt, or have moved.",
        "from neokernel.lang import u32, wraping_add\n",
        "from neokernel.lang import u32, wrapping_add\n\ndef next(x: u32) -> u32:\n    return wrapping_add(x, 1)\n",
    ),
    "NK0205": Code(
        "one name for two things",
        "A name of a module, and a member of a class, stands for one thing from beginning to end: so it can be "
        "found by reading, and means the same in every function.",
        "from neokernel.lang import u32\n\nLIMIT: u32 = 3\nLIMIT: u32 = 4\n",
        "from neokernel.lang import u32\n\nLOWER: u32 = 3\nUPPER: u32 = 4\n",
    ),
    "NK0206": Code(
        "a type variable, wrongly made",
        'A type variable is made at the top level as `T = TypeVar("T")`, perhaps with `bound=` a protocol, and '
        "`Generic[T]` names the variables of a class.",
        'from typing import TypeVar\n\nfrom neokernel.lang import u32\n\nT = TypeVar("U")\n',
        'from typing import TypeVar\n\nfrom neokernel.lang import u32\n\nT = TypeVar("T")\n',
    ),
    "NK0207": Code(
        "a parameter or result without a type",
        "The types of a function are its contract with its callers: they are written down, not guessed. Inside of the "
        "function the compiler finds the types of variables by itself. A function without result is `-> None`.",
        "from neokernel.lang import u32\n\ndef add(a: u32, b) -> u32:\n    return a\n",
        "from neokernel.lang import u32\n\ndef add(a: u32, b: u32) -> u32:\n    return a + b\n",
    ),
    "NK0208": Code(
        "a name that is not defined",
        "Neither the function nor the module has this name, and it isn't one of the few builtins of the language "
        "(`len`, `range`, `min`, `max`, `abs`, `enumerate`, `zip`, `reversed`, `isinstance`). Names of the "
        "vocabulary are imported from `neokernel.lang`; those of the kernel's programs, such as `Process` and `must`, "
        "from the modules of `neokernel.runtime` and `neokernel.abi`.",
        "from neokernel.lang import u32\n\ndef f(count: u32) -> u32:\n    return cuont\n",
        "from neokernel.lang import u32\n\ndef f(count: u32) -> u32:\n    return count\n",
    ),
    "NK0209": Code(
        "no `main` that can be started",
        "A program starts in the function `main` of its module. On the bare machine, that is `def main(machine: "
        "Machine) -> None:` with `from neokernel.arch.riscv64.bare import Machine`; above the kernel `def "
        "main(process: Process) -> None:` with `from neokernel.runtime.process import Process`, in each module of a "
        "system's folder that has a `main`. By its parameter it reaches console, power and memory. Nobody gets a "
        "result of it, so it has none: `machine.power_off(u8(3))` and `process.exit(3)` end with a status. A module "
        "without a `main` can be checked, tested and imported, but not built into an image.",
        right="from neokernel.arch.riscv64.bare import Machine\nfrom neokernel.lang import u8\n\n"
        'def main(machine: Machine) -> None:\n    machine.console.write("hello\\n")\n',
    ),
    "NK0210": Code(
        "a module with a name that can't be imported",
        "A module's name is its file's, without `.py`. It is a Python name that is no keyword, since others import it "
        "by that name, as the build does to start `main`. And it isn't that of a module of Python's standard library: "
        "under CPython the import would find that one. Rename the file.",
        right="from neokernel.lang import u32\n\nLIMIT: u32 = 3\n",
    ),
}
