"""Rehearse Colab: its versions, gan_edu installed by the setup cell itself, every notebook run from an empty folder.

`python tools/colab.py [NOTEBOOK ...]`. A copy of the working tree becomes a repository in a temporary
folder and its address is written into the copied notebooks; what then happens is what happens in Colab,
but for Python (the one at hand), torch (the build at hand) and the frames in which Colab shows outputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from retarget import retarget_notebook
from setup import torch_index

ROOT = Path(__file__).resolve().parents[1]
# What Colab has, as of August 2026; IPython 7.34 and ipywidgets 7.7.1 are what most often surprises.
PINS = [
    "numpy==2.1.3",
    "scipy==1.16.3",
    "matplotlib==3.10.*",
    "ipywidgets==7.7.1",
    "ipython==7.34.0",
    "ipykernel==6.17.1",
    "tqdm==4.67.*",
    "scikit-learn==1.6.1",
    "torch==2.13.0",
    "nbclient",  # runs the notebooks
    "setuptools",
]

# Runs inside the rehearsal's environment, in the empty folder.
RUN = """
import sys, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
path = sys.argv[1]
nb = nbformat.read(path, as_version=4)
client = NotebookClient(nb, timeout=1200, kernel_name="python3", resources={"metadata": {"path": "."}})
try:
    client.execute()
except CellExecutionError as error:
    sys.exit(str(error))
said = [c["id"] for c in nb.cells if c.get("id") == "setup" and c["outputs"]]
sys.exit("the setup cell must print nothing, and it printed something" if said else 0)
"""


def run(*command: str | Path, **settings: object) -> None:
    """Run a command; stop with its last words where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        sys.exit(f"colab: `{' '.join(str(part) for part in command[:4])} ...` failed: " + " / ".join(last))


def prepare() -> Path:
    """Create the environment once for these pins and return its python."""
    key = hashlib.sha256(" ".join([*PINS, sys.version]).encode()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"colab-{key}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(
            "colab: preparing an environment with Colab's versions; this happens once and takes a few minutes",
            flush=True,
        )
        run(sys.executable, "-m", "venv", "--clear", folder)
        run(python, "-m", "pip", "install", "-q", *torch_index(), *PINS)
        ready.touch()
    return python


def snapshot(folder: Path) -> str:
    """Make a repository of the working tree (what git tracks or would track) in `folder`; return its address."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost", "-c", "commit.gpgsign=false"]
    run("git", "init", "-q", folder)
    run("git", "-C", folder, "add", "-A")
    run("git", "-C", folder, *identity, "commit", "-q", "-m", "as it is now")
    return folder.as_uri()


def main(names: list[str]) -> int:
    """Run the named notebooks, or all; return 1 if any fails."""
    wanted = {Path(name).stem for name in names}
    notebooks = [p for p in sorted((ROOT / "book").glob("*.ipynb")) if not wanted or p.stem in wanted]
    if not notebooks:
        sys.exit(
            f"colab: book/ must hold the notebook to run, and holds none named {' or '.join(sorted(wanted)) or '*'}"
        )
    python = prepare()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"OMP_NUM_THREADS": "1", "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        repository = Path(temporary) / "repository"
        repository.mkdir()
        address = snapshot(repository)
        for notebook in notebooks:
            # Each runtime of Colab starts without gan_edu.
            run(python, "-m", "pip", "uninstall", "-q", "-y", "gan_edu")
            empty = Path(temporary) / notebook.stem
            empty.mkdir()
            nb = json.loads(notebook.read_text(encoding="utf-8"))
            retarget_notebook(nb, notebook.name, address)
            (empty / notebook.name).write_text(json.dumps(nb), encoding="utf-8")
            start = time.monotonic()
            done = subprocess.run(
                [python, "-c", RUN, notebook.name], cwd=empty, env=environment, stderr=subprocess.PIPE, text=True
            )
            failed += done.returncode != 0
            print(
                f"colab: {notebook.name} {'failed' if done.returncode else 'ran'} in {time.monotonic() - start:.0f} s",
                flush=True,
            )
            if done.returncode:
                print(done.stderr, file=sys.stderr)
    print(f"colab: {len(notebooks) - failed} of {len(notebooks)} notebooks ran")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
