"""Prepare .venv once: `python tools/setup.py book` (no torch) or `python tools/setup.py test` (everything).

Only the standard library, and only syntax that an old Python can parse: a Python that is too old
must get as far as being told so. Each failure is one sentence; pip's own words are in the log.
"""

from __future__ import print_function

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
LOG = os.path.join(VENV, "install.log")
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"  # torch without CUDA, which is gigabytes smaller
NVIDIA_DRIVER = "/proc/driver/nvidia/version"
ROOM = {"book": 1.2e9, "test": 2.5e9}  # bytes taken by the environment, with some to spare

# What pip says -> what it means. The first words found in the log decide.
CAUSES = [
    (
        ("No space left on device", "Errno 28", "Disk quota exceeded"),
        "the disk is full: free {room:.1f} GB and run this again",
    ),
    (
        (
            "Temporary failure in name resolution",
            "Name or service not known",
            "nodename nor servname",
            "getaddrinfo failed",
            "Network is unreachable",
            "Failed to establish a new connection",
            "Connection refused",
            "Connection reset",
            "Max retries exceeded",
            "Read timed out",
            "ReadTimeoutError",
            "ConnectTimeout",
            "Cannot connect to proxy",
        ),
        "the package index cannot be reached: connect to the network (or set PIP_INDEX_URL to a mirror) and run this again",
    ),
    (
        ("No matching distribution found", "Could not find a version"),
        "{package} does not exist for this Python ({version}): use Python 3.11, 3.12 or 3.13, for example `make book PYTHON=python3.11`",
    ),
]


def stop(sentence):
    print("setup: " + sentence, file=sys.stderr)
    sys.exit(1)


def check_python():
    if sys.version_info < (3, 11):
        stop(
            "Python 3.11 or newer is needed and this is Python {}.{}: install a newer one and name it, "
            "for example `make book PYTHON=python3.11`".format(*sys.version_info[:2])
        )
    try:
        import ensurepip  # noqa: F401  (Debian ships Python without it)
        import venv  # noqa: F401
    except ImportError:
        stop(
            "Python's venv module is missing: install it (on Debian and Ubuntu: `apt install python3-venv`) "
            "or name another Python, for example `make book PYTHON=python3.11`"
        )


def read(name):
    with open(os.path.join(ROOT, name), "rb") as stream:
        return stream.read()


def text_of(path):
    with open(path, errors="replace") as stream:
        return stream.read()


def stamp_text(kind):
    # The folder is part of it: an environment does not survive being moved.
    key = b"\0".join([read("requirements.txt"), read("pyproject.toml"), ROOT.encode()])
    return kind + " " + hashlib.sha256(key).hexdigest()


def starts():
    """Whether the environment's Python does: an upgrade of the system's can leave a link to nothing."""
    return os.path.exists(PYTHON) and subprocess.call([PYTHON, "-c", ""], stderr=subprocess.DEVNULL) == 0


def is_ready(kind):
    for have in {"book": ("book", "test"), "test": ("test",)}[kind]:
        path = os.path.join(VENV, "ready-" + have)
        if os.path.exists(path) and text_of(path) == stamp_text(have):
            return starts()
    return False


def why_it_failed(kind):
    text = text_of(LOG)
    for words, meaning in CAUSES:
        if any(word in text for word in words):
            package = re.search(r"No matching distribution found for (\S+)", text)
            return meaning.format(
                room=ROOM[kind] / 1e9,
                version="{}.{}.{}".format(*sys.version_info[:3]),
                package=package.group(1) if package else "a pinned package",
            )
    last = [line.strip() for line in text.splitlines() if line.strip()][-1:]
    return "installing failed ({}): read {}".format(last[0] if last else "no output", os.path.relpath(LOG))


def pip(kind, *arguments):
    # Settings that would put packages elsewhere, or hide that they are missing, do not apply here.
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET")
    }
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    with open(LOG, "a") as log:
        command = [PYTHON, "-m", "pip"] + list(arguments)
        if subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment):
            stop(why_it_failed(kind))


def answers(url, seconds=4):
    """Whether something can be had from `url`, told within `seconds`."""
    import urllib.request  # not at the top: Python 2 has none

    found = []

    def ask():
        try:
            urllib.request.urlopen(url, timeout=seconds).close()
            found.append(True)
        except Exception:  # whatever it is, pip goes on without
            pass

    # A thread, since looking a name up heeds no timeout.
    thread = threading.Thread(target=ask)
    thread.daemon = True
    thread.start()
    thread.join(seconds)
    return bool(found)


def torch_index():
    """pip's options for torch: the index of the CPU wheels on a Linux without NVIDIA driver, if it can be reached.

    It is one more place to look in: what PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS or a pip.conf name stays,
    and of one version pip prefers +cu126 or +rocm6.4 to +cpu.
    """
    if not sys.platform.startswith("linux") or os.path.exists(NVIDIA_DRIVER) or shutil.which("nvidia-smi"):
        return []
    return ["--extra-index-url", TORCH_INDEX] if answers(TORCH_INDEX + "/torch/") else []


def create(kind):
    print("setup: preparing .venv for `make {}`; this happens once and takes a few minutes".format(kind), flush=True)
    if shutil.disk_usage(ROOT).free < ROOM[kind] and not os.path.exists(PYTHON):
        stop(
            "the disk is full: the environment takes {:.1f} GB, free some room and run this again".format(
                ROOM[kind] / 1e9
            )
        )
    for name in ("ready-book", "ready-test"):
        if os.path.exists(os.path.join(VENV, name)):
            os.remove(os.path.join(VENV, name))
    # --clear where the environment is of another folder or another Python: half an old one is worse than none.
    made_for = os.path.join(VENV, "made-for")
    maker = ROOT + "\n{}.{}".format(*sys.version_info[:2])
    if not os.path.exists(made_for) or text_of(made_for) != maker or not starts():
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if made.returncode:
            words = made.stdout.decode(errors="replace")
            if "No space left" in words:
                stop("the disk is full: free {:.1f} GB and run this again".format(ROOM[kind] / 1e9))
            if "ensurepip" in words:
                stop(
                    "Python's venv module is incomplete: install it (on Debian and Ubuntu: `apt install python3-venv`) "
                    "or name another Python, for example `make book PYTHON=python3.11`"
                )
            stop("creating .venv failed ({})".format((words.strip().splitlines() or ["no output"])[-1]))
        with open(made_for, "w") as stream:
            stream.write(maker)

    requirements = read("requirements.txt").decode()
    if kind == "book":
        requirements = "".join(line for line in requirements.splitlines(True) if not line.startswith("torch=="))
    listed = os.path.join(VENV, "requirements.txt")
    with open(listed, "w") as stream:
        stream.write(requirements)
    open(LOG, "w").close()
    if kind == "test":
        # By itself, so that nothing else comes from its index.
        torch = re.search(r"^torch==[^\s#]+", requirements, re.M).group()
        pip(kind, "install", "--no-deps", *(torch_index() + [torch]))
    pip(kind, "install", "-r", listed)
    # No dependencies and no build isolation: everything that is needed is pinned above, and nothing else may come in.
    pip(kind, "install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    if kind == "test":
        version = "import importlib.metadata as m; print('setup: torch ' + m.version('torch'))"
        subprocess.call([PYTHON, "-c", version])
    with open(os.path.join(VENV, "ready-" + kind), "w") as stream:
        stream.write(stamp_text(kind))


if __name__ == "__main__":
    kind = sys.argv[1] if len(sys.argv) > 1 else "test"
    if kind not in ROOM:
        stop("what to prepare must be 'book' or 'test', not {!r}".format(kind))
    check_python()
    try:
        if not is_ready(kind):
            create(kind)
    except KeyboardInterrupt:
        stop("interrupted: run the same command again to finish")
    except OSError as error:
        if error.errno == 28:
            stop("the disk is full: free {:.1f} GB and run this again".format(ROOM[kind] / 1e9))
        stop("{}: {}".format(error.strerror, error.filename))
