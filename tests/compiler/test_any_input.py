"""Whatever it is given, the compiler ends with a program or with diagnostics, never with an exception.

Valid target modules are damaged at random: tokens, lines and syntax nodes are deleted, doubled, exchanged or replaced
by some of another module. `NK_MUTATIONS=100000 pytest tests/compiler/test_any_input.py` looks longer; a failure names
the seed that shows it again, and leaves the program in the message.
"""

from __future__ import annotations

import ast
import copy
import io
import os
import random
import tokenize
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from neokernel.compiler import interpret
from neokernel.compiler.codes import CODES
from neokernel.compiler.pipeline import analyse_source
from tests.compiler.rejected import cases

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("NK_MUTATIONS", "120"))
SEED = int(os.environ.get("NK_SEED", "1"))
PARTS = 4


def corpus() -> tuple[list[str], list[str]]:
    """Valid modules, and the rejected ones of the tests, which are small and have one of everything."""
    paths = [p for folder in ("examples", "benches", "neokernel", "tests/lang") for p in (ROOT / folder).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in sorted(paths)]
    valid = [text for text in texts if "\nfrom neokernel.lang import" in text and len(text) < 12_000]
    valid += [code.right for code in CODES.values() if code.right]
    rejected = [case.modules()[cases.ROOT] for case in cases.all_cases()]
    return valid, [text if "from neokernel.lang import" in text else cases.HEADER + text for text in rejected]


def change_tokens(text: str, other: str, choose: random.Random) -> str:
    tokens, others = _tokens(text), _tokens(other)
    for _ in range(choose.randint(1, 3)):
        place = choose.randrange(len(tokens))
        kind = choose.randrange(4)
        if kind == 0:
            del tokens[place]
        elif kind == 1:
            tokens.insert(place, choose.choice(tokens))
        elif kind == 2:
            tokens[place] = choose.choice(tokens)
        else:
            tokens[place] = choose.choice(others)
    return "".join(tokens)


def _tokens(text: str) -> list[str]:
    """The text in pieces: each token with the blanks before it."""
    lines = text.splitlines(keepends=True)
    pieces: list[str] = []
    line, column = 1, 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        blank = lines[line - 1][column : token.start[1]] if token.start[0] == line else ""
        if token.start[0] > line:
            blank = "".join(lines[line - 1 : token.start[0] - 1])[column:] + lines[token.start[0] - 1][: token.start[1]]
        pieces.append(blank + token.string)
        line, column = token.end
        if column and line <= len(lines) and column >= len(lines[line - 1]):
            line, column = line + 1, 0
    return pieces or [text]


def change_lines(text: str, other: str, choose: random.Random) -> str:
    lines, others = text.splitlines(keepends=True), other.splitlines(keepends=True)
    for _ in range(choose.randint(1, 3)):
        place, source = choose.randrange(len(lines)), choose.randrange(len(lines))
        kind = choose.randrange(4)
        if kind == 0 and len(lines) > 1:
            del lines[place]
        elif kind == 1:
            lines.insert(place, lines[source])
        elif kind == 2:
            lines[place], lines[source] = lines[source], lines[place]
        else:
            lines.insert(place, choose.choice(others))
    return "".join(lines)


def change_nodes(text: str, other: str, choose: random.Random) -> str:
    """Exchange whole expressions, patterns or statements: what results is mostly valid Python."""
    tree, source = ast.parse(text), ast.parse(other if choose.random() < 0.4 else text)
    for _ in range(choose.randint(1, 3)):
        kind: type[ast.AST] = choose.choice([ast.expr, ast.expr, ast.expr, ast.stmt, ast.pattern])
        candidates = [node for node in ast.walk(source) if isinstance(node, kind)]
        places = [
            (parent, name, index)
            for parent in ast.walk(tree)
            for name, field in ast.iter_fields(parent)
            for index, node in enumerate(field if isinstance(field, list) else [field])
            if isinstance(node, kind)
        ]
        if not candidates or not places:
            continue
        parent, name, index = choose.choice(places)
        new = copy.deepcopy(choose.choice(candidates))
        field = getattr(parent, name)
        if not isinstance(field, list):
            setattr(parent, name, new)
        elif choose.random() < 0.2 and len(field) > 1:
            del field[index]
        elif choose.random() < 0.3:
            field.insert(index, new)
        else:
            field[index] = new
    return ast.unparse(tree)


CHANGES: tuple[Callable[[str, str, random.Random], str], ...] = (
    change_tokens,
    change_lines,
    change_nodes,
    change_nodes,
)


def mutant(valid: list[str], rejected: list[str], seed: int) -> str:
    choose = random.Random(seed)
    text, other = choose.choice(choose.choice((valid, rejected))), choose.choice(choose.choice((valid, rejected)))
    try:
        return choose.choice(CHANGES)(text, other, choose)
    except (ValueError, TypeError, AttributeError, SyntaxError, tokenize.TokenError, RecursionError):
        # What was exchanged has no text any more.
        return text


@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_modules(part: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        valid, rejected = corpus()
        for number in range(part, COUNT, PARTS):
            seed = SEED * 1_000_000 + number
            text = mutant(valid, rejected, seed)
            try:
                with patch.object(interpret, "LIMIT", 20_000):
                    analysis = analyse_source(text)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{text}") from error
            assert all(diagnostic.code in CODES for diagnostic in analysis.diagnostics)


@pytest.mark.parametrize(
    "text", ["", "\n", "#", "\x0c", "\ufeff", "from neokernel.lang import u8\n\tx", "'", '"""', "\\"]
)
def test_hardly_anything(text: str) -> None:
    assert all(diagnostic.code in CODES for diagnostic in analyse_source(text).diagnostics)
