"""What a training draws: laws and arrays with their labels, batches of them, and a random stream for each member."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from torch import Tensor

from gan_edu.densities import GaussianMixture
from gan_edu.training.settings import TrainConfig

Array = NDArray[np.float64]
CHUNK = 64  # batches drawn at a time: members have streams of their own, and few draws are faster than many
PROBES = 4096  # latent points whose images are kept at every snapshot


def as_law(name: str, law: GaussianMixture | ArrayLike) -> GaussianMixture | Array:
    """A density as it is, examples as rows (n, d) of finite numbers."""
    return law if isinstance(law, GaussianMixture) else as_rows(name, law)


def as_rows(name: str, law: ArrayLike) -> Array:
    """Examples as rows (n, d) of finite numbers."""
    rows = np.asarray(law, dtype=np.float64)
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


def with_labels(law: GaussianMixture | Array, labels: ArrayLike, classes: int) -> Array:
    """Examples with one-hot labels beside them, (n, d + C); C is `classes` if that is not 0."""
    y = np.asarray(labels)
    if isinstance(law, GaussianMixture) or y.shape != law.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0:
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
    return np.hstack([law, np.eye(count)[y]])


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


def probes(latent_dim: int) -> Tensor:
    """Evenly spread latent points with law N(0, I), shape (PROBES, latent_dim)."""
    if latent_dim == 1:
        uniform = (np.arange(PROBES)[:, None] + 0.5) / PROBES
    else:
        uniform = scipy.stats.qmc.Sobol(latent_dim, rng=np.random.default_rng(0)).random(PROBES)
    return torch.from_numpy(ndtri(np.clip(uniform, 1e-9, 1 - 1e-9)))


def grid_over(law: GaussianMixture | Array) -> Array:
    """Where D is recorded: 241 points on the line, 41 x 41 in the plane, the data's own first rows beyond."""
    if isinstance(law, GaussianMixture):
        low, high = (law.means - 4 * law.stds[:, None]).min(0), (law.means + 4 * law.stds[:, None]).max(0)
    else:
        low, high = law.min(0), law.max(0)
    margin = 0.25 * (high - low) + 1e-6
    count = {1: 241, 2: 41}.get(len(low))
    if count is None:
        return law[:256] if not isinstance(law, GaussianMixture) else law.sample(256, generator=0)
    axes = [np.linspace(a, b, count) for a, b in zip(low - margin, high + margin, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(low))


def streams(config: TrainConfig, purpose: int, members: range | None = None) -> list[torch.Generator]:
    """One generator a member: its numbers depend on (seed, member, purpose) and on nothing else."""
    members = range(config.members) if members is None else members
    seeds = [np.random.SeedSequence([config.seed, e, purpose]).generate_state(1, np.uint64)[0] for e in members]
    return [torch.Generator().manual_seed(int(s >> np.uint64(1))) for s in seeds]


def normal(dim: int) -> GaussianMixture:
    """N(0, I)."""
    return GaussianMixture(np.zeros((1, dim)), 1.0)


class Batches:
    """Endless batches (E, N, d) of a law; each member reads its own random stream, a chunk of batches at a time.

    The law is a density, an array of examples, or None for U(0, 1).
    """

    def __init__(
        self,
        law: GaussianMixture | Array | None,
        config: TrainConfig,
        purpose: int,
        device: torch.device,
        members: range | None = None,
    ) -> None:
        self.law, self.streams, self.device = law, streams(config, purpose, members), device
        self.size, self.dtype = config.batch_size, getattr(torch, config.dtype)
        self.chunk: Iterable[Tensor] = iter(())
        if isinstance(law, GaussianMixture):
            self.means, self.stds = (torch.tensor(v, dtype=self.dtype) for v in (law.means, law.stds))
            self.shares = torch.tensor(np.cumsum(law.weights)[:-1], dtype=self.dtype)
        elif law is not None:
            self.rows = torch.tensor(law, dtype=self.dtype)

    def _draw(self, stream: torch.Generator) -> Tensor:
        shape, law = (CHUNK, self.size), self.law
        if law is None:
            return torch.rand(*shape, 1, generator=stream, dtype=self.dtype)
        if not isinstance(law, GaussianMixture):
            return self.rows[torch.randint(len(law), shape, generator=stream)]
        noise = torch.randn(*shape, law.dim, generator=stream, dtype=self.dtype)
        if len(law.weights) == 1:
            return noise.mul_(self.stds[0]).add_(self.means[0])
        k = torch.bucketize(torch.rand(shape, generator=stream, dtype=self.dtype), self.shares)
        return noise.mul_(self.stds[k].unsqueeze(-1)).add_(self.means[k])

    def __next__(self) -> Tensor:
        batch = next(self.chunk, None)  # type: ignore[call-overload]
        if batch is None:
            drawn = torch.stack([self._draw(s) for s in self.streams], 1).to(self.device)
            self.chunk = iter(drawn)
            return next(self)
        return torch.as_tensor(batch)


class Draws:
    """All that a step draws; `shift` makes it other numbers than those of the training."""

    def __init__(
        self,
        law: GaussianMixture | Array,
        p_g: GaussianMixture | None,
        config: TrainConfig,
        dim: int,
        device: torch.device,
        members: range,
        shift: int = 0,
    ) -> None:
        def batches(law: GaussianMixture | Array | None, purpose: int) -> Batches:
            return Batches(law, config, purpose + shift, device, members)

        self.real, self.noise = batches(law, 1), batches(normal(config.latent_dim), 2)
        self.fixed = None if p_g is None else batches(p_g, 2)
        self.eps, self.blur = batches(None, 3), batches(normal(dim), 4)
