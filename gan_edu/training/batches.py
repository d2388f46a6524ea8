"""What a training draws: laws and arrays with their labels, batches of them, and a random stream for each member."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from torch import Tensor

from gan_edu.densities import GaussianMixture, Uniform
from gan_edu.reading import numbers
from gan_edu.training.settings import TrainConfig

Array = NDArray[np.float64]
Law = GaussianMixture | Uniform | Array  # a density, or an array of examples (n, d)
CHUNK = 64  # batches drawn at a time: members have streams of their own, and few draws are faster than many


def as_law(name: str, law: Any) -> Law:
    """A density as it is, examples as rows (n, d) of finite numbers."""
    if isinstance(law, (GaussianMixture, Uniform)):
        return law
    if isinstance(law, torch.utils.data.Dataset) and hasattr(law, "__len__"):  # map-style, of examples or pairs
        law = [item[0] if isinstance(item, (tuple, list)) else item for item in map(law.__getitem__, range(len(law)))]
    elif not hasattr(law, "__array__") and not isinstance(law, (list, tuple)):
        raise ValueError(
            f"{name} must be a GaussianMixture, a Uniform or an array of shape (n, d), got a {type(law).__name__}; "
            "collect its examples into an array, one row each"
        )
    return as_rows(name, law)


def as_rows(name: str, law: Any) -> Array:
    """Examples as rows (n, d) of finite numbers."""
    if isinstance(law, (GaussianMixture, Uniform)):
        raise ValueError(f"{name} must be an array of shape (n, d), got a density; sample it")
    rows = numbers(name, law)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(
            f"{name} must be a GaussianMixture or an array of shape (n, d), got shape {rows.shape}; one row per example"
        )
    if not np.isfinite(rows).all():
        raise ValueError(
            f"{name} must be finite, got NaN or infinity in {(~np.isfinite(rows)).any(1).sum()} rows; remove them"
        )
    return rows


def place(law: Law) -> tuple[Array, float]:
    """Mean (d,) of a law and its spread, the root of the mean variance of its coordinates (1 if that is 0)."""
    if isinstance(law, Uniform):
        return np.array([(law.low + law.high) / 2]), float((law.high - law.low) / np.sqrt(12))
    if not isinstance(law, GaussianMixture):
        spread = float(np.sqrt(law.var(0).mean()))
        return law.mean(0), spread or 1.0
    mean = law.weights @ law.means
    return mean, float(np.sqrt(law.weights @ (law.stds**2 + ((law.means - mean) ** 2).mean(1))))


def moved(law: Law, centre: Array, scale: float) -> Law:
    """The law of (x - centre) / scale."""
    if isinstance(law, Uniform):
        return Uniform((law.low - centre[0]) / scale, (law.high - centre[0]) / scale)
    if isinstance(law, GaussianMixture):
        return GaussianMixture((law.means - centre) / scale, law.stds / scale, law.weights)
    return np.asarray((law - centre) / scale)


def with_labels(law: Law, labels: ArrayLike, classes: int) -> Array:
    """Labels of examples, one-hot, (n, C); C is `classes` if that is not 0."""
    y = np.asarray(labels)
    if not isinstance(law, np.ndarray) or y.shape != law.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0:
        raise ValueError(
            f"labels must be whole numbers from 0, one for each row of an array of data, got shape {y.shape} and type "
            f"{y.dtype}; for a mixture, sample it and label the samples"
        )
    y = y.astype(np.int64)
    count = classes or 1 + int(y.max())
    if y.max() >= count or (not classes and len(np.unique(y)) < count):
        raise ValueError(
            f"labels must use every number from 0 to {count - 1}, got {np.unique(y)[:10].tolist()}; number the classes "
            "without gaps: np.unique(labels, return_inverse=True)[1]"
        )
    return np.asarray(np.eye(count)[y])


def beside(x: Tensor, y: Tensor) -> Tensor:
    """Inputs (E, N, d) with labels (E, N, C), if there are any, in one."""
    return torch.cat([x, y], -1) if y.shape[-1] else x


def labelled(x: Tensor, classes: int, label: int | None = None, shares: Array | None = None) -> Tensor:
    """Rows (n, d) with one-hot labels beside them, (n, d + classes): one label, or all in turn, or by their shares."""
    if not classes:
        return x
    turn = torch.arange(len(x)) % classes if label is None else torch.full((len(x),), label)
    if shares is not None:  # multiples of the golden ratio fill [0, 1] evenly
        where = np.arange(len(x)) * 0.6180339887498949 % 1
        turn = torch.from_numpy(np.searchsorted(np.cumsum(shares)[:-1], where, side="right"))
    return torch.cat([x, torch.eye(classes, dtype=x.dtype)[turn]], 1)


def probes(config: TrainConfig) -> Tensor:
    """Evenly spread latent points with the law of z, (n, latent_dim)."""
    n, dim = config.probes, config.latent_dim
    if dim == 1:
        uniform = (np.arange(n)[:, None] + 0.5) / n
    else:
        sobol = scipy.stats.qmc.Sobol(dim, rng=np.random.default_rng(0))
        uniform = sobol.random_base2(math.ceil(math.log2(n)))[:n]  # whole powers of two are balanced
    spread = 2 * uniform - 1 if config.latent == "uniform" else ndtri(np.clip(uniform, 1e-9, 1 - 1e-9))
    return torch.from_numpy(spread)


def grid_over(law: Law) -> Array:
    """Where D is recorded: 241 points on the line, 41 x 41 in the plane, the data's own first rows beyond."""
    if isinstance(law, GaussianMixture):
        low, high = (law.means - 4 * law.stds[:, None]).min(0), (law.means + 4 * law.stds[:, None]).max(0)
    else:
        low, high = law.box(4) if isinstance(law, Uniform) else (law.min(0), law.max(0))
    margin = 0.25 * (high - low) + 1e-6
    count = {1: 241, 2: 41}.get(len(low))
    if count is None:
        return law[:256] if isinstance(law, np.ndarray) else np.asarray(law.sample(256, generator=0))
    axes = [np.linspace(a, b, count) for a, b in zip(low - margin, high + margin, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(low))


def streams(config: TrainConfig, purpose: int, members: range, chunk: int = 0) -> list[torch.Generator]:
    """One generator a member: its numbers depend on (seed, member, purpose, chunk) and on nothing else."""
    seeds = [np.random.SeedSequence([config.seed, e, purpose, chunk]).generate_state(1, np.uint64)[0] for e in members]
    return [torch.Generator().manual_seed(int(s >> np.uint64(1))) for s in seeds]


def normal(dim: int) -> GaussianMixture:
    """N(0, I)."""
    return GaussianMixture(np.zeros((1, dim)), 1.0)


class Batches:
    """Endless batches (E, N, d) of a law; each member reads its own random streams, a chunk of batches at a time.

    The law is a density, or an array of examples. Chunk c has a stream of its own, so that `drawn`, the number of batches
    so far, is all that is needed to go on later.
    """

    def __init__(
        self, law: Law, config: TrainConfig, purpose: int, device: torch.device, members: range | None = None
    ) -> None:
        self.law, self.config, self.purpose, self.device, self.drawn = law, config, purpose, device, 0
        self.members = range(config.members) if members is None else members
        self.dtype: torch.dtype = getattr(torch, config.dtype)
        self.chunk: Tensor | None = None
        if isinstance(law, GaussianMixture):
            self.means, self.stds = (torch.tensor(v, dtype=self.dtype) for v in (law.means, law.stds))
            self.shares = torch.tensor(np.cumsum(law.weights)[:-1], dtype=self.dtype)
        elif not isinstance(law, Uniform):
            self.rows = torch.tensor(law, dtype=self.dtype)

    def _draw(self, stream: torch.Generator) -> Tensor:
        shape, law = (CHUNK, self.config.batch_size), self.law
        if isinstance(law, Uniform):
            return torch.rand(*shape, 1, generator=stream, dtype=self.dtype) * (law.high - law.low) + law.low
        if not isinstance(law, GaussianMixture):
            return self.rows[torch.randint(len(law), shape, generator=stream)]
        noise = torch.randn(*shape, law.dim, generator=stream, dtype=self.dtype)
        if len(law.weights) == 1:
            return noise.mul_(self.stds[0]).add_(self.means[0])
        k = torch.bucketize(torch.rand(shape, generator=stream, dtype=self.dtype), self.shares)
        return noise.mul_(self.stds[k].unsqueeze(-1)).add_(self.means[k])

    def __next__(self) -> Tensor:
        chunk, place = divmod(self.drawn, CHUNK)
        if self.chunk is None or place == 0:
            own = streams(self.config, self.purpose, self.members, chunk)
            self.chunk = torch.stack([self._draw(each) for each in own], 1).to(self.device)
        self.drawn += 1
        return self.chunk[place]


class Latents(Batches):
    """Batches of z."""

    def _draw(self, stream: torch.Generator) -> Tensor:
        shape = (CHUNK, self.config.batch_size, self.config.latent_dim)
        if self.config.latent == "uniform":
            return 2 * torch.rand(shape, generator=stream, dtype=self.dtype) - 1
        return torch.randn(shape, generator=stream, dtype=self.dtype)


class Draws:
    """All that a step draws; `shift` makes it other numbers than those of the training."""

    def __init__(
        self,
        law: Law,
        p_g: Law | None,
        config: TrainConfig,
        dim: int,
        device: torch.device,
        members: range,
        shift: int = 0,
    ) -> None:
        def batches(law: Law, purpose: int, kind: type[Batches] = Batches) -> Batches:
            return kind(law, config, purpose + shift, device, members)

        self.real, self.noise = batches(law, 1), batches(Uniform(), 2, Latents)
        self.fixed = None if p_g is None else batches(p_g, 2)
        self.eps, self.blur = batches(Uniform(), 3), batches(normal(dim), 4)

    @property
    def all(self) -> list[Batches]:
        """All sources, in a fixed order."""
        return [self.real, self.fixed or self.noise, self.eps, self.blur]
