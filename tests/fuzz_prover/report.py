"""A campaign's tables, as the reference has them."""

from __future__ import annotations

from collections import Counter

from tests.fuzz_prover.campaign import Tally

ENDED = "ran to its end"


def table(tally: Tally) -> str:
    """Markdown: what was asked, by how it ended; what the prover doesn't tell, and why."""
    proofs = tally.proofs
    columns = {
        "known inputs": tally.ends,
        "unknown inputs": tally.possible,
        "checks proven": proofs.proven,
        "checks open": proofs.open,
        "random calls": proofs.runs,
        "compiled runs": tally.compiled,
    }
    kinds = sorted({kind for column in columns.values() for kind in column} - {ENDED})
    lines = [
        f"programs: {tally.programs} (rejected by the front end, and not counted: {tally.rejected})",
        f"functions proven: {proofs.functions}",
        f"different: {len(tally.differences)} {[found.seed for found in tally.differences] or ''}".rstrip(),
        "seconds: " + ", ".join(f"{way} {seconds:.0f}" for way, seconds in tally.seconds.items()),
        "",
        f"| end, or check | {' | '.join(columns)} |",
        f"|---|{'--:|' * len(columns)}",
        *(f"| {kind} | {' | '.join(_cell(column, kind) for column in columns.values())} |" for kind in (ENDED, *kinds)),
        f"| all | {' | '.join(f'{column.total():,}' for column in columns.values())} |",
    ]
    for title, reasons, all_ in (
        ("of known inputs the prover doesn't tell, because of", tally.untold, tally.programs),
        ("random calls that the interpreter can't do", proofs.unable, proofs.runs.total() + proofs.unable.total()),
    ):
        lines += ["", f"| {title} | times | share |", "|---|--:|--:|"]
        lines += [f"| {reason} | {number:,} | {number / all_:.1%} |" for reason, number in reasons.most_common()]
    return "\n".join(lines)


def _cell(column: Counter[str], kind: str) -> str:
    return f"{column[kind]:,}" if column[kind] else ""
