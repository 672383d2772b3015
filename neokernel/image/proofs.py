"""Which of the kernel's checks are proven: a record that `nk prove --record` writes and the sources carry with them.

It names checks of functions that can be reached once the first thread runs, by function and index. It is good for
exactly the program that was proven, boot included, whose hash it has: if anything of that changes, the image has all
its checks again.
"""

from __future__ import annotations

import json

from neokernel.compiler import ir
from neokernel.compiler.digest import checks_of, digest, reachable
from neokernel.compiler.source import PACKAGE_ROOT

RECORD = PACKAGE_ROOT / "neokernel" / "kernel" / "proofs.json"
#: where the kernel begins, before there are threads
BOOT = "nk_boot"


def entries(program: ir.Program) -> list[ir.Function]:
    """The functions that assembly calls once the first thread runs."""
    return [one for one in program.functions if one.exported and one.symbol != BOOT]


def boot(program: ir.Program) -> list[ir.Function]:
    """The one that assembly calls before."""
    return [one for one in program.functions if one.exported and one.symbol == BOOT]


def identity(program: ir.Program) -> str:
    """Of all that was proven: what can be reached, and the invariants."""
    invariants = [one for one in program.functions if one.invariant_of is not None]
    return digest([*reachable([*entries(program), *boot(program)]), *invariants])


def write(program: ir.Program, discharged: dict[str, list[int]], kept: dict[str, str]) -> None:
    """Record what was proven of a program: the checks, and the keys of the proofs."""
    proven, proofs = (
        ",\n".join(f'    "{symbol}": {json.dumps(found)}' for symbol, found in sorted(part.items()))
        for part in (discharged, kept)
    )
    text = '{{\n  "program": "{}",\n  "proven": {{\n{}\n  }},\n  "proofs": {{\n{}\n  }}\n}}\n'
    RECORD.write_text(text.format(identity(program), proven, proofs), encoding="utf-8")


def discharge(program: ir.Program) -> bool:
    """Mark the checks that are proven; False if the record is of another program, or isn't there."""
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
    except OSError:
        return False
    if record["program"] != identity(program):
        return False
    for function in program.functions:
        proven = set(record["proven"].get(function.symbol, ()))
        for check in checks_of(function) if proven else ():
            check.discharged = check.discharged or check.index in proven
    return True
