"""After each test nobody plays the machine: other tests count on that."""

from collections.abc import Iterator

import pytest

from neokernel import lang


@pytest.fixture(autouse=True)
def _without_simulator_afterwards() -> Iterator[None]:
    yield
    lang.set_simulator(None)
