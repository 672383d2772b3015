"""What a run found, as Markdown and as JSON."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.spec import MODULES
from tests.mutate.campaign import COMMUTING, PROVEN_SAME, REJECTED, SAME_CODE, SAME_IR, SURVIVED, Result
from tests.mutate.operators import OPERATORS
from tests.mutate.prover import GAVE_UP, LIMIT

#: what the issue asks of: columns, and whose verdicts count
SHARES = {"prover alone": ("prover",), "prover and tests": ("prover", "tests")}
#: outcomes of mutants that mean the same
NO_MISTAKES = (SAME_IR, COMMUTING, SAME_CODE, PROVEN_SAME)
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
    heads = [heading, "mutants", *NO_MISTAKES, "mistakes", *judges, "survived", *SHARES, "all"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [row(name, [result for result in results if of(result) == name], judges) for name in names]
    return [*lines, row("**all**", results, judges)]


def order(name: str) -> tuple[int, str]:
    return (OPERATORS.index(name), "") if name in OPERATORS else (-1, name)


def row(name: str, results: Sequence[Result], judges: Sequence[str]) -> str:
    taken = [result for result in results if result.outcome != REJECTED]
    *same, survived = (sum(r.outcome == each for r in taken) for each in (*NO_MISTAKES, SURVIVED))
    mistakes = [result for result in taken if result.counted]
    killed = [sum(result.found_by(judge) for result in mistakes) for judge in judges]
    numbers = [str(number or "") for number in (len(taken), *same, len(mistakes), *killed, survived)]
    shares = [share(mistakes, *names) for names in (*SHARES.values(), judges)]
    return f"| {' | '.join([name, *numbers, *shares])} |"


def share(results: Sequence[Result], *judges: str) -> str:
    """Of the mistakes, how many these judges found; empty if there are none."""
    counted = [result for result in results if result.counted]
    return f"{sum(result.found_by(*judges) for result in counted) / len(counted):.1%}" if counted else ""


def score(results: Sequence[Result]) -> float:
    """Of the mistakes, how many were found."""
    counted = [result for result in results if result.counted]
    return 1 - sum(result.outcome == SURVIVED for result in counted) / len(counted) if counted else 1.0


def specified() -> list[str]:
    """The kernel's files whose functions specifications call."""
    found: set[str] = set()
    for module in MODULES:
        path = PACKAGE_ROOT / f"{module.replace('.', '/')}.py"
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neokernel.kernel."):
                calls = any(alias.name.islower() for alias in node.names)
                found |= {str(node.module).rpartition(".")[2]} if calls else set()
    return sorted(found)


def as_markdown(results: Sequence[Result], judges: Sequence[str]) -> list[str]:
    """Tables, what hangs, and the survivors."""
    rejected = sum(result.outcome == REJECTED for result in results)
    survivors = [result for result in results if result.outcome == SURVIVED]
    unreached = sum(not executed(result) for result in survivors)
    hung = [result for result in results if any(verdict.hung for verdict in result.verdicts.values())]
    limited = sum("prover" in result.verdicts and result.verdicts["prover"].why == LIMIT for result in results)
    gave_up = sum("prover" in result.verdicts and result.verdicts["prover"].why == GAVE_UP for result in results)
    inside = [result for result in results if stem(result) in specified()]
    files = ", ".join(f"`{name}`" for name in specified())
    found = (
        f"**{share(results, *judges)}** of {sum(r.counted for r in results)} mistakes were found: by the prover and "
        f"the tests under CPython {share(results, 'prover', 'tests')}. The prover alone found "
        f"{share(results, 'prover')} of all, and {share(inside, 'prover')} in the files whose functions specifications "
        f"call ({files}). For {limited} it needed more than its limit; {gave_up} it gave up, which count as not found."
    )
    more = (
        f"{rejected} more mutants were rejected by the compiler and aren't counted. {unreached} of the "
        f"{len(survivors)} survivors are in lines that no test executes under CPython. {len(hung)} were found because "
        f"the kernel hung."
    )
    lines = [
        found,
        "",
        more,
        "",
        *table(results, "file", stem, judges),
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


def stem(result: Result) -> str:
    return Path(result.mutant.file).stem


def executed(result: Result) -> bool:
    """By a test?"""
    verdict = result.verdicts.get("tests")
    return verdict is not None and (verdict.killed or verdict.tried > 0)


def as_json(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    return {**about, "score": score(results), "mutants": [asdict(result) for result in results]}
