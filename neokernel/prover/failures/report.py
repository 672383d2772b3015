"""What a proof has to say, in the compiler's form of messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic, in_words_of_the_user
from neokernel.compiler.ir import Kind
from neokernel.prover.failures.counterexample import Counterexample
from neokernel.prover.failures.words import trouble, what
from neokernel.prover.instructions import FLOATS, FOREIGN
from neokernel.prover.obligations import Duty, Obligation
from neokernel.prover.solve import Answer

#: how many conditions of the way are shown
CONDITIONS = 6

#: what to do about them, if not SAY_MORE
_HELP = {
    Duty.REQUIRES: "check it before the call; or say what holds here: `requires`, an `@invariant`, a `loop_invariant`",
    Duty.ENSURES: "mend what is done, or what is ensured; or say more: `requires`, an `@invariant`, a `loop_invariant`",
    Duty.INVARIANT: "mend what is done, or the invariant; or say more: `requires`, an `@invariant`, a `loop_invariant`",
    Duty.UNCHANGED: "ask all that may fail before the first change",
    Duty.POSSIBLE: "look for conditions that contradict each other: of what can't be, anything would be proven",
    Duty.ENDS: "look for a loop without an end, or a check that always fails: what comes after is never asked for",
}
SAY_MORE = "say what must hold before: `requires`, an `@invariant`, a `loop_invariant`; or check it"
#: characters of a condition that is shown as it is written
WRITTEN = 72


def written(span: ir.Span, sources: Mapping[str, str]) -> tuple[str, str]:
    """What is asked for there, as it is written, if that is short; and what stands before it in the line."""
    lines = sources.get(span.file, "").splitlines()
    if span.line != span.end_line or not 0 < span.line <= len(lines):
        return "", ""
    line = lines[span.line - 1]
    text = line[span.column : span.end_column].strip()
    return "" if len(text) > WRITTEN else text, line[: span.column].strip()


def answer_at(span: ir.Span, answer: bool, sources: Mapping[str, str], case: str = "") -> str:
    text, before = written(span, sources)
    if case:
        return f"{f'`{text}`' if text else 'what is asked for'} is {'' if answer else 'not '}`{case}`"
    if before.startswith(("for ", "async for ")) and before.endswith(" in"):
        return f"the loop over {f'`{text}`' if text else 'that'} {'goes on' if answer else 'ends'}"
    return f"{f'`{text}`' if text else 'the condition'} is {str(answer).lower()}"


def _path(
    obligation: Obligation, found: Counterexample, sources: Mapping[str, str]
) -> list[tuple[ir.Span | None, str]]:
    """The conditions on the way: the nearest of the failing code's own file, last; how many others, and where."""
    check = obligation.check
    own: dict[tuple[ir.Span, bool, str], None] = {}
    elsewhere: Counter[str] = Counter()
    for span, taken, case in found.path:
        if (span.line, span.column) == (span.end_line, span.end_column):
            continue  # the compiler asks, of a coroutine: where has it stopped?
        if span.file != obligation.span.file:
            folder = PurePosixPath(span.file).parent
            elsewhere[str(folder) if folder.name else span.file] += 1
        elif check is None or check.kind is not Kind.ASSERT or span.line != obligation.span.line:
            # What an assertion asks for is no branch. A loop's condition may be met again: the last time counts.
            own.pop((span, taken, case), None)
            own[span, taken, case] = None
    notes: list[tuple[ir.Span | None, str]] = [
        (None, f"on the way, {number} more condition{'s' * (number != 1)} in {where}")
        for where, number in elsewhere.items()
    ]
    if len(own) > CONDITIONS:
        notes.append((None, f"on the way, {len(own) - CONDITIONS} more before these"))
    notes += [(span, answer_at(span, taken, sources, case)) for span, taken, case in list(own)[-CONDITIONS:]]
    return notes


def _guesses(obligation: Obligation, found: Counterexample) -> list[tuple[ir.Span | None, str]]:
    """What calls and loops do there, as far as the proof knows; and whether that can be."""
    here = obligation.span.file
    results: dict[tuple[ir.Span, str], None] = {}
    for span, callee, text in found.results:
        if span.file == here:
            results[span, f"`{callee}` gives {text}: its contract allows it"] = None
    notes: list[tuple[ir.Span | None, str]] = [*list(results)[-CONDITIONS:]]
    if len(results) > CONDITIONS:
        notes.insert(0, (None, f"{len(results) - CONDITIONS} more calls before these"))
    for span, begins in found.rounds:
        if span.file == here:
            values = ", ".join(f"{name} = {text}" for name, text in begins)
            begin = f": one may begin with {values}" if values else ""
            notes.append((span, f"of this loop's rounds no more is known{begin}"))
    if found.floats:
        notes.append((None, f"of {FLOATS} nothing is known: these values needn't fail"))
    if found.foreign:
        notes.append((None, f"{FOREIGN} is any value at each read: what is to stay the same is read once"))
    if found.never and notes:
        notes.append(
            (None, "no run fails so: say more of what is called, by `ensures`, or of each round, by `loop_invariant`")
        )
    return list(dict.fromkeys(notes))


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
        notes += _guesses(obligation, found)
        if found.values:
            values = ", ".join(f"{name} = {text}" for name, text in found.values)
            there = "there" if obligation.duty is not Duty.LOOP_INVARIANT else "where it is to hold"
            notes.append((None, f"{there}, {values}"))
        if found.returned:
            notes.append((None, f"it returns {found.returned}"))
        for made in [*found.objects, *found.others]:
            changes = ", ".join(f"{name} = {text}" for name, text in made.afterwards)
            if changes:
                notes.append((None, f"afterwards {made.name} has {changes}"))
        if found.trouble is not None:
            span, check = found.trouble
            notes.append((span, f"it can't be computed: {trouble(check)}"))
        elif found.reason is not None and found.reason.span != obligation.span:
            of = f"it is broken of {found.subject}: " if found.subject else ""
            notes.append((found.reason.span, of + answer_at(found.reason.span, found.reason.answer, sources)))
        elif found.subject:
            notes.append((None, f"it is broken of {found.subject}"))
    notes += [(call.span, "called from here") for call in reversed(obligation.calls)]
    if answer is Answer.REFUTED:
        help = _HELP.get(obligation.duty, SAY_MORE)
    else:
        help = (
            "the solver gave up: a smaller function, or an `ensures` on what it calls, asks it less; products and "
            "quotients of two unknowns are hard"
        )
    return in_words_of_the_user(Diagnostic("NK1401", what(obligation), obligation.span, help, tuple(notes)))
