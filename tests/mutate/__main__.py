"""`python -m tests.mutate --count 500 --seed 1`: plant mistakes in the kernel, and see who finds them."""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import tempfile
import time
from pathlib import Path

from neokernel.compiler.source import PACKAGE_ROOT
from tests.mutate import report
from tests.mutate.campaign import REJECTED, Result, with_judges
from tests.mutate.prover import MOST_SECONDS
from tests.mutate.snapshot import Snapshot

STORE = PACKAGE_ROOT / "build" / "mutate"
PAGE = PACKAGE_ROOT / "docs" / "reference" / "mutation.md"
BEGIN = "<!-- the last run: written by `make mutate RECORD=1` -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="mutants that the compiler takes")
    parser.add_argument("--seed", type=int, default=1, help="which of all")
    parser.add_argument("--files", nargs="*", default=[], help="only these of the kernel, such as `slot timer`")
    parser.add_argument("--part", default="1/1", help="such as 1/2: half of them, to have two processes judge")
    parser.add_argument("--quick", action="store_true", help="ask the prover and the tests under CPython only")
    parser.add_argument("--seconds", type=int, default=MOST_SECONDS, help="of processor time, for the prover's mutant")
    parser.add_argument("--so-far", action="store_true", help="judge nothing: show those that are judged already")
    parser.add_argument("--json", type=Path, default=STORE / "report.json", help="where the results go")
    parser.add_argument("--record", action="store_true", help="write the results into docs/reference/mutation.md")
    parser.add_argument("--commit", help="the sources of this commit, not the files as they are")
    options = parser.parse_args()
    files = f" FILES='{' '.join(options.files)}'" if options.files else ""
    quick = " QUICK=1" if options.quick else ""
    seconds = f" SECONDS={options.seconds}" if options.seconds != MOST_SECONDS else ""
    about = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "commit": report.commit(options.commit),
        "command": f"make mutate COUNT={options.count} SEED={options.seed}{files}{quick}{seconds}",
        "count": options.count,
        "seed": options.seed,
    }
    began = time.monotonic()
    # There is little garbage, and to look for it takes a quarter of the compiler's time.
    gc.set_threshold(200_000)
    with tempfile.TemporaryDirectory(prefix="neokernel-mutate-") as folder:
        snapshot = Snapshot(Path(folder), options.commit)
        campaign = with_judges(snapshot, STORE, options.files, compiling=not options.quick, seconds=options.seconds)
        about["sites"] = len(campaign.mutants)
        seen = 0

        number, _, parts = options.part.partition("/")

        def progress(result: Result) -> None:
            nonlocal seen
            seen += 1
            seconds = time.monotonic() - began
            by = ", ".join(name for name, verdict in result.verdicts.items() if verdict.killed) or result.outcome
            took = " ".join(f"{verdict.seconds:.0f}" for verdict in result.verdicts.values())
            print(f"{seen:4} {seconds:5.0f} s  {took:12} {by:15} {result.mutant.identity}", flush=True)

        if options.so_far:
            results = campaign.so_far(options.count, options.seed)
        else:
            results = campaign.run(options.count, options.seed, progress, (int(number), int(parts)))
        judges = [judge.name for judge in campaign.judges]
    judged = sum(result.outcome != REJECTED for result in results)
    so_far = f", of which {judged} were judged before the run was stopped" if options.so_far else ""
    lines = [
        (
            f"{about['date']}, commit {about['commit']}, `{about['command']}`: of {about['sites']} mutants, "
            f"{options.count} by seed {options.seed}{so_far}."
        ),
        "",
        *report.as_markdown(results, judges),
    ]
    text = "\n".join(lines)
    print(text)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.as_json(results, about), indent=1))
    if options.record:
        head = PAGE.read_text().partition(BEGIN)[0]
        PAGE.write_text(f"{head}{BEGIN}\n\n{text.rstrip()}\n")


if __name__ == "__main__":
    main()
