"""Execute notebooks in place and normalise them: `python tools/notebooks.py [NOTEBOOK ...]`, by default all of book/.

The stored outputs are the book. So the same notebook gives the same bytes: no times, no interpreter's
version, no state of widgets; cell ids, counts and outputs stay.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# One thread each, set before any kernel starts: two kernels with two threads each spin on two cores.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbstripout import strip_output

# Progress bars are for readers: a stored one would hold times.
os.environ["TQDM_DISABLE"] = "1"
ROOT = Path(__file__).resolve().parents[1]
# The gan_edu of this folder, whichever else may be installed.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
# The keys that nbstripout drops by default, and three of ours.
KEYS = [
    "metadata.jupytext",  # left by `jupytext --update`
    "metadata.signature",
    "metadata.widgets",
    "metadata.language_info.version",
    "cell.metadata.collapsed",
    "cell.metadata.ExecuteTime",
    "cell.metadata.execution",
    "cell.metadata.heading_collapsed",
    "cell.metadata.hidden",
    "cell.metadata.scrolled",
]


def normalise(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop the metadata that differs between machines and runs, as nbstripout --keep-output --keep-count --keep-id."""
    nb = strip_output(nb, keep_output=True, keep_count=True, keep_id=True, extra_keys=KEYS)
    # The kernel's own name, whatever environment it ran in.
    nb.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell["outputs"] = merge_streams(cell["outputs"])
    return nb


def merge_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join neighbouring pieces of one stream: where the kernel cuts them is a matter of timing."""
    merged: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if output["output_type"] == "stream" and last and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def execute(path: Path, timeout: float = 1200) -> str | None:
    """Execute the notebook at `path` in its own folder and write it back; return what went wrong, if anything did."""
    nb = nbformat.read(path, as_version=4)
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=40"],  # errors only: the kernel warns of its own transport each time
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return str(error)  # nothing is written: the stored outputs stay those of the last good run
    nbformat.write(normalise(nb), path)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="paths, or names such as 01_minimax_game (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--only-normalise", action="store_true", help="leave the outputs as they are")
    arguments = parser.parse_args()
    paths = [p if p.suffix == ".ipynb" else ROOT / "book" / f"{p.name}.ipynb" for p in arguments.notebooks]
    paths = paths or sorted((ROOT / "book").glob("*.ipynb"))
    if missing := [str(p) for p in paths if not p.is_file()]:
        print(f"notebooks: every notebook must exist, and {', '.join(missing)} does not", file=sys.stderr)
        return 2
    if arguments.only_normalise:
        for path in paths:
            nbformat.write(normalise(nbformat.read(path, as_version=4)), path)
        return 0

    def timed(path: Path) -> bool:
        start = time.monotonic()
        trouble = execute(path)
        print(f"{path.name}: {'failed' if trouble else 'executed'} in {time.monotonic() - start:.0f} s", flush=True)
        if trouble:
            print(trouble, file=sys.stderr)
        return trouble is None

    with ThreadPoolExecutor(arguments.jobs) as pool:
        return 0 if all(list(pool.map(timed, paths))) else 1


if __name__ == "__main__":
    sys.exit(main())
