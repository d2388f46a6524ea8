"""What a training leaves behind, and how it is kept in a file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gan_edu.games import find_game
from gan_edu.networks import Ensemble
from gan_edu.reading import numbers
from gan_edu.training.batches import Array, labelled, streams
from gan_edu.training.settings import TrainConfig

__all__ = ["Run"]


@dataclass(frozen=True, eq=False)
class Run:
    """What a training leaves behind: T = snapshots + 1 recorded moments of E members.

    The samples of a snapshot are images of the same n latent points every time (n is the setting `probes`), so that a
    moving point in a figure is one z. They are spread more evenly than random draws: quantiles of the law of z in order
    for `latent_dim=1`, otherwise a scrambled Sobol sequence mapped to it, whose first 256, say, are spread evenly, too,
    while every 16th are not. For independent samples call `generate`.

    With `standardize` the networks work in units of their own: x = centre + scale * G(z), and D is shown
    (x - centre) / scale.
    """

    config: TrainConfig
    """The settings."""
    steps: NDArray[np.int64]
    """(T,) update counts, 0 first."""
    d_loss: Array
    """(T, E) D's loss, mean over the updates since the snapshot before; NaN where there was none. In nats for games of
    classification, in units of D's output for critics and energies."""
    g_loss: Array
    """(T, E) G's loss likewise."""
    samples: NDArray[Any]
    """(T, E, n, d) images of the probe points, in the precision of the training; with C labels, point i is drawn for
    label i % C."""
    points: Array
    """(M, d) where D was evaluated; with C labels, the same points for each label in turn."""
    d_output: Array
    """(T, E, M) D at these points: sigmoid(logit), or the critic's score or energy as it is, by `Game.output`.

    A D that judges packs sees each point m times over; one with kernels compares it to a batch of the data."""
    diverged: NDArray[np.int64]
    """(E,) step at which a member turned non-finite and was frozen; -1 for the healthy."""
    generator: Ensemble
    """G at the end; takes z of shape (E, N, latent_dim)."""
    discriminator: Ensemble
    """D at the end; takes x of shape (E, N, d), and `Game.read` makes one number a sample of what it returns."""
    interrupted: bool = False
    """True if the training was stopped before its last step."""
    records: Mapping[str, Array] = field(default_factory=dict)
    """What `record` asked for, by name, first axes (T, E):

    "w1": W1 of data and generated samples (`sample_w1`); "js": a lower bound of their JS in nats (`sample_js`), both
    with labels as frequent as in the data;
    "g_gradient": norm of the gradient of G's loss, whether G learns or not; "d_gradients": (T, E, L), norm of the
    gradient of D's loss by the weights of each layer, both on a batch of their own; "at_clip": share of D's weights
    and biases at the bounds of clipping."""

    centre: Array = field(default_factory=lambda: np.zeros(1))
    """(d,) mean of the data, with `standardize`; else 0."""
    scale: float = 1.0
    """Spread of the data, with `standardize`; else 1."""
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What `train(init=...)` goes on from: "g" and "d", (E, 2, P), the optimizers' running means of the gradient and of
    its square; "updates", (E, 2), of G and D; "drawn", (E, 8), batches so far."""

    def generate(self, n: int, *, seed: int = 0, label: int | None = None) -> Array:
        """n fresh samples of every member, shape (E, n, d); of one label, or of all in turn.

        Raises:
            ValueError: there is no such label, or n is not a whole number of at least 1.
        """
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"n must be a whole number of at least 1, got {n!r}; ask for more samples")
        if label is not None and (type(label) is not int or not 0 <= label < self.config.classes):
            known = (
                f"one of 0 to {self.config.classes - 1}" if self.config.classes else "left out: the run has no labels"
            )
            raise ValueError(f"label must be {known}, got {label!r}; change it")
        with torch.device("cpu"):  # whatever the caller's default
            stream, shape = torch.Generator().manual_seed(seed), (int(n), self.config.latent_dim)
            if self.config.latent == "uniform":
                z = 2 * torch.rand(shape, generator=stream, dtype=torch.float64) - 1
            else:
                z = torch.randn(shape, generator=stream, dtype=torch.float64)
            made = images(self.generator, labelled(z, self.config.classes, label))
        return np.asarray(self.centre + self.scale * made)

    def density(self, x: ArrayLike, bandwidth: float = 0.1) -> Array:
        """p_g on the line at x (M,), as a kernel estimate from the snapshots' samples, shape (T, E, M).

        It is the density of G(z) + bandwidth * noise; the bandwidth should be well below the width of a mode.

        Raises:
            ValueError: the data are not on the line, or the bandwidth is not positive.
        """
        if self.samples.shape[-1] != 1 or bandwidth <= 0:
            given = self.samples.shape[-1], bandwidth
            raise ValueError(
                f"density needs data on the line and a positive bandwidth, got dimension and bandwidth {given}; change them"
            )
        at = numbers("x", x)
        # Samples are counted on a grid much finer than the kernel, which is then one matrix product.
        centres = np.linspace(
            at.min() - 6 * bandwidth, at.max() + 6 * bandwidth, 1 + int(np.ceil(8 * np.ptp(at) / bandwidth + 96))
        )
        half = (centres[1] - centres[0]) / 2
        cells = np.append(centres - half, centres[-1] + half)
        counts = np.stack([np.histogram(s, cells)[0] for s in self.samples.reshape(-1, self.samples.shape[2])])
        kernel = np.exp(-0.5 * ((centres[:, None] - at) / bandwidth) ** 2) / (bandwidth * np.sqrt(2 * np.pi))
        result: Array = (counts / self.samples.shape[2]) @ kernel
        return result.reshape(*self.samples.shape[:2], -1)

    def save(self, path: str | Path | IO[bytes]) -> None:
        """Write the run to one .npz file, without pickle; `path` may also be an open file.

        A file of that name is replaced once the new one is whole: a full disk, or Ctrl-C, leaves the old one.
        """
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for name in ("generator", "discriminator"):
            net: Ensemble = getattr(self, name)
            arrays |= {f"{name}.{key}": tensor.detach().cpu().numpy() for key, tensor in net.state_dict().items()}
        for name in ("records", "state"):
            arrays |= {f"{name}.{key}": values for key, values in getattr(self, name).items()}
        meta = dict(config=asdict(self.config), interrupted=self.interrupted, scale=self.scale, format=FORMAT)
        arrays["meta"] = np.array(json.dumps(meta))
        if not isinstance(path, (str, Path)):
            np.savez_compressed(path, **arrays)
            return
        beside = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
        try:
            with open(beside, "wb") as file:
                np.savez_compressed(file, **arrays)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    @staticmethod
    def load(path: str | Path | IO[bytes]) -> Run:
        """Read a run that `save` wrote.

        Raises:
            ValueError: the file is damaged or not a run, of another version of gan_edu, or its game is not registered.
        """
        try:
            source = io.BytesIO(Path(path).read_bytes()) if isinstance(path, (str, Path)) else path
            with np.load(source, allow_pickle=False) as file:
                data = {key: file[key] for key in file.files}
            meta = json.loads(str(data["meta"]))
            known = meta["format"] == FORMAT and set(meta["config"]) == {f.name for f in fields(TrainConfig)}
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path} must be a file written by Run.save, but could not be read ({error}); train again and save the run"
            ) from error
        if not known:
            raise ValueError(
                f"{path} must be a run of this version of gan_edu, got format {meta['format']} with other settings; load "
                "it with the version that saved it, or train again"
            )
        # A game of the reader's own must be in GAMES before: what find_game says then is what there is to say.
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["config"].items()}
        config = TrainConfig(**given)
        try:
            return _assembled(config, data, meta)
        except Exception as error:
            raise ValueError(
                f"{path} must hold all of a run, but something is missing or of another shape ({error}); train again and "
                "save the run"
            ) from error


FORMAT = 2  # of the file
_ARRAYS = tuple(f.name for f in fields(Run) if f.type.startswith(("Array", "NDArray")))


def _assembled(config: TrainConfig, data: Mapping[str, Any], meta: Mapping[str, Any]) -> Run:
    """The run whose arrays are in `data`."""

    def part(name: str) -> dict[str, Any]:
        return {k.removeprefix(name + "."): v for k, v in data.items() if k.startswith(name + ".")}

    nets = networks(config, int(data["points"].shape[1]))
    for name, net in zip(("generator", "discriminator"), nets, strict=True):
        net.load_state_dict({key: torch.from_numpy(v) for key, v in part(name).items()})
    return Run(
        config=config,
        generator=nets[0],
        discriminator=nets[1],
        interrupted=bool(meta["interrupted"]),
        scale=float(meta["scale"]),
        records={name: data[f"records.{name}"] for name in config.record},
        state=part("state"),
        **{name: data[name] for name in _ARRAYS},
    )


def networks(config: TrainConfig, dim: int) -> tuple[Ensemble, Ensemble]:
    start, dtype = streams(config, 0, range(config.members)), getattr(torch, config.dtype)
    generator = Ensemble([config.latent_dim + config.classes, *config.hidden, dim], start, config.activation, dtype)
    seen = (dim + config.classes) * config.pack
    out = seen if find_game(config.game).output == "energy" else 1  # an autoencoder, or one number
    discriminator = Ensemble([seen, *config.hidden, out], start, config.activation, dtype, config.kernels)
    return generator, discriminator


@torch.no_grad()
def images(net: Ensemble, x: Tensor, among: Tensor | None = None) -> NDArray[Any]:
    """Every member's output for the same inputs x, shape (E, N, out), in the precision of the net."""
    weight = net.weights[0]
    size = 256 if among is None else 128  # what a piece needs fits the cache; all pairs with `among` take room
    pieces = [x[i : i + size].to(weight.device, weight.dtype) for i in range(0, len(x), size)]
    result = torch.cat([net(piece.expand(net.members, *piece.shape), among) for piece in pieces], 1)
    return np.asarray(result.cpu().numpy())
