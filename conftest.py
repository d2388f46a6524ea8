"""Options and fixtures of all tests. Nothing here imports torch: the book is built and looked at without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import filelock
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from prose_items import with_table

# Kernels that run notebooks inherit it: a progress bar would differ from run to run.
os.environ["TQDM_DISABLE"] = "1"
ROOT = Path(__file__).parent
# These make something large that all of their tests look at: one worker makes it once.
WHOLE = ("test_build.py", "test_notebooks.py", "test_colab.py")

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out in the order of `testpaths`, the long notebooks first, so that the workers end together."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFunction(LoadScopeScheduling):
        """The cells of a notebook need one kernel and their order; of other files, each function goes by itself."""

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return file if file.endswith((".ipynb", *WHOLE)) else nodeid.split("[")[0]

    config.option.loadscopereorder = False
    return ByFunction(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, pytest.CollectReport]:
    """Between the cells of a notebook stands what the table beside it says of them."""
    report = yield
    if isinstance(collector, IPyNbFile) and report.passed:
        report.result = with_table(collector, report.result)
    return report


def ran_out_of_time(item: pytest.Item) -> bool:
    """Whether this item of a notebook, or one before it, took longer than it may."""
    return isinstance(item.parent, IPyNbFile) and item.parent.timed_out


def one_at_a_time(config: pytest.Config, what: str) -> filelock.BaseFileLock:
    """A lock between the workers."""
    return filelock.FileLock(config.cache.mkdir("locks") / what)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Start one kernel at a time; skip what follows a cell that ran out of time."""
    starts_a_kernel = isinstance(item.parent, IPyNbFile) and item.parent.kernel is None
    # A kernel is told which ports are free and takes them later: two that start together may be told the same.
    with one_at_a_time(item.config, "kernel") if starts_a_kernel else nullcontext():
        yield
    if ran_out_of_time(item):
        pytest.skip(f"a cell of {item.path.name} before this one ran out of time")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    """Say of a cell that ran out of time just that, whatever became of it when it was interrupted."""
    report = yield
    if not isinstance(item, IPyNbCell):
        return report
    if report.failed and "outputs differ" not in str(call.excinfo):
        item.parent.broken = item.cell.get("id")
    # The other limit of nbval is on silence after the end of a cell, and nbval's words for it are true.
    if report.when == "call" and ran_out_of_time(item) and "waiting for output" not in str(call.excinfo):
        which = f"cell {item.cell.get('id')!r} of {item.path.name}"
        limit = item.config.getoption("nbval_cell_timeout")
        report.outcome = "failed"
        report.longrepr = f"{which} took longer than {limit:g} s: this machine is too busy, or the cell too slow"
    return report


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def html(request: pytest.FixtureRequest) -> Path:
    """The folder of the built pages; built now where it is missing, by one worker while the others wait."""
    built = ROOT / "_build" / "html"
    with one_at_a_time(request.config, "html"):
        if not (built / "index.html").exists():
            subprocess.run([sys.executable, str(ROOT / "tools" / "build.py")], check=True)
    return built


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
