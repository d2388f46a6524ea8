"""One small run for the tests that only look at it."""

from __future__ import annotations

import pytest
from trainings import DATA, TINY

from gan_edu.training import Run, train


@pytest.fixture(scope="module")
def run() -> Run:
    return train(DATA, **TINY)
