"""Train a GAN, or rather `members` of them at once, and keep what figures and statistics need.

Chapter: 01 (algorithm 1, line by line), 02 (a discriminator alone).
"""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from threading import Event, Lock
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import qmc
from torch import Tensor
from tqdm.auto import tqdm

from gan_edu.densities import GaussianMixture
from gan_edu.evaluation import sample_js, sample_w1
from gan_edu.games import PENALTIES, feature_matching, find_game
from gan_edu.lipschitz import gradient_norms
from gan_edu.networks import Ensemble

__all__ = ["PRESETS", "Run", "TrainConfig", "sweep", "train"]

Array = NDArray[np.float64]
OPTIMIZERS = ("adam", "rmsprop")
CHUNK = 64  # batches drawn at a time: members have streams of their own, and few draws are faster than many
PROBES = 4096  # latent points whose images are kept at every snapshot
BLOCK = 8  # members trained together at most: their activations fit the cache, and each thread has blocks of its own
ROUND = 20  # steps that a block goes before the progress bar, and Ctrl-C, hear of it
RECORDS = ("w1", "js", "g_gradient", "d_gradients", "at_clip")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training; every field is a keyword of `train`.

    Source: Radford et al. (2016), section 4, for Adam with beta1 = 0.5; the other defaults suit small mixtures.
    """

    game: str = "non-saturating"
    """Key of `GAMES`."""
    members: int = 16
    """E, independent runs trained side by side."""
    steps: int = 2000
    """Generator updates; with `generator_steps=0`, discriminator rounds."""
    batch_size: int = 256
    """N, samples of each kind per update."""
    critic_steps: int = 1
    """k, updates of D before each update of G; 0 freezes D."""
    generator_steps: int = 1
    """Updates of G per round, 1 or 0; 0 freezes G."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of both networks."""
    activation: str = "relu"
    """Key of `ACTIVATIONS`."""
    latent_dim: int = 2
    """Dimension of z ~ N(0, I)."""
    lr_g: float = 1e-3
    """Adam's step size for G."""
    lr_d: float = 1e-3
    """Adam's step size for D."""
    optimizer: str = "adam"
    """"adam" or "rmsprop"."""
    betas: tuple[float, float] = (0.5, 0.9)
    """Adam's decay rates."""
    penalty_weight: float | None = None
    """lambda of the game's gradient penalty; the game's own if None."""
    clip: float | None = None
    """Bound of D's weights and biases after each update; the game's own if None."""
    r1: float = 0.0
    """gamma of R1, which adds (gamma / 2) E|grad D(real)|^2 to D's loss."""
    instance_noise: float = 0.0
    """Standard deviation of the noise added to all that D is shown."""
    pack: int = 1
    """m, samples that D judges together, side by side in one input (PacGAN)."""
    kernels: int = 0
    """B, kernels of minibatch discrimination in D; 0 for none."""
    classes: int = 0
    """Number of labels; `train` counts them."""
    record: tuple[str, ...] = ()
    """What else to keep at snapshots, of "w1", "js", "g_gradient", "d_gradients", "at_clip"; see `Run.records`."""
    snapshots: int = 20
    """Number of recorded steps after the start, evenly spaced."""
    seed: int = 0
    """Member e draws everything from the pair (seed, e)."""
    device: str = "auto"
    """"auto" is CUDA where there is one, else the CPU."""
    dtype: str = "float32"
    """"float32" or "float64"."""
    progress: bool = True
    """Show a bar once a training takes more than a second."""

    def __post_init__(self) -> None:
        find_game(self.game)
        least = dict(
            members=1, steps=0, batch_size=1, critic_steps=0, generator_steps=0, latent_dim=1, snapshots=1, seed=0,
            pack=1, kernels=0, classes=0,
        )  # fmt: skip
        for name, bound in least.items():
            given = getattr(self, name)
            if not isinstance(given, int) or isinstance(given, bool) or given < bound:
                raise ValueError(f"{name} must be a whole number of at least {bound}, got {given!r}; change it")
        if self.generator_steps > 1:
            raise ValueError(
                f"generator_steps must be 0 or 1, got {self.generator_steps}; raise critic_steps to change the ratio"
            )
        for name in ("lr_g", "lr_d"):
            if not isinstance(getattr(self, name), (int, float)) or not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a positive finite number, got {getattr(self, name)!r}; try 1e-3")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be 'adam' or 'rmsprop', got {self.optimizer!r}; choose one")
        for name in ("penalty_weight", "clip", "r1", "instance_noise"):
            given = getattr(self, name)
            if given is not None and not 0 <= given < float("inf"):
                raise ValueError(f"{name} must be finite and not negative, got {given!r}; 0 turns it off")
        if self.batch_size % self.pack:
            raise ValueError(
                f"batch_size must be a multiple of pack, got {self.batch_size} and {self.pack}; change one"
            )
        if self.kernels and (find_game(self.game).penalty or self.r1 or find_game(self.game).output == "energy"):
            raise ValueError(
                f"kernels mix the samples of a batch, but a penalty or an energy is each sample's own, got "
                f"{self.game!r} with r1 = {self.r1}; set kernels=0 or choose 'non-saturating'"
            )
        names = self.record if isinstance(self.record, tuple) else ("",)
        if not set(names) <= set(RECORDS) or len(set(names)) < len(names):
            raise ValueError(
                f"record must be a tuple of different names from {RECORDS}, got {self.record!r}; change it"
            )
        if "at_clip" in self.record and not (find_game(self.game).clip if self.clip is None else self.clip):
            raise ValueError(f"recording 'at_clip' needs clipped weights, got {self.game!r} without; set clip")
        if self.penalty_weight is not None and find_game(self.game).penalty is None:
            raise ValueError(f"penalty_weight needs a game with a gradient penalty, got {self.game!r}; try 'wgan-gp'")
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1), got {self.betas!r}; try (0.5, 0.9)")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {self.dtype!r}; choose one")
        if (
            not isinstance(self.hidden, tuple)
            or not self.hidden
            or not all(isinstance(w, int) and w > 0 for w in self.hidden)
        ):
            raise ValueError(f"hidden must be a tuple of whole widths of 1 or more, got {self.hidden!r}; try (64, 64)")


PRESETS: dict[str, dict[str, Any]] = {
    # Arjovsky et al. (2017), algorithm 1
    "wgan": dict(game="wgan-clip", clip=0.01, optimizer="rmsprop", lr_g=5e-5, lr_d=5e-5, batch_size=64, critic_steps=5),
    # Gulrajani et al. (2017), algorithm 1, which leaves the batch open: 64 as in its appendix F
    "wgan-gp": dict(
        game="wgan-gp", penalty_weight=10.0, lr_g=1e-4, lr_d=1e-4, betas=(0.0, 0.9), batch_size=64, critic_steps=5
    ),
    # Gulrajani et al. (2017), the script of its toy experiments
    "wgan-gp-toy": dict(
        game="wgan-gp",
        penalty_weight=0.1,
        lr_g=1e-4,
        lr_d=1e-4,
        betas=(0.5, 0.9),
        batch_size=256,
        critic_steps=5,
        hidden=(512, 512, 512),
    ),
    # Radford et al. (2016), section 4
    "dcgan": dict(game="non-saturating", lr_g=2e-4, lr_d=2e-4, betas=(0.5, 0.999), batch_size=128),
    # Lin et al. (2018), the script of its grid and ring: 100 packs of 2 (its nets have batch normalisation and maxout)
    "pacgan": dict(game="non-saturating", pack=2, lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999), batch_size=200),
}
"""Settings of papers, as far as a multilayer perceptron can follow them: `train(data, **PRESETS["wgan-gp"])`."""


@dataclass(frozen=True, eq=False)
class Run:
    """What a training leaves behind: T = snapshots + 1 recorded moments of E members.

    The samples of a snapshot are images of the same n = 4096 latent points every time, so that a moving point in a figure
    is one z. They are spread more evenly than random draws: quantiles of N(0, 1) in order for `latent_dim=1`, otherwise a
    scrambled Sobol sequence mapped to N(0, I), whose first 256, say, are spread evenly, too, while every 16th are not. For
    independent samples call `generate`.
    """

    config: TrainConfig
    """The settings."""
    steps: NDArray[np.int64]
    """(T,) update counts, 0 first."""
    d_loss: Array
    """(T, E) D's loss in nats, mean over the updates since the snapshot before; NaN where there was none."""
    g_loss: Array
    """(T, E) G's loss likewise."""
    samples: Array
    """(T, E, n, d) images of the probe points; with C labels, point i is drawn for label i % C."""
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

    def generate(self, n: int, *, seed: int = 0, label: int | None = None) -> Array:
        """n fresh samples of every member, shape (E, n, d); of one label, or of all in turn.

        Raises:
            ValueError: there is no such label.
        """
        if label is not None and (type(label) is not int or not 0 <= label < self.config.classes):
            known = (
                f"one of 0 to {self.config.classes - 1}" if self.config.classes else "left out: the run has no labels"
            )
            raise ValueError(f"label must be {known}, got {label!r}; change it")
        z = torch.randn(n, self.config.latent_dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return _images(self.generator, _labelled(z, self.config.classes, label))

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
        at = np.asarray(x, dtype=np.float64)
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
        """Write the run to one .npz file, without pickle; `path` may also be an open file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for name in ("generator", "discriminator"):
            net: Ensemble = getattr(self, name)
            arrays |= {f"{name}.{key}": tensor.detach().cpu().numpy() for key, tensor in net.state_dict().items()}
        arrays |= {f"records.{name}": values for name, values in self.records.items()}
        meta = dict(config=asdict(self.config), interrupted=self.interrupted, format=1)
        with open(path, "wb") if isinstance(path, (str, Path)) else nullcontext(path) as file:
            np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)

    @staticmethod
    def load(path: str | Path | IO[bytes]) -> Run:
        """Read a run that `save` wrote.

        Raises:
            ValueError: the file is damaged or not a run.
        """
        try:
            source = io.BytesIO(Path(path).read_bytes()) if isinstance(path, (str, Path)) else path
            with np.load(source, allow_pickle=False) as file:
                data = {key: file[key] for key in file.files}
            meta = json.loads(str(data["meta"]))
            given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["config"].items()}
            config = TrainConfig(**given)
            nets = _networks(config, int(data["points"].shape[1]))
            for name, net in zip(("generator", "discriminator"), nets, strict=True):
                state = {
                    k.removeprefix(name + "."): torch.from_numpy(v) for k, v in data.items() if k.startswith(name + ".")
                }
                net.load_state_dict(state)
            arrays = {name: data[name] for name in _ARRAYS}
            records = {name: data[f"records.{name}"] for name in config.record}
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path} must be a file written by Run.save, but could not be read ({error}); save the run again"
            ) from error
        return Run(
            config=config,
            generator=nets[0],
            discriminator=nets[1],
            interrupted=bool(meta["interrupted"]),
            records=records,
            **arrays,
        )


_ARRAYS = tuple(f.name for f in fields(Run) if f.type.startswith(("Array", "NDArray")))


def _streams(config: TrainConfig, purpose: int, members: range | None = None) -> list[torch.Generator]:
    """One generator a member: its numbers depend on (seed, member, purpose) and on nothing else."""
    members = range(config.members) if members is None else members
    seeds = [np.random.SeedSequence([config.seed, e, purpose]).generate_state(1, np.uint64)[0] for e in members]
    return [torch.Generator().manual_seed(int(s >> np.uint64(1))) for s in seeds]


def _networks(config: TrainConfig, dim: int) -> tuple[Ensemble, Ensemble]:
    start, dtype = _streams(config, 0), getattr(torch, config.dtype)
    generator = Ensemble([config.latent_dim + config.classes, *config.hidden, dim], start, config.activation, dtype)
    seen = (dim + config.classes) * config.pack
    out = seen if find_game(config.game).output == "energy" else 1  # an autoencoder, or one number
    discriminator = Ensemble([seen, *config.hidden, out], start, config.activation, dtype, config.kernels)
    return generator, discriminator


def _probes(latent_dim: int) -> Tensor:
    """Evenly spread latent points with law N(0, I), shape (PROBES, latent_dim)."""
    if latent_dim == 1:
        uniform = (np.arange(PROBES)[:, None] + 0.5) / PROBES
    else:
        uniform = qmc.Sobol(latent_dim, rng=np.random.default_rng(0)).random(PROBES)
    return torch.from_numpy(ndtri(np.clip(uniform, 1e-9, 1 - 1e-9)))


def _beside(x: Tensor, y: Tensor) -> Tensor:
    """Inputs (E, N, d) with labels (E, N, C), if there are any, in one."""
    return torch.cat([x, y], -1) if y.shape[-1] else x


def _labelled(x: Tensor, classes: int, label: int | None = None, shares: Array | None = None) -> Tensor:
    """Rows (n, d) with one-hot labels beside them, (n, d + classes): one label, or all in turn, or by their shares."""
    if not classes:
        return x
    turn = torch.arange(len(x)) % classes if label is None else torch.full((len(x),), label)
    if shares is not None:  # multiples of the golden ratio fill [0, 1] evenly
        where = np.arange(len(x)) * 0.6180339887498949 % 1
        turn = torch.from_numpy(np.searchsorted(np.cumsum(shares)[:-1], where, side="right"))
    return torch.cat([x, torch.eye(classes, dtype=x.dtype)[turn]], 1)


@torch.no_grad()
def _images(net: Ensemble, x: Tensor, among: Tensor | None = None) -> Array:
    """Every member's output for the same inputs x, shape (E, N, out), in float64."""
    weight = net.weights[0]
    size = len(x) if among is None else 128  # all pairs with `among` take room
    pieces = [x[i : i + size].to(weight.device, weight.dtype) for i in range(0, len(x), size)]
    result = torch.cat([net(piece.expand(net.members, *piece.shape), among) for piece in pieces], 1)
    return np.asarray(result.double().cpu().numpy())


class _Batches:
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
        self.law, self.streams, self.device = law, _streams(config, purpose, members), device
        self.size, self.dtype = config.batch_size, getattr(torch, config.dtype)
        self.chunk: Iterable[Tensor] = iter(())

    def _draw(self, stream: torch.Generator) -> Tensor:
        shape = (CHUNK, self.size)
        if self.law is None:
            return torch.rand(*shape, 1, generator=stream, dtype=torch.float64)
        if not isinstance(self.law, GaussianMixture):
            rows = torch.randint(len(self.law), shape, generator=stream)
            return torch.from_numpy(self.law)[rows]
        weights, means, stds = (torch.tensor(v) for v in (self.law.weights, self.law.means, self.law.stds))
        k = torch.searchsorted(
            weights.cumsum(0)[:-1].contiguous(), torch.rand(shape, generator=stream, dtype=torch.float64)
        )
        noise = torch.randn(*shape, self.law.dim, generator=stream, dtype=torch.float64)
        return means[k] + stds[k, None] * noise

    def __next__(self) -> Tensor:
        batch = next(self.chunk, None)  # type: ignore[call-overload]
        if batch is None:
            drawn = torch.stack([self._draw(s) for s in self.streams], 1).to(self.device, self.dtype)
            self.chunk = iter(drawn)
            return next(self)
        return torch.as_tensor(batch)


def _as_law(name: str, law: GaussianMixture | ArrayLike) -> GaussianMixture | Array:
    if isinstance(law, GaussianMixture):
        return law
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


def _grid(law: GaussianMixture | Array) -> Array:
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


class _Player:
    """One network with its optimizer; members whose gradient turns non-finite stop moving."""

    def __init__(self, net: Ensemble, lr: float, config: TrainConfig) -> None:
        self.net, self.parameters = net, list(net.parameters())
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(self.parameters, lr=lr, betas=config.betas, fused=True)
            if config.optimizer == "adam"
            else torch.optim.RMSprop(self.parameters, lr=lr)
        )

    def step(self, loss: Tensor, alive: Tensor) -> Tensor:
        """One Adam step on the summed loss (E,); returns which members are still finite."""
        gradients = torch.autograd.grad(loss.sum(), self.parameters)
        alive = (
            alive & torch.stack([g.flatten(1).sum(1) for g in gradients]).sum(0).isfinite() & loss.detach().isfinite()
        )
        if not alive.all():
            gradients = tuple(torch.where(alive[:, None, None], g, torch.zeros_like(g)) for g in gradients)
            for p in self.parameters:  # momentum would carry a frozen member on
                for moment in self.optimizer.state[p].values():
                    if moment.ndim:
                        moment[~alive] = 0
        for p, g in zip(self.parameters, gradients, strict=True):
            p.grad = g.contiguous()  # the fused step reads memory in order, and a penalty's gradients may be transposed
        self.optimizer.step()
        return alive


class _Draws:
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
        def batches(law: GaussianMixture | Array | None, purpose: int) -> _Batches:
            return _Batches(law, config, purpose + shift, device, members)

        self.real, self.noise = batches(law, 1), batches(_normal(config.latent_dim), 2)
        self.fixed = None if p_g is None else batches(p_g, 2)
        self.eps, self.blur = batches(None, 3), batches(_normal(dim), 4)


class _Block:
    """Some of the members: their nets, optimizers and random streams, and the two kinds of step."""

    def __init__(
        self,
        members: range,
        G: Ensemble,
        D: Ensemble,
        config: TrainConfig,
        law: GaussianMixture | Array,
        p_g: GaussianMixture | None,
    ) -> None:
        part, device = slice(members.start, members.stop), G.weights[0].device
        self.config, self.game, self.members, self.dim = config, find_game(config.game), part, G.widths[-1]
        self.G = _Player(G.part(part), config.lr_g, config)
        self.D = _Player(D.part(part), config.lr_d, config)
        self.draws = _Draws(law, p_g, config, self.dim, device, members)
        self.aside = _Draws(law, p_g, config, self.dim, device, members, shift=4)  # for what is recorded on request
        self.alive = torch.ones(len(members), dtype=torch.bool, device=device)
        self.diverged = np.full(len(members), -1, dtype=np.int64)
        self.step = 0
        self.losses: dict[str, list[Tensor]] = {"d": [], "g": []}
        self.weight = self.game.penalty_weight if config.penalty_weight is None else config.penalty_weight
        self.clip = self.game.clip if config.clip is None else config.clip

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """D's number for each sample x, or pack of them, with labels y; (E, N / pack)."""
        x = _beside(x, y)
        return self.game.read(self.D.net(x), x)

    def steepness(self, x: Tensor, y: Tensor) -> Tensor:
        """Norm of D's gradient by each sample x, or pack of them, (E, N / pack); differentiable by D's parameters."""
        if self.config.activation != "relu" or self.game.output == "energy":
            return gradient_norms(lambda x: self.score(x, y), x, create_graph=True)
        norms: Tensor = torch.linalg.vector_norm(self.D.net.slopes(_beside(x, y))[..., : x.shape[-1]], dim=-1)
        return norms

    def packed(self, x: Tensor) -> Tensor:
        """Samples side by side, (E, N, d) -> (E, N / pack, pack * d)."""
        members, count, dim = x.shape
        return x.reshape(members, count // self.config.pack, dim * self.config.pack)

    def shown(self, x: Tensor, draws: _Draws) -> Tensor:
        """What D gets to see of x."""
        return self.packed(x + self.config.instance_noise * next(draws.blur) if self.config.instance_noise else x)

    def example(self, draws: _Draws) -> tuple[Tensor, Tensor]:
        """Real samples and their one-hot labels, (E, N, d) and (E, N, C); C may be 0."""
        rows = next(draws.real)
        return rows[..., : self.dim], rows[..., self.dim :]

    def generated(self, y: Tensor, draws: _Draws) -> Tensor:
        """G's samples for labels y, or those of the fixed density in its place."""
        return next(draws.fixed) if draws.fixed else torch.as_tensor(self.G.net(_beside(next(draws.noise), y)))

    def d_loss(self, draws: _Draws) -> Tensor:
        real, y = self.example(draws)
        with torch.no_grad():  # D's update sees generated points, not the generator behind them
            fake = self.shown(self.generated(y, draws), draws)
        real, y = self.shown(real, draws), self.packed(y)
        if self.config.kernels:  # each batch is compared with itself
            on_real, on_fake = self.score(real, y), self.score(fake, y)
        else:  # one pass for both
            on_real, on_fake = self.score(torch.cat([real, fake], 1), torch.cat([y, y], 1)).chunk(2, 1)
        loss = self.game.d_loss(on_real, on_fake)
        if self.game.penalty and self.weight:
            eps = next(draws.eps)[:, : real.shape[1]]
            norms = self.steepness(eps * real + (1 - eps) * fake, y)
            loss = loss + self.weight * PENALTIES[self.game.penalty](norms).mean(-1)
        if self.config.r1:
            loss = loss + self.config.r1 / 2 * (self.steepness(real, y) ** 2).mean(-1)
        return loss

    def g_loss(self, draws: _Draws) -> Tensor:
        if not (self.config.classes or self.game.match_features):
            unlabelled = self.G.net.weights[0].new_empty(len(self.alive), self.config.batch_size, 0)
            return self.game.g_loss(self.score(self.shown(self.generated(unlabelled, draws), draws), unlabelled))
        real, y = self.example(draws)
        fake, seen = self.shown(self.generated(y, draws), draws), self.packed(y)
        if not self.game.match_features:
            return self.game.g_loss(self.score(fake, seen))
        with torch.no_grad():
            goal = self.D.net.features(_beside(self.shown(real, draws), seen))
        return feature_matching(goal, self.D.net.features(_beside(fake, seen)))

    def advance(self, until: int, stop: Event) -> None:
        """Go on to a step: k updates of D, then one of G, each time; sooner if told to stop or no member is finite."""
        while self.step < until and not stop.is_set() and bool(self.alive.any()):
            for _ in range(self.config.critic_steps):
                loss = self.d_loss(self.draws)
                self.alive = self.D.step(loss, self.alive)
                if self.clip:
                    with torch.no_grad():
                        for p in self.D.parameters:
                            p.clamp_(-self.clip, self.clip)
                self.losses["d"].append(torch.where(self.alive, loss.detach(), torch.nan))
            for _ in range(self.config.generator_steps):
                loss = self.g_loss(self.draws)
                self.alive = self.G.step(loss, self.alive)  # gradients for G's parameters alone: D is not touched
                self.losses["g"].append(torch.where(self.alive, loss.detach(), torch.nan))
            self.step += 1
            self.diverged[(~self.alive.cpu().numpy()) & (self.diverged < 0)] = self.step

    def mean_loss(self, player: str) -> Array:
        """(E,) mean over the updates since it was last asked for while the member was finite; NaN if there were none."""
        record, self.losses[player] = self.losses[player], []
        if not record:
            return np.full(len(self.diverged), np.nan)
        return np.asarray(torch.stack(record).double().nanmean(0).cpu().numpy())

    def gradient_norms(self, name: str) -> Array:
        """Of G's loss by all of G's parameters, (E,), or "d_gradients": of D's by each layer's weights, (E, L)."""
        player, loss = (self.G, self.g_loss) if name == "g_gradient" else (self.D, self.d_loss)
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss(self.aside).sum(), player.parameters)
        if name == "d_gradients":
            gradients = gradients[: len(self.D.net.weights)]  # biases and kernels come after
        norms = torch.stack([g.flatten(1).double().norm(dim=1) for g in gradients], 1).cpu().numpy()
        return np.asarray(np.sqrt((norms**2).sum(1)) if name == "g_gradient" else norms)


_lock, _running = Lock(), [0, 1]  # trainings under way in this process, and PyTorch's threads before the first


@contextmanager
def _threads(blocks: int) -> Iterator[ThreadPoolExecutor]:
    """As many workers as PyTorch has threads, and one thread for each product: small products only lose by more."""
    with _lock:
        if not _running[0]:
            _running[1] = torch.get_num_threads()
            torch.set_num_threads(1)
        _running[0] += 1
    try:
        with ThreadPoolExecutor(min(blocks, _running[1])) as pool:
            yield pool
    finally:
        with _lock:
            _running[0] -= 1
            if not _running[0]:
                torch.set_num_threads(_running[1])


def train(
    data: GaussianMixture | ArrayLike,
    *,
    labels: ArrayLike | None = None,
    p_g: GaussianMixture | None = None,
    init: Run | None = None,
    points: ArrayLike | None = None,
    on_snapshot: Callable[[int, Array, Array], bool | None] | None = None,
    **settings: Any,
) -> Run:
    """Train `members` GANs on `data` by algorithm 1: k updates of D, then one of G, fresh batches each time.

    Args:
        data: a density, or an array of examples, shape (n,) or (n, d).
        labels: class of each example, whole numbers from 0, shape (n,); then G and D both see labels (a conditional GAN).
        p_g: a fixed density in the generator's place; then only D learns.
        init: a run whose networks to go on from, with its settings as defaults (but G learns again); optimizers start anew.
        points: where to record D, shape (M, d) or (M,); a grid over the data if left out.
        on_snapshot: called with (step, samples (E, n, d), D at the points (E, M)) at each snapshot; return True to stop.
        **settings: the fields of TrainConfig.

    Returns:
        a Run. Ctrl-C ends the training early and returns the run so far, with a warning. A member whose loss or gradient
        turns non-finite is frozen where it was, its step noted in `Run.diverged`; the others go on.

    Raises:
        ValueError: a setting or the data is not usable.
        TypeError: there is no setting of that name.

    Example:
        >>> from gan_edu import two_modes
        >>> run = train(two_modes(), members=2, steps=10, snapshots=2, device="cpu")
        >>> run.steps.tolist(), run.samples.shape
        ([0, 5, 10], (3, 2, 4096, 1))

    Source: Goodfellow et al. (2014), algorithm 1. Chapter: 01.
    """
    known = {f.name for f in fields(TrainConfig)}
    for name in sorted(set(settings) - known):
        raise TypeError(f"unknown setting {name!r}; choose from {', '.join(sorted(known))}")
    config = TrainConfig(**settings) if init is None else replace(init.config, **{"generator_steps": 1, **settings})
    law = _as_law("data", data)
    dim = law.dim if isinstance(law, GaussianMixture) else law.shape[1]
    example = law  # the data with their labels
    if labels is not None:
        example = _with_labels(law, labels, config.classes)
        config = replace(config, classes=example.shape[1] - dim)
    if config.classes and (labels is None or p_g is not None):
        raise ValueError(
            "a training with labels needs those of the data, and a generator that learns: give labels, and leave out p_g"
        )
    if "js" in config.record and dim > 2:
        raise ValueError(f"recording 'js' needs data with one or two coordinates, got {dim}; record 'w1'")
    if p_g is not None and not set(config.record) <= {"d_gradients", "at_clip"}:
        raise ValueError(f"with p_g there is no generator to record, got record={config.record}; leave out what is G's")
    if p_g is not None:
        config = replace(config, generator_steps=0)
        if p_g.dim != dim:
            raise ValueError(
                f"p_g must live in the same space as the data, got dimensions {p_g.dim} and {dim}; change one"
            )
    if config.device not in ("auto", "cpu") and not (config.device.startswith("cuda") and torch.cuda.is_available()):
        raise ValueError(
            f"device must be 'auto', 'cpu' or a CUDA device that is there, got {config.device!r}; choose another"
        )
    device = torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
    )
    where = _grid(law) if points is None else _as_law("points", points)
    assert isinstance(where, np.ndarray)
    if where.shape[1] != dim:
        raise ValueError(f"points must have {dim} coordinates like the data, got {where.shape[1]}; change points")

    generator, discriminator = _networks(config, dim)
    if init is not None:
        if init.generator.members != config.members or init.points.shape[1] != dim:
            raise ValueError(
                f"init must have {config.members} members in dimension {dim}, got another run; match members and data"
            )
        for mine, given in ((generator, init.generator), (discriminator, init.discriminator)):
            if [p.shape for p in mine.parameters()] != [p.shape for p in given.parameters()]:
                raise ValueError(
                    "init must have networks of the same shape, got others; keep its game, hidden, latent_dim, pack, kernels "
                    "and number of labels"
                )
        generator.load_state_dict(init.generator.state_dict())
        discriminator.load_state_dict(init.discriminator.state_dict())
    generator.to(device), discriminator.to(device)
    game, probes = find_game(config.game), _labelled(_probes(config.latent_dim), config.classes)
    size = BLOCK if device.type == "cpu" else config.members
    blocks = [
        _Block(range(part[0], part[-1] + 1), generator, discriminator, config, example, p_g)
        for part in np.array_split(range(config.members), -(-config.members // size))
    ]
    where = np.tile(where, (max(config.classes, 1), 1))
    seen = _seen(where, config)
    among = torch.cat([_beside(*map(b.packed, b.example(b.aside))) for b in blocks]) if config.kernels else None
    # Distances to the data are measured with labels as frequent as theirs.
    shares = example[:, dim:].mean(0) if isinstance(example, np.ndarray) and config.classes else None
    typical = _labelled(_probes(config.latent_dim), config.classes, shares=shares)
    marks = np.unique(np.linspace(0, config.steps, config.snapshots + 1).round().astype(np.int64))
    taken: list[dict[str, Any]] = []

    def snapshot(step: int) -> bool:
        images = _images(generator, probes)
        outputs = game.read(torch.from_numpy(_images(discriminator, seen, among)), seen).numpy()
        if game.output == "logit":
            outputs = 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))
        now = dict(steps=step, samples=images, d_output=outputs)
        for name in config.record:
            if name in ("w1", "js"):
                measured = images if shares is None else _images(generator, typical)
                now[name] = (sample_w1 if name == "w1" else sample_js)(measured, law)
            elif name == "at_clip":
                now[name] = _share_at_clip(discriminator, blocks[0].clip)
            else:
                now[name] = np.concatenate([b.gradient_norms(name) for b in blocks])
        now |= {f"{player}_loss": np.concatenate([b.mean_loss(player) for b in blocks]) for player in "dg"}
        taken.append(now)
        return bool(on_snapshot is not None and not stopped and on_snapshot(step, images.copy(), outputs.copy()))

    step, stopped, stop, jobs = 0, False, Event(), list[Future[None]]()
    # tqdm reads this variable itself, but not in notebooks.
    quiet = not config.progress or bool(os.environ.get("TQDM_DISABLE"))
    bar = tqdm(total=config.steps, disable=quiet, delay=1, leave=False, unit="step")
    with _threads(len(blocks)) as pool, bar:

        def advance(until: int) -> int:
            """All blocks to the same step."""
            jobs.clear()
            for block in blocks:
                jobs.append(pool.submit(block.advance, until, stop))
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                stop.set()  # the others end their step
                raise
            reached = max(b.step for b in blocks)
            bar.update(reached - bar.n)
            return reached

        try:
            stopped = snapshot(0)
            while step < config.steps and not stopped and any(bool(b.alive.any()) for b in blocks):
                step = advance(min(step + ROUND, int(marks[marks > step][0])))
                if step in marks:
                    stopped = snapshot(step)
        except KeyboardInterrupt:
            stopped = True
            stop.set()
            wait(jobs)  # no block may run twice at once
            stop.clear()
            step = advance(max(b.step for b in blocks))  # some blocks are ahead of others
            warnings.warn(
                f"training interrupted at step {step} of {config.steps}; the run holds what was computed", stacklevel=2
            )
        if not taken or taken[-1]["steps"] != step:
            try:
                snapshot(step)
            except KeyboardInterrupt:  # a second one: do without this snapshot, if there is another
                if not taken:
                    raise
    columns = {name: np.array([now[name] for now in taken]) for name in taken[0]}
    return Run(
        config=config,
        points=where,
        diverged=np.concatenate([b.diverged for b in blocks]),
        generator=generator.cpu(),
        discriminator=discriminator.cpu(),
        interrupted=stopped and step < config.steps,
        records={name: columns.pop(name) for name in config.record},
        **columns,
    )


def _with_labels(law: GaussianMixture | Array, labels: ArrayLike, classes: int) -> Array:
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


def _seen(points: Array, config: TrainConfig) -> Tensor:
    """D's inputs at the points where it is recorded, (M, widths[0])."""
    pack, each = config.pack, len(points) // max(config.classes, 1)
    label = np.eye(config.classes)[np.arange(len(points)) // each] if config.classes else points[:, :0]
    return torch.from_numpy(np.hstack([np.tile(points, pack), np.tile(label, pack)]))


def _share_at_clip(net: Ensemble, clip: float | None) -> Array:
    """(E,) share of weights and biases at the bounds."""
    flat = torch.cat([p.detach().flatten(1).abs() for p in net.parameters()], 1)
    return np.asarray((flat == flat.new_tensor(clip)).double().mean(1).cpu().numpy())


def _normal(dim: int) -> GaussianMixture:
    return GaussianMixture(np.zeros((1, dim)), 1.0)


def _trained(data: GaussianMixture | Array, settings: dict[str, Any]) -> bytes:
    """A run as bytes: what a worker sends back, whatever machine it is on."""
    file = io.BytesIO()
    train(data, **{"progress": False, **settings}).save(file)
    return file.getvalue()


def sweep(
    data: GaussianMixture | ArrayLike, configs: Sequence[Mapping[str, Any]], executor: Executor | None = None
) -> list[Run | None]:
    """Train once for each of `configs`, in this process or on the workers of an executor; the runs in the same order.

    Args:
        data: as for `train`.
        configs: settings of each training, the fields of `TrainConfig`.
        executor: any `concurrent.futures.Executor`, such as a `ProcessPoolExecutor` (make its workers with
            `multiprocessing.get_context("spawn")`). Many machines are one executor, too, by dask:
            `from distributed import Client`, then `sweep(data, configs, Client("scheduler:8786").get_executor())`,
            with gan_edu installed on each machine.

    Returns:
        one Run for each configuration. A training that fails, or whose worker dies, leaves None in its place and a
        warning with its configuration; the others are kept.

    Example:
        >>> from gan_edu import two_modes
        >>> few = dict(members=2, steps=5, snapshots=1, device="cpu")
        >>> [run.config.game for run in sweep(two_modes(), [{"game": name, **few} for name in ("minimax", "wgan-gp")])]
        ['minimax', 'wgan-gp']

    Chapter: 06, 11.
    """
    law, settings = _as_law("data", data), [dict(config) for config in configs]
    runs: list[Run | None] = [None] * len(settings)
    quiet = bool(os.environ.get("TQDM_DISABLE")) or not all(s.get("progress", True) for s in settings)
    jobs = [None if executor is None else executor.submit(_trained, law, each) for each in settings]
    for i, (job, each) in enumerate(
        zip(tqdm(jobs, disable=quiet, delay=1, leave=False, unit="run"), settings, strict=True)
    ):
        try:
            runs[i] = run = Run.load(io.BytesIO(_trained(law, each) if job is None else job.result()))
            if job is None and run.interrupted:  # Ctrl-C, of which train has warned, ends the sweep as well
                break
        except Exception as error:  # of any kind: what a worker died of must not cost the other runs
            warnings.warn(
                f"configuration {i} failed and leaves None: {each} ({type(error).__name__}: {error})", stacklevel=2
            )
    return runs
