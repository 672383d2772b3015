"""A module's file can be another one's: names stay, the text and its positions are the other file's."""

from __future__ import annotations

from pathlib import Path

from neokernel.compiler.pipeline import State, run_front_end

MODEL = "from neokernel.lang import u64\n\n\ndef hart() -> u64:\n    return 0\n"
REAL = "from neokernel.lang import u64\n\n# the machine's own\n\n\ndef hart() -> u64:\n    return 7\n"
MAIN = "from cpu import hart\nfrom neokernel.lang import u64\n\n\ndef number() -> u64:\n    return hart()\n"


def front_end(folder: Path, substitutes: dict[str, str]) -> State:
    return run_front_end(State(folder, ["main"], substitutes=substitutes))


def program(folder: Path, real: str = REAL) -> Path:
    (folder / "board").mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "cpu.py").write_text(MODEL)
    (folder / "board" / "cpu.py").write_text(real)
    return folder


def test_symbols_keep_the_name_and_positions_are_the_files(tmp_path: Path) -> None:
    state = front_end(program(tmp_path), {"cpu": "board.cpu"})
    assert state.diagnostics.sorted() == []
    assert state.program is not None
    functions = {function.symbol: function for function in state.program.functions}
    assert (functions["cpu.hart"].span.file, functions["cpu.hart"].span.line) == ("board/cpu.py", 6)
    assert "board.cpu.hart" not in functions


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    state = front_end(program(tmp_path), {})
    assert state.program is not None
    assert {f.span.file for f in state.program.functions if f.symbol == "cpu.hart"} == {"cpu.py"}


def test_messages_name_the_file_that_was_read(tmp_path: Path) -> None:
    state = front_end(program(tmp_path, REAL.replace("return 7", "return 'x'")), {"cpu": "board.cpu"})
    assert [(item.span.file, item.span.line) for item in state.diagnostics.sorted()] == [("board/cpu.py", 7)]
