"""Build the whole book into _build/html from the stored outputs: nothing is executed, every warning is an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from retarget import ADDRESS_IF_UNSET, read_address

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"


def build(root: Path = ROOT) -> int:
    """Run Jupyter Book over `root`; the exit status is the one of Jupyter Book."""
    # From nothing each time: Sphinx keeps the pages of chapters that are gone, and it does not notice
    # that our extension has changed. It costs a few seconds.
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    shutil.rmtree(root / "_build" / ".doctrees", ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", ".", "-W", "-n", "--keep-going", "-q"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        print(
            "book: the build failed; each line above that says WARNING or ERROR names a file to mend", file=sys.stderr
        )
    return done.returncode


if __name__ == "__main__":
    start = time.monotonic()
    if status := build():
        sys.exit(status)
    if read_address(ROOT) == ADDRESS_IF_UNSET:
        print("book: no address is set, so no page links to Colab; `make retarget URL=https://github.com/...` sets one")
    print(f"book: built in {time.monotonic() - start:.0f} s; open {HTML / 'index.html'}")
