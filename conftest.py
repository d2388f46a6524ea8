"""Options and fixtures of all tests. Nothing here imports torch: the book is built and looked at without it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Kernels that run notebooks inherit it: a progress bar would differ from run to run.
os.environ["TQDM_DISABLE"] = "1"
ROOT = Path(__file__).parent

# Sphinx's extension is tested through the pages, and the tools run as programs.
collect_ignore_glob = ["_build/*", ".cache/*", ".venv/*"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases",
        type=Path,
        default=ROOT / "tests" / "reference_cases.json",
        help="the reference cases to check gan_edu against (default: tests/reference_cases.json)",
    )
    parser.addoption("--device", default="cpu", help="the device of the training tests: cpu (default) or cuda")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def cases_file(request: pytest.FixtureRequest) -> Path:
    """The file of reference cases."""
    path = Path(request.config.getoption("--cases"))
    if not path.is_file():
        raise pytest.UsageError(f"--cases must name a file of reference cases, and {path} is none: check the path")
    return path


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """The device to test on; where it is absent, the test is skipped and says why."""
    name = request.config.getoption("--device")
    if name not in ("cpu", "cuda"):
        raise pytest.UsageError(f"--device must be 'cpu' or 'cuda', not {name!r}")
    if name == "cuda":
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("--device cuda: this machine has no CUDA device that torch can use")
    return name


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for every test that opens a page; without one these tests are skipped and say so."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no chromium is installed, so no page can be opened")
    quiet = ("background-networking", "component-update", "sync")
    switches = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=switches)
        yield opened
        opened.close()
