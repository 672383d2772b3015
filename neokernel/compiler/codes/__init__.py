"""Every code that the compiler can give, explained: `NKxxyy`, where `xx` is the area.

01 forms of the language · 02 names and modules · 03 types and operations · 04 flow, stacks and lives · 05 constants ·
06 `match` · 07 classes, from 0720 on interfaces · 08 unsafe code · 09 contracts and ghost code. Codes from NK1000 on
belong to the tools, those from NK2000 on to system files.

Invariant: a code keeps its meaning; one that is no longer given isn't used again.
"""

from __future__ import annotations

from neokernel.compiler.codes import classes, coroutines, flow, forms, interfaces, names, operations, outside, types
from neokernel.compiler.codes.code import Code

CODES: dict[str, Code] = {
    **forms.CODES,
    **names.CODES,
    **types.CODES,
    **operations.CODES,
    **flow.CODES,
    **coroutines.CODES,
    **classes.CODES,
    **interfaces.CODES,
    **outside.CODES,
}

__all__ = ["CODES", "Code"]
