"""Write the book's address wherever it occurs: `make retarget URL=https://github.com/OWNER/REPOSITORY`.

The one address is `repository.url` in _config.yml. It also stands in README.md, in CITATION.cff and in the
setup cell and title cell of each notebook. Going back to the placeholder restores every byte.
Only the standard library: the publishing workflow runs `retarget.py --published-from ADDRESS` before anything is
installed. That changes nothing: Colab opens the notebooks as they are committed, so a site may link there only with the
address that they hold.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Nobody can have an account of this name, so nobody can put code where readers would install it from.
ADDRESS_IF_UNSET = "https://github.com/--your-account--/gans-you-can-run"
COLAB = "https://colab.research.google.com"

SETUP_HEAD = """\
# @title Setup: find gan_edu, or install it
import importlib.util
import subprocess
import sys

ADDRESS = "{address}"
if importlib.util.find_spec("gan_edu") is None:
    if "--your-account--" in ADDRESS:
        raise ModuleNotFoundError(
            "gan_edu is missing: clone or download the book, "
            "then run `pip install .` in its folder and restart this notebook."
        )
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", f"git+{{ADDRESS}}"])
import gan_edu
needs, has = "{needs}", gan_edu.__version__
if [int(n) for n in has.split(".")] < [int(n) for n in needs.split(".")]:
    raise ImportError(
        f"this notebook needs gan_edu {{needs}} or newer, and {{has}} is here: "
        "run `pip install .` in the folder of the book and restart this notebook."
    )
"""
NEEDS = "0.2.0"  # the version that has all names of the notebooks; raise both where a notebook uses a new one
# From the title of the setup cell to the line that installs, or to the version: the part that belongs to this tool.
SETUP_PATTERN = re.compile(
    r"\A# @title Setup\b.*?git\+\{ADDRESS\}\"\]\)(?:\n|\Z)(?:import gan_edu\nneeds, has = .*?\n    \)\n)?", re.DOTALL
)


def setup_head(address: str) -> str:
    """Return the lines with which the first code cell of each notebook begins."""
    return SETUP_HEAD.format(address=address, needs=NEEDS)


def colab_link(address: str, name: str) -> str:
    """Return the line under a notebook's title; empty while no address is set (no link is better than a dead one)."""
    if address == ADDRESS_IF_UNSET:
        return ""
    return f"[Open this chapter in Colab]({COLAB}/github/{address.removeprefix('https://github.com/')}/blob/main/book/{name})"


def check_address(address: str) -> str:
    """Return `address` without a closing slash or .git; raise ValueError unless it is a repository on GitHub.

    >>> check_address("https://github.com/me/gans-you-can-run.git/")
    'https://github.com/me/gans-you-can-run'
    """
    plain = address.strip().rstrip("/").removesuffix(".git")
    if plain != ADDRESS_IF_UNSET and not re.fullmatch(
        r"https://github\.com/[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", plain
    ):
        raise ValueError(
            f"the address must look like https://github.com/OWNER/REPOSITORY (Colab opens notebooks from GitHub), "
            f"and {address!r} does not: run `make retarget URL=https://github.com/OWNER/REPOSITORY`"
        )
    return plain


def read_address(root: Path = ROOT) -> str:
    """Return the address that _config.yml of `root` holds."""
    found = re.search(
        r"^repository:\n(?:[ #].*\n)*?  url: (\S+)", (root / "_config.yml").read_text(encoding="utf-8"), re.M
    )
    if not found:
        raise ValueError("_config.yml must hold the line `  url: ...` under `repository:` and does not: restore it")
    return found[1]


def retarget_config(text: str, address: str) -> str:
    """Write the address into the text of _config.yml and turn its two buttons on, or off for the placeholder."""
    published = address != ADDRESS_IF_UNSET
    for pattern, value in (
        (r"(^repository:\n(?:[ #].*\n)*?  url: )\S+", address),
        (r"(^  colab_url: )\S+", f'"{COLAB if published else ""}"'),
        (r"(^  use_repository_button: )\S+", str(published).lower()),
    ):
        text, count = re.subn(pattern, lambda match, value=value: match[1] + value, text, flags=re.M)
        if count != 1:
            raise ValueError(f"_config.yml must hold one line like {pattern!r} and holds {count}: restore it")
    return text


def retarget_prose(text: str, old: str, address: str) -> str:
    """Write the address into README.md or CITATION.cff; between the colab marks stands a link only once published."""
    text = text.replace(old, address)
    first = colab_link(address, "01_minimax_game.ipynb").replace(
        "Open this chapter in Colab", "Open the first chapter in Colab"
    )
    line = (
        f"{first}; each chapter has such a link under its title."
        if first
        else "Once you have published a copy, each chapter has a Colab link."
    )
    return re.sub(r"(<!-- colab -->).*(?=<!-- /colab -->)", lambda match: match[1] + line, text)


def retarget_notebook(nb: dict[str, Any], name: str, address: str) -> None:
    """Write the address into the setup cell and the title cell of `nb`, in place."""
    for cell in nb["cells"]:
        source = "".join(cell["source"])
        if cell.get("id") == "setup":
            source = SETUP_PATTERN.sub(lambda _: setup_head(address), source, count=1)
        elif cell.get("id") == "title":
            lines = [line for line in source.split("\n\n") if not line.startswith("[Open this chapter in Colab](")]
            if link := colab_link(address, name):
                lines.insert(1, link)
            source = "\n\n".join(lines)
        elif "<!-- colab -->" in source:
            words = colab_link(address, name).replace("[Open", "[open") or "open this chapter in Jupyter"
            source = re.sub(
                r"(<!-- colab -->).*(?=<!-- /colab -->)", lambda match, words=words: match[1] + words, source
            )
        else:
            continue
        cell["source"] = source.splitlines(keepends=True)


def dump(nb: dict[str, Any]) -> str:
    """Return the notebook as nbformat writes it, byte for byte."""
    return json.dumps(nb, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def retarget(root: Path, address: str) -> list[Path]:
    """Write `address` into all files of `root` that hold one; return those that have changed."""
    old, new = read_address(root), {}
    config = root / "_config.yml"
    new[config] = retarget_config(config.read_text(encoding="utf-8"), address)
    for path in (root / "README.md", root / "CITATION.cff"):
        if path.exists():
            new[path] = retarget_prose(path.read_text(encoding="utf-8"), old, address)
    for path in sorted((root / "book").glob("*.ipynb")):
        nb = json.loads(path.read_text(encoding="utf-8"))
        retarget_notebook(nb, path.name, address)
        new[path] = dump(nb)
    # Written only when all of it has worked: half a change is worse than none.
    changed = [path for path, text in new.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(new[path], encoding="utf-8", newline="\n")
    return changed


def published_from(address: str, committed: str) -> str:
    """Return a line on where the links to Colab of a site lead that is published from `address`, as GitHub shows it."""
    remedy = f"run `make retarget URL={address}`, commit and push"
    if committed == ADDRESS_IF_UNSET:
        return f"::warning::no address is committed, so the site is built without links to Colab: {remedy}"
    if committed.lower() != address.lower():
        return f"::warning::the committed address is {committed}, so links to Colab lead there and not to {address}: {remedy}"
    return f"links to Colab open the notebooks of {address}"


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    try:
        if arguments[:1] == ["--published-from"]:
            print(published_from(check_address("".join(arguments[1:])), read_address(ROOT)))
            return 0
        address = check_address(arguments[0] if arguments else "")
        changed = retarget(ROOT, address)
    except (ValueError, OSError) as error:
        print(f"retarget: {error}", file=sys.stderr)
        return 2
    print(f"retarget: {address} is now the address ({len(changed)} files changed)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
