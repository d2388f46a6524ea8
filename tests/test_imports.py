"""What an import of the package loads: a reader who waits for a cell should wait for what it computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {"torch", "matplotlib", "sklearn", "ipywidgets", "IPython", "tqdm"}
SLOW |= {f"scipy.{part}" for part in ("stats", "optimize", "sparse", "spatial")}


def loaded_by(code: str) -> set[str]:
    """The modules and submodules that a fresh Python has loaded after the code."""
    said = f"import sys; {code}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True).stdout.split())


def test_the_package_loads_nothing_slow() -> None:
    loaded = loaded_by("import gan_edu")
    assert {"gan_edu.transport", "gan_edu.evaluation", "scipy.special"} <= loaded
    assert not loaded & SLOW, "load these where they are used: `scipy.stats.binom` loads scipy.stats at its first use"


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("gan_edu.transport([0.0], [1.0])", "scipy.optimize"),
        ("gan_edu.transport([0.0, 1.0], [1.0])", "scipy.sparse"),
        ("gan_edu.interval(range(8))", "scipy.stats"),
        ("gan_edu.nearest_neighbours([0.0], [1.0])", "scipy.spatial"),
        ("gan_edu.kl_gaussians([0.0], [[1.0]], [0.0], [[1.0]])", "scipy.linalg"),
        ("gan_edu.fit_gaussian(lambda g: gan_edu.kl(g, gan_edu.gaussian()))", "scipy.optimize"),
    ],
)
def test_what_was_left_out_is_loaded_when_it_is_needed(code: str, part: str) -> None:
    assert part in loaded_by(f"import gan_edu; {code}")
