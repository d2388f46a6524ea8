"""Tests of tools/setup.py: which torch it asks for, and that it waits for nobody."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import inspect
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def setup() -> Any:
    """The tool, loaded anew, as it is on a Linux without NVIDIA driver whose user has set nothing."""
    spec = importlib.util.spec_from_file_location("gan_setup", ROOT / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(setup: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Linux without NVIDIA driver; the folder stands for its /proc and its PATH."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(setup, "NVIDIA_DRIVER", str(tmp_path / "version"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of an index that has torch 1.0+cpu."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    folder = tmp_path / "index"
    (folder / "torch").mkdir(parents=True)
    wheel(folder / "torch", "1.0+cpu")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of one who takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def wheel(folder: Path, version: str) -> None:
    """The smallest wheel of that version of torch."""
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_an_index_answers_or_not(setup: Any, index: str, deaf: str) -> None:
    assert setup.answers(f"{index}/torch/")
    assert not setup.answers(f"{index}/none/")
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert not setup.answers(f"http://127.0.0.1:{closed}")
    start = time.monotonic()
    assert not setup.answers(deaf, seconds=0.3)
    assert time.monotonic() - start < 10


def test_nobody_waits_for_a_name_that_is_never_found(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: waited.wait(30))
    start = time.monotonic()
    assert not setup.answers("http://nowhere.invalid", seconds=0.3)
    assert time.monotonic() - start < 15
    waited.set()


def test_linux_without_a_driver_takes_the_small_wheel(
    setup: Any, machine: Path, index: str, deaf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "TORCH_INDEX", index)
    assert setup.torch_index() == ["--extra-index-url", index]
    monkeypatch.setattr(setup, "TORCH_INDEX", deaf)
    monkeypatch.setattr(setup, "answers", functools.partial(setup.answers, seconds=0.3))
    assert setup.torch_index() == []


def test_it_asks_for_torch_at_the_index_that_the_readme_names(
    setup: Any, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(setup, "answers", lambda url: asked.append(url))
    assert setup.torch_index() == []
    assert asked == ["https://download.pytorch.org/whl/cpu/torch/"]
    assert f"`--extra-index-url {asked[0].removesuffix('/torch/')}`" in (ROOT / "README.md").read_text("utf-8")
    monkeypatch.setattr(setup, "answers", lambda url: True)
    assert setup.torch_index() == ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]


def test_a_driver_is_looked_for_where_linux_has_it_and_nobody_waits_long(setup: Any) -> None:
    assert setup.NVIDIA_DRIVER == "/proc/driver/nvidia/version"
    assert 2 <= inspect.signature(setup.answers).parameters["seconds"].default <= 10


@pytest.mark.parametrize("has", ["a driver", "nvidia-smi", "darwin", "win32"])
def test_others_take_what_there_is(setup: Any, machine: Path, has: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "answers", lambda url: pytest.fail("nothing may be asked"))
    if has == "a driver":
        (machine / "version").write_text("NVRM version: NVIDIA UNIX\n")
    elif has == "nvidia-smi":
        (machine / "nvidia-smi").write_text("#!/bin/sh\n")
        (machine / "nvidia-smi").chmod(0o755)
    else:
        monkeypatch.setattr(sys, "platform", has)
    assert setup.torch_index() == []


@pytest.mark.parametrize(
    ("setting", "theirs", "taken"),
    [
        ("PIP_FIND_LINKS", "1.0+rocm6.4", "1.0+rocm6.4"),
        ("PIP_FIND_LINKS", "1.0", "1.0+cpu"),
        ("PIP_INDEX_URL", "1.0+cu126", "1.0+cu126"),
        ("PIP_EXTRA_INDEX_URL", "1.0+xpu", "1.0+xpu"),
    ],
)
def test_what_the_user_has_set_still_counts(
    setup: Any, index: str, tmp_path: Path, setting: str, theirs: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "theirs"
    (folder / "torch").mkdir(parents=True)
    wheel(folder / "torch", theirs)
    (folder / "torch" / "index.html").write_text(f'<a href="torch-{theirs}-py3-none-any.whl">it</a>')
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    monkeypatch.setenv(setting, str(folder / "torch") if setting == "PIP_FIND_LINKS" else folder.as_uri())
    monkeypatch.setattr(setup, "PYTHON", sys.executable)
    monkeypatch.setattr(setup, "LOG", str(tmp_path / "log"))
    options = ["--extra-index-url", index]
    setup.pip("test", "download", "--no-deps", "--no-cache-dir", "-d", str(tmp_path / "got"), *options, "torch==1.0")
    assert [path.name for path in (tmp_path / "got").iterdir()] == [f"torch-{taken}-py3-none-any.whl"]


@pytest.mark.parametrize("kind", ["book", "test"])
def test_only_torch_comes_from_its_index(
    setup: Any, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(setup, "pip", lambda kind, *arguments: called.append(list(arguments)))
    monkeypatch.setattr(setup, "torch_index", lambda: ["--extra-index-url", "an index"])
    for name, value in {"VENV": tmp_path, "PYTHON": sys.executable, "LOG": tmp_path / "log"}.items():
        monkeypatch.setattr(setup, name, str(value))
    (tmp_path / "made-for").write_text("{}\n{}.{}".format(setup.ROOT, *sys.version_info[:2]))
    setup.create(kind)
    from_index = [arguments for arguments in called if "an index" in arguments]
    torch = next(line.split()[0] for line in setup.read("requirements.txt").decode().splitlines() if "torch==" in line)
    expected = [["install", "--no-deps", "--extra-index-url", "an index", torch]]
    assert from_index == (expected if kind == "test" else [])
    said = capfd.readouterr().out
    assert (f"setup: torch {torch.partition('==')[2]}" in said) == (kind == "test")
    listed = (tmp_path / "requirements.txt").read_text()
    assert (torch in listed) == (kind == "test")


def test_a_python_that_is_too_old_is_told_so(
    setup: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    with pytest.raises(SystemExit):
        setup.check_python()
    assert "Python 3.11 or newer is needed and this is Python 3.8: install a newer one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "Temporary failure in name resolution", "[Errno -2] Name or service not known", "nodename nor servname provided",
        "getaddrinfo failed", "Network is unreachable", "Failed to establish a new connection", "Connection refused",
        "Connection reset by peer", "Max retries exceeded with url", "Read timed out.", "ReadTimeoutError",
        "ConnectTimeoutError", "ConnectTimeout", "Cannot connect to proxy.",
    ],
)  # fmt: skip
def test_pips_words_for_a_missing_network_are_known(
    setup: Any, tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setattr(setup, "LOG", str(log))
    log.write_text(f"WARNING: retrying: {words}\nERROR: No matching distribution found for numpy==2.0\n")
    assert setup.why_it_failed("book").startswith("the package index cannot be reached: connect to the network")
    log.write_text("ERROR: No matching distribution found for numpy==2.0\n")
    assert setup.why_it_failed("book").startswith("numpy==2.0 does not exist for this Python")


@pytest.mark.parametrize(("kind", "room"), [("book", 1.2), ("test", 2.5)])
def test_a_full_disk_is_told_before_anything_is_done(
    setup: Any, tmp_path: Path, kind: str, room: float, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """An environment that is there takes no more room."""
    free = types.SimpleNamespace(free=room * 1e9 - 1)
    called: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        called.append(command)
        return types.SimpleNamespace(returncode=1, stdout=b"stopped here")

    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(setup, "VENV", str(tmp_path))
    monkeypatch.setattr(setup, "PYTHON", str(tmp_path / "python"))
    with pytest.raises(SystemExit):
        setup.create(kind)
    assert f"setup: the disk is full: the environment takes {room} GB, free some room" in capsys.readouterr().err
    assert called == []
    free.free += 1
    with pytest.raises(SystemExit):
        setup.create(kind)
    assert called == [[sys.executable, "-m", "venv", "--clear", str(tmp_path)]]
    assert "creating .venv failed (stopped here)" in capsys.readouterr().err
    free.free = 0
    (tmp_path / "python").touch()
    with pytest.raises(SystemExit):
        setup.create(kind)
    assert len(called) == 2
