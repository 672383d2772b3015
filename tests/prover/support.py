"""Small modules, proven; the kernel with a mistake planted in it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from neokernel import lang
from neokernel.compiler import ir
from neokernel.compiler.pipeline import analyse_source, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.kernel import kernel_state
from neokernel.prover import invariants
from neokernel.prover.prove import Proof, Session, callees_first, entered, roots
from neokernel.prover.unchanged import NO_RULE
from neokernel.spec import MODULES

MODULE = "proven"


def program(text: str) -> ir.Program:
    """A module from its text; what it names of the vocabulary is imported for it."""
    text = textwrap.dedent(text)
    words = [word for word in sorted(lang.__all__) if re.search(rf"\b{word}\b", text)]
    header = f"from enum import Enum\nfrom neokernel.lang import {', '.join(words or ['u8'])}\n"
    found = analyse_source(header + text, MODULE)
    assert not found.diagnostics, "; ".join(f"{d.span.line}: {d.message}" for d in found.diagnostics)
    assert found.program is not None
    return found.program


@cache
def session(text: str, single: frozenset[str] = frozenset()) -> Session:
    """All functions of a module proven; of the structs `single` there is one object."""
    made = program(text)
    rule = replace(NO_RULE, single=frozenset(f"{MODULE}.{name}" for name in single))
    session = Session(invariants.of_program(made), rule=rule, entered=entered(made))
    for function in callees_first(roots(made, [MODULE], session.entered)):
        session.prove(function)
    return session


def proof(text: str, name: str) -> Proof:
    return next(p for f, p in session(text).proofs.items() if f.name == name)


def failures(text: str, name: str = "f") -> list[str]:
    """What isn't proven of a function: kinds of checks, and other duties, in order of the source."""
    failed = [v.obligation for v in proof(text, name).failed]
    found = sorted(failed, key=lambda o: (o.span.line, o.span.column))
    return list(dict.fromkeys(o.duty.value if o.check is None else o.check.kind.value for o in found))


def kernel_with(module: str, sound: str, mistaken: str) -> ir.Program:
    """The kernel and its specifications, with a mistake in one of its modules."""
    source = (PACKAGE_ROOT / "neokernel" / "kernel" / f"{module}.py").read_text()
    assert source.count(sound) == 1, f"{sound!r} isn't, or isn't once, in {module}.py"
    state = kernel_state(*MODULES)
    state.overlay[f"neokernel.kernel.{module}"] = source.replace(sound, mistaken)
    made = run_front_end(state).program
    assert made is not None, state.diagnostics.items
    return made


#: of those in a list, how many planted mistakes each run of the tests looks for
ALWAYS = 3


def mistakes(planted: Iterable[tuple[str, ...]]) -> list[Any]:
    """Parameters of a test of planted mistakes: some, each in another module, are for every run, the others are for
    `make test-slow`."""
    found, modules = list[Any](), set[str]()
    for mistake in planted:
        marks = [pytest.mark.slow] if mistake[0] in modules or len(modules) == ALWAYS else []
        modules |= set() if marks else {mistake[0]}
        found.append(pytest.param(*mistake, marks=marks, id=f"{mistake[0]} {mistake[-1]} {len(found)}"))
    return found
