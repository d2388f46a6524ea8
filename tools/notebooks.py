"""Execute notebooks in place and normalise them: `python tools/notebooks.py [NOTEBOOK ...]`, by default all of book/.

The stored outputs are the book. So the same notebook gives the same bytes: no times, no interpreter's
version, no state of widgets; cell ids, counts and outputs stay.

Each stored figure of gan_edu.explore carries its script and style. After a change of these alone `--renew-scripts`
writes them into the stored figures, and executes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# One thread each, set before any kernel starts: two kernels with two threads each spin on two cores.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbstripout import strip_output
from retarget import dump

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
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return str(error)  # nothing is written: the stored outputs stay those of the last good run
    nbformat.write(normalise(nb), path)
    return None


def renewed(html: str) -> str:
    """Return a stored figure with today's style and script; ValueError if today's package would not store the rest."""
    sys.path.insert(0, str(ROOT))
    from gan_edu import gaussian
    from gan_edu.explore import Figure, Laboratory, Panel
    from gan_edu.explore.page import fragment, laboratory_fragment

    def rest(text: str) -> str:
        return re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL)

    panel = Panel(x=(0, 1), y=(0, 1), marks=[])
    try:
        spec = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])
        if "views" in spec:
            known = {*spec} == {*Laboratory({"any": gaussian()}, alt="any").spec}
            new = laboratory_fragment(spec)
        else:
            known = {*spec} == {*Figure(alt="any", panels=[panel]).spec} and all(
                {*p} == {*vars(panel)} for p in spec["panels"]
            )
            new = fragment(spec)
    except (TypeError, KeyError, AttributeError, json.JSONDecodeError):
        known, new = False, ""
    if not known or rest(new) != rest(html):
        raise ValueError(
            "a stored figure must be one that today's gan_edu.explore describes alike, and this one is not"
        )
    return new


def renew_scripts(path: Path) -> bool:
    """Renew the stored figures of the notebook at `path`, every other byte as it is; say which, and what is refused."""
    text = path.read_text(encoding="utf-8")
    nb = json.loads(text)
    if dump(nb) != text:
        print(
            f"{path.name} must be normalised: run `python tools/notebooks.py --only-normalise {path}`", file=sys.stderr
        )
        return False
    done, refused = [], []
    for cell in nb["cells"]:
        for output in cell.get("outputs", []):
            html = "".join(output.get("data", {}).get("text/html", []))
            if "gan-figure" not in html:
                continue
            try:
                new = renewed(html)
            except ValueError as error:
                refused.append(f"{path.name}, cell {cell['id']!r}: {error}; run `make notebooks NB={path.stem}`")
                continue
            if new != html:
                output["data"]["text/html"] = new.splitlines(keepends=True)
                done.append(cell["id"])
    if done:
        path.write_text(dump(nb), encoding="utf-8", newline="\n")
    print(f"{path.name}: renewed {', '.join(map(repr, done)) or 'nothing'}")
    print(*refused, sep="\n", end="\n" if refused else "", file=sys.stderr)
    return not refused


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="paths, or names such as 01_minimax_game (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--only-normalise", action="store_true", help="leave the outputs as they are")
    parser.add_argument(
        "--renew-scripts", action="store_true", help="write today's script and style into the stored figures, no more"
    )
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
    if arguments.renew_scripts:
        renewed_all = [renew_scripts(path) for path in paths]  # the others too where one is refused
        return 0 if all(renewed_all) else 1

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
