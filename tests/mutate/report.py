"""What a run found, as Markdown and as JSON."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neokernel.compiler.source import PACKAGE_ROOT
from tests.mutate.campaign import REJECTED, SAME_CODE, SAME_IR, SURVIVED, Result
from tests.mutate.operators import OPERATORS

#: why survivors aren't found, by file and change
EXPLAINED = Path(__file__).parent / "explained.toml"


def explanations() -> dict[tuple[str, str, str], str]:
    with EXPLAINED.open("rb") as stream:
        data = tomllib.load(stream)
    return {(each["file"], each["old"], each["new"]): each["why"] for each in data.get("survivor", [])}


def key(result: Result) -> tuple[str, str, str]:
    """A survivor, whatever line it is in."""
    old, new = ("\n".join(line.strip() for line in lines) for lines in (result.old, result.new))
    return Path(result.mutant.file).stem, old, new


def commit(chosen: str | None) -> str:
    """A commit, in short; of the checkout with a plus, if its files aren't what was committed."""
    if chosen is not None:
        return git("rev-parse", "--short", chosen)
    changed = git("status", "--porcelain", "--", "neokernel/kernel", "neokernel/abi", "tests/kernel")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True).stdout.strip()


def table(results: Sequence[Result], heading: str, of: Callable[[Result], str], judges: Sequence[str]) -> list[str]:
    names = sorted({of(result) for result in results}, key=order)
    heads = [heading, "mutants", "same IR", "same code", "mistakes", *judges, "survived", "found"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [row(name, [result for result in results if of(result) == name], judges) for name in names]
    return [*lines, row("**all**", results, judges)]


def order(name: str) -> tuple[int, str]:
    return (OPERATORS.index(name), "") if name in OPERATORS else (-1, name)


def row(name: str, results: Sequence[Result], judges: Sequence[str]) -> str:
    taken = [result for result in results if result.outcome != REJECTED]
    ir, code, survived = (sum(r.outcome == each for r in taken) for each in (SAME_IR, SAME_CODE, SURVIVED))
    killed = [sum(j in r.verdicts and r.verdicts[j].killed for r in taken) for j in judges]
    counted = sum(result.counted for result in taken)
    numbers = [str(number or "") for number in (len(taken), ir, code, counted, *killed, survived)]
    return f"| {' | '.join([name, *numbers, f'{score(taken):.1%}' if counted else ''])} |"


def score(results: Sequence[Result]) -> float:
    """Of the mistakes, how many were found."""
    counted = [result for result in results if result.counted]
    return 1 - sum(result.outcome == SURVIVED for result in counted) / len(counted) if counted else 1.0


def as_markdown(results: Sequence[Result], judges: Sequence[str]) -> list[str]:
    """Tables, what hangs, and the survivors."""
    rejected = sum(result.outcome == REJECTED for result in results)
    survivors = [result for result in results if result.outcome == SURVIVED]
    unreached = sum(not executed(result) for result in survivors)
    reached = [result for result in results if executed(result)]
    hung = [result for result in results if any(verdict.hung for verdict in result.verdicts.values())]
    lines = [
        (
            f"{score(results):.1%} of {sum(r.counted for r in results)} mistakes were found; of those that a test "
            f"executes under CPython {score(reached):.1%}. {rejected} more mutants were rejected by the compiler and "
            f"aren't counted. {unreached} of the {len(survivors)} survivors are in lines that no test executes under "
            f"CPython. {len(hung)} were found because the kernel hung."
        ),
        "",
        *table(results, "file", lambda result: Path(result.mutant.file).stem, judges),
        "",
        *table(results, "operator", lambda result: result.mutant.operator, judges),
        "",
    ]
    if hung:
        lines += ["Hung:", "", *(f"- {result.mutant.identity}" for result in hung), ""]
    known = explanations()
    lines += ["## Survivors", ""]
    for result in survivors:
        why = "Not explained yet." if executed(result) else "No test executes it under CPython."
        lines += [f"**{result.mutant.identity}**", "", "```diff"]
        lines += [f"-{line}" for line in result.old] + [f"+{line}" for line in result.new]
        lines += ["```", "", known.get(key(result), why), ""]
    return lines


def executed(result: Result) -> bool:
    """By a test?"""
    verdict = result.verdicts.get("tests")
    return verdict is not None and (verdict.killed or verdict.tried > 0)


def as_json(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    return {**about, "score": score(results), "mutants": [asdict(result) for result in results]}
