"""What an import of the package loads: a reader who waits for a cell should wait for what it computes."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
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


def test_imports_close_no_circle() -> None:
    """From the mathematics up to the pictures: nothing below `plots` and `live` imports them."""
    package = ROOT / "gan_edu"
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in package.rglob("*.py")}
    known = {name.removesuffix(".__init__"): path for path, name in names.items()}
    graph: dict[str, set[str]] = {}
    for path, name in names.items():
        wanted = [
            f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else str(node.module)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        ]
        graph[name] = {names[known[each]] for each in wanted if each in known} - {name, "gan_edu.__init__"}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError at a circle
    assert order.index("gan_edu.networks") < order.index("gan_edu.training.algorithm")
    below = {name for name in graph if name.split(".")[1] not in ("plots", "live", "__init__")}
    assert not any(graph[name] & {"gan_edu.plots", "gan_edu.live"} for name in below)
