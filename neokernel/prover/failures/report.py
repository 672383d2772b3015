"""What a proof has to say, in the compiler's form of messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic, in_words_of_the_user
from neokernel.compiler.ir import Kind
from neokernel.prover.failures.counterexample import Counterexample
from neokernel.prover.obligations import Duty, Obligation, what
from neokernel.prover.solve import Answer

#: how many conditions of the way are shown
CONDITIONS = 6

#: what to do about them, if not SAY_MORE
_HELP = {
    Duty.REQUIRES: "check it before the call; or say what holds here: `requires`, an `@invariant`, a `loop_invariant`",
    Duty.ENSURES: "mend what is done, or what is ensured; or say what must hold before: `requires`, an `@invariant`",
    Duty.INVARIANT: "mend what is done, or the invariant; or say what must hold before: `requires`, an `@invariant`",
    Duty.UNCHANGED: "ask all that may fail before the first change",
    Duty.POSSIBLE: "look for a `requires` that contradicts another, or what all objects are like",
}
SAY_MORE = "say what must hold before: `requires`, an `@invariant`, a `loop_invariant`; or check it"
#: characters of a condition that is shown as it is written
WRITTEN = 72


def written(span: ir.Span, sources: Mapping[str, str]) -> str:
    """The condition there, as it is written, if that is short."""
    lines = sources.get(span.file, "").splitlines()
    if span.line != span.end_line or not 0 < span.line <= len(lines):
        return ""
    text = lines[span.line - 1][span.column : span.end_column].strip()
    return "" if text.startswith("match ") or len(text) > WRITTEN else text


def answer_at(span: ir.Span, answer: bool, sources: Mapping[str, str]) -> str:
    text = written(span, sources)
    return f"{f'`{text}`' if text else 'the condition'} is {str(answer).lower()}"


def _path(
    obligation: Obligation, found: Counterexample, sources: Mapping[str, str]
) -> list[tuple[ir.Span | None, str]]:
    """The conditions on the way: the nearest of the failing code's own file, last; how many others, and where."""
    check = obligation.check
    own: dict[tuple[ir.Span, bool], None] = {}
    elsewhere: Counter[str] = Counter()
    for span, taken in found.path:
        if span.file != obligation.span.file:
            folder = PurePosixPath(span.file).parent
            elsewhere[str(folder) if folder.name else span.file] += 1
        elif check is None or check.kind is not Kind.ASSERT or span.line != obligation.span.line:
            # What an assertion asks for is no branch. A loop's condition may be met again: the last time counts.
            own.pop((span, taken), None)
            own[span, taken] = None
    notes: list[tuple[ir.Span | None, str]] = [
        (None, f"… and {number} condition{'s' * (number != 1)} in {where}") for where, number in elsewhere.items()
    ]
    if len(own) > CONDITIONS:
        notes.append((None, f"… and {len(own) - CONDITIONS} before these"))
    notes += [(span, answer_at(span, taken, sources)) for span, taken in list(own)[-CONDITIONS:]]
    return notes


def diagnostic(
    obligation: Obligation, answer: Answer, found: Counterexample | None, sources: Mapping[str, str]
) -> Diagnostic:
    """The message for an obligation that isn't proven, with the way it fails where that is known. `sources`: the text
    of each file."""
    notes: list[tuple[ir.Span | None, str]] = []
    if found is not None:
        given = ", ".join(f"{name} = {text}" for name, text in found.arguments)
        notes.append((None, f"with {given}" if given else "with no arguments"))
        for made in [*found.objects, *found.others]:
            changes = ", ".join(f"{name} = {text}" for name, text in made.changes if name in made.deciding)
            if changes:
                notes.append((None, f"where {made.name} has {changes}"))
        notes += _path(obligation, found, sources)
        notes += [
            (span, f"`{callee}` gives {text}: its contract allows it")
            for span, callee, text in found.results
            if span.file == obligation.span.file
        ]
        loops = [one.span for one in found.unknowns if one.callee is None and one.span.file == obligation.span.file]
        notes += [(span, "of this loop's rounds no more is known") for span in dict.fromkeys(loops)]
        if found.values:
            values = ", ".join(f"{name} = {text}" for name, text in found.values)
            notes.append((None, f"there, {values}"))
        for made in [*found.objects, *found.others]:
            changes = ", ".join(f"{name} = {text}" for name, text in made.afterwards)
            if changes:
                notes.append((None, f"afterwards {made.name} has {changes}"))
        if found.reason is not None and found.reason.span != obligation.span:
            of = f"it is broken of {found.subject}: " if found.subject else ""
            notes.append((found.reason.span, of + answer_at(found.reason.span, found.reason.answer, sources)))
        elif found.subject:
            notes.append((None, f"it is broken of {found.subject}"))
    notes += [(span, "called from here") for span in reversed(obligation.calls)]
    if answer is Answer.REFUTED:
        help = _HELP.get(obligation.duty, SAY_MORE)
    else:
        help = "the solver gave up: a smaller function, or an `ensures` on what it calls, asks it less"
    return in_words_of_the_user(Diagnostic("NK1401", what(obligation), obligation.span, help, tuple(notes)))
