"""Loads target modules from text, and finds failures in them."""

import itertools
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang

numbers = itertools.count()

Load = Callable[[str], ModuleType]
Fails = Callable[..., lang.CheckFailed]


@pytest.fixture
def load() -> Load:
    """Load an instrumented module; every word of the vocabulary that it names is imported for it."""

    def load_text(text: str) -> ModuleType:
        text = textwrap.dedent(text)
        words = [word for word in sorted(lang.__all__) if word in text]
        header = (
            "from enum import Enum; from typing import *; from typing import assert_never; "
            f"from neokernel.lang import {', '.join(words or ['u8'])}"
        )
        return lang.load_module(header + text, f"sample_{next(numbers)}")

    return load_text


@pytest.fixture
def fails(load: Load) -> Fails:
    """Call `f` of a module in whose text ⟦…⟧ marks the expression that fails; check kind and position."""

    def check(kind: str, text: str, *arguments: Any) -> lang.CheckFailed:
        text = textwrap.dedent(text)
        before, _, rest = text.partition("⟦")
        inside, _, after = rest.partition("⟧")
        module = load(before + inside + after)
        with pytest.raises(lang.CheckFailed) as caught:
            module.f(*arguments)
        assert caught.value.kind == kind
        position = lang.failure_position(caught.value)
        assert position is not None
        start, end = before.split("\n"), (before + inside).split("\n")
        assert position == (module.__file__, len(start), len(start[-1]), len(end), len(end[-1]))
        return caught.value

    return check
