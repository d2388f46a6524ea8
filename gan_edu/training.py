"""Train a GAN, or rather `members` of them at once, and keep what figures and statistics need.

Chapter: 01 (algorithm 1, line by line), 02 (a discriminator alone).
"""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import qmc
from torch import Tensor
from tqdm.auto import tqdm

from gan_edu.densities import GaussianMixture
from gan_edu.games import feature_matching, find_game, gradient_penalty
from gan_edu.lipschitz import gradient_norms
from gan_edu.networks import Ensemble

__all__ = ["PRESETS", "Run", "TrainConfig", "sweep", "train"]

Array = NDArray[np.float64]
OPTIMIZERS = ("adam", "rmsprop")
CHUNK = 64  # batches drawn at a time: members have streams of their own, and few draws are faster than many
PROBES = 4096  # latent points whose images are kept at every snapshot


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
            members=1, steps=0, batch_size=1, critic_steps=0, generator_steps=0, latent_dim=1, snapshots=1, seed=0
        )
        for name, bound in least.items():
            given = getattr(self, name)
            if not isinstance(given, int) or isinstance(given, bool) or given < bound:
                raise ValueError(f"{name} must be a whole number of at least {bound}, got {given!r}; change it")
        if self.generator_steps > 1:
            raise ValueError(
                f"generator_steps must be 0 or 1, got {self.generator_steps}; raise critic_steps to change the ratio"
            )
        for name in ("lr_g", "lr_d"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a positive finite number, got {getattr(self, name)!r}; try 1e-3")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be 'adam' or 'rmsprop', got {self.optimizer!r}; choose one")
        for name in ("penalty_weight", "clip", "r1", "instance_noise"):
            given = getattr(self, name)
            if given is not None and not 0 <= given < float("inf"):
                raise ValueError(f"{name} must be finite and not negative, got {given!r}; 0 turns it off")
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
    # Gulrajani et al. (2017), algorithm 1
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
}
"""Settings of papers, as far as a multilayer perceptron can follow them: `train(data, **PRESETS["wgan-gp"])`."""


@dataclass(frozen=True, eq=False)
class Run:
    """What a training leaves behind: T = snapshots + 1 recorded moments of E members.

    The samples of a snapshot are images of the same n = 4096 latent points every time, so that a moving point in a figure
    is one z. They are spread more evenly than random draws: quantiles of N(0, 1) in order for `latent_dim=1`, otherwise a
    scrambled Sobol sequence mapped to N(0, I). For independent samples call `generate`.
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
    """(T, E, n, d) images of the probe points."""
    points: Array
    """(M, d) where D was evaluated."""
    d_output: Array
    """(T, E, M) D at these points: sigmoid(logit), or the critic's score or energy as it is, by `Game.output`."""
    diverged: NDArray[np.int64]
    """(E,) step at which a member turned non-finite and was frozen; -1 for the healthy."""
    generator: Ensemble
    """G at the end; takes z of shape (E, N, latent_dim)."""
    discriminator: Ensemble
    """D at the end; takes x of shape (E, N, d), and `Game.read` makes one number a sample of what it returns."""
    interrupted: bool = False
    """True if the training was stopped before its last step."""

    def generate(self, n: int, *, seed: int = 0) -> Array:
        """n fresh samples of every member, shape (E, n, d)."""
        z = torch.randn(n, self.config.latent_dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return _images(self.generator, z)

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
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path} must be a file written by Run.save, but could not be read ({error}); save the run again"
            ) from error
        return Run(
            config=config, generator=nets[0], discriminator=nets[1], interrupted=bool(meta["interrupted"]), **arrays
        )


_ARRAYS = tuple(f.name for f in fields(Run) if f.name not in ("config", "generator", "discriminator", "interrupted"))


def _streams(config: TrainConfig, purpose: int) -> list[torch.Generator]:
    """One generator a member: its numbers depend on (seed, member, purpose) and on nothing else."""
    seeds = [
        np.random.SeedSequence([config.seed, e, purpose]).generate_state(1, np.uint64)[0] for e in range(config.members)
    ]
    return [torch.Generator().manual_seed(int(s >> np.uint64(1))) for s in seeds]


def _networks(config: TrainConfig, dim: int) -> tuple[Ensemble, Ensemble]:
    start, dtype = _streams(config, 0), getattr(torch, config.dtype)
    generator = Ensemble([config.latent_dim, *config.hidden, dim], start, config.activation, dtype)
    out = dim if find_game(config.game).output == "energy" else 1  # an autoencoder, or one number
    discriminator = Ensemble([dim, *config.hidden, out], start, config.activation, dtype)
    return generator, discriminator


def _probes(latent_dim: int) -> Tensor:
    """Evenly spread latent points with law N(0, I), shape (PROBES, latent_dim)."""
    if latent_dim == 1:
        uniform = (np.arange(PROBES)[:, None] + 0.5) / PROBES
    else:
        uniform = qmc.Sobol(latent_dim, rng=np.random.default_rng(0)).random(PROBES)
    return torch.from_numpy(ndtri(np.clip(uniform, 1e-9, 1 - 1e-9)))


@torch.no_grad()
def _images(net: Ensemble, x: Tensor) -> Array:
    """Every member's output for the same inputs x, shape (E, N, out), in float64."""
    weight = net.weights[0]
    result = net(x.to(weight.device, weight.dtype).expand(net.members, *x.shape))
    return np.asarray(result.double().cpu().numpy())


class _Batches:
    """Endless batches (E, N, d) of a law; each member reads its own random stream, a chunk of batches at a time.

    The law is a density, an array of examples, or None for U(0, 1).
    """

    def __init__(
        self, law: GaussianMixture | Array | None, config: TrainConfig, purpose: int, device: torch.device
    ) -> None:
        self.law, self.streams, self.device = law, _streams(config, purpose), device
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


def train(
    data: GaussianMixture | ArrayLike,
    *,
    p_g: GaussianMixture | None = None,
    init: Run | None = None,
    points: ArrayLike | None = None,
    on_snapshot: Callable[[int, Array, Array], bool | None] | None = None,
    **settings: Any,
) -> Run:
    """Train `members` GANs on `data` by algorithm 1: k updates of D, then one of G, fresh batches each time.

    Args:
        data: a density, or an array of examples, shape (n,) or (n, d).
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
        generator.load_state_dict(init.generator.state_dict())
        discriminator.load_state_dict(init.discriminator.state_dict())
    G, D = (_Player(net.to(device), lr, config) for net, lr in ((generator, config.lr_g), (discriminator, config.lr_d)))
    game, probes = find_game(config.game), _probes(config.latent_dim)
    real, noise = _Batches(law, config, 1, device), _Batches(_normal(config.latent_dim), config, 2, device)
    fixed = None if p_g is None else _Batches(p_g, config, 2, device)
    eps, blur = _Batches(None, config, 3, device), _Batches(_normal(dim), config, 4, device)
    weight = game.penalty_weight if config.penalty_weight is None else config.penalty_weight
    clip = game.clip if config.clip is None else config.clip

    def critic(x: Tensor) -> Tensor:
        """One number a sample, (E, N)."""
        return game.read(discriminator(x), x)

    def shown(x: Tensor) -> Tensor:
        """What D gets to see of x."""
        return x + config.instance_noise * next(blur) if config.instance_noise else x

    def d_step() -> tuple[Tensor, Tensor]:
        with torch.no_grad():  # D's update sees generated points, not the generator behind them
            fake = shown(generator(next(noise)) if fixed is None else next(fixed))
        x = shown(next(real))
        numbers = critic(torch.cat([x, fake], 1))
        loss = game.d_loss(numbers[:, : config.batch_size], numbers[:, config.batch_size :])
        if game.penalty and weight:
            at = next(eps)[..., 0]
            loss = loss + weight * gradient_penalty(critic, x, fake, game.penalty == "one-sided", eps=at)
        if config.r1:
            loss = loss + config.r1 / 2 * (gradient_norms(critic, x, create_graph=True) ** 2).mean(-1)
        healthy = D.step(loss, alive)
        if clip:
            with torch.no_grad():
                for p in D.parameters:
                    p.clamp_(-clip, clip)
        return healthy, loss.detach()

    def g_step() -> tuple[Tensor, Tensor]:
        fake = shown(generator(next(noise)))
        if game.match_features:
            with torch.no_grad():
                goal = discriminator.features(shown(next(real)))
            loss = feature_matching(goal, discriminator.features(fake))
        else:
            loss = game.g_loss(critic(fake))
        return G.step(loss, alive), loss.detach()  # gradients for G's parameters alone: D is not touched

    marks = np.unique(np.linspace(0, config.steps, config.snapshots + 1).round().astype(np.int64))
    alive = torch.ones(config.members, dtype=torch.bool, device=device)
    diverged = np.full(config.members, -1, dtype=np.int64)
    taken: list[tuple[int, Array, Array, Array, Array]] = []
    losses: dict[str, list[Tensor]] = {"d": [], "g": []}
    stopped = False

    def snapshot(step: int) -> bool:
        means = {k: _mean(v, config.members) for k, v in losses.items()}
        for record in losses.values():
            record.clear()
        images = _images(generator, probes)
        at = torch.from_numpy(where)
        outputs = game.read(torch.from_numpy(_images(discriminator, at)), at).numpy()
        if game.output == "logit":
            outputs = 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))
        taken.append((step, means["d"], means["g"], images, outputs))
        return bool(on_snapshot is not None and not stopped and on_snapshot(step, images, taken[-1][-1]))

    step = 0
    # tqdm reads this variable itself, but not in notebooks.
    quiet = not config.progress or bool(os.environ.get("TQDM_DISABLE"))
    bar = tqdm(total=config.steps, disable=quiet, delay=1, leave=False, unit="step")
    try:
        stopped = snapshot(0)
        while step < config.steps and not stopped and bool(alive.any()):
            for _ in range(config.critic_steps):
                alive, loss = d_step()
                losses["d"].append(loss)
            for _ in range(config.generator_steps):
                alive, loss = g_step()
                losses["g"].append(loss)
            step += 1
            diverged[(~alive.cpu().numpy()) & (diverged < 0)] = step
            bar.update()
            if step in marks:
                stopped = snapshot(step)
    except KeyboardInterrupt:
        stopped = True
        warnings.warn(
            f"training interrupted at step {step} of {config.steps}; the run holds what was computed", stacklevel=2
        )
    finally:
        bar.close()
    if not taken or taken[-1][0] != step:
        snapshot(step)
    columns = [np.array(column) for column in zip(*taken, strict=True)]
    return Run(
        config=config,
        steps=columns[0],
        d_loss=columns[1],
        g_loss=columns[2],
        samples=columns[3],
        points=where,
        d_output=columns[4],
        diverged=diverged,
        generator=generator.cpu(),
        discriminator=discriminator.cpu(),
        interrupted=stopped and step < config.steps,
    )


def _normal(dim: int) -> GaussianMixture:
    return GaussianMixture(np.zeros((1, dim)), 1.0)


def _mean(losses: list[Tensor], members: int) -> Array:
    return np.asarray(torch.stack(losses).double().mean(0).cpu().numpy()) if losses else np.full(members, np.nan)


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
            `multiprocessing.get_context("spawn")`) or `dask.distributed`'s `Client.get_executor()`.

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
            runs[i] = Run.load(io.BytesIO(_trained(law, each) if job is None else job.result()))
        except Exception as error:  # of any kind: what a worker died of must not cost the other runs
            warnings.warn(
                f"configuration {i} failed and leaves None: {each} ({type(error).__name__}: {error})", stacklevel=2
            )
    return runs
