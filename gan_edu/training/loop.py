"""The training: check what is given, make the players, advance their blocks, take snapshots, return the run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import fields, replace
from threading import Event, Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from tqdm.auto import tqdm

from gan_edu.densities import GaussianMixture, Uniform
from gan_edu.evaluation import sample_js, sample_w1
from gan_edu.games import check_losses, find_game
from gan_edu.networks import Ensemble
from gan_edu.training.algorithm import Block
from gan_edu.training.batches import (
    Array,
    Law,
    as_law,
    as_rows,
    beside,
    grid_over,
    labelled,
    moved,
    place,
    probes,
    with_labels,
)
from gan_edu.training.run import Run, images, networks
from gan_edu.training.settings import TrainConfig

__all__ = ["train"]

BLOCK = 16  # members trained together at most: more no longer fit the cache
ROUND = 20  # steps that a block goes before the progress bar, and Ctrl-C, hear of it
OnSnapshot = Callable[[int, Array, Array], bool | None]


def train(
    data: GaussianMixture | Uniform | ArrayLike,
    *,
    labels: ArrayLike | None = None,
    p_g: GaussianMixture | Uniform | None = None,
    init: Run | None = None,
    anew: bool = False,
    points: ArrayLike | None = None,
    on_snapshot: OnSnapshot | None = None,
    **settings: Any,
) -> Run:
    """Train `members` GANs on `data` by algorithm 1: k updates of D, then one of G, fresh batches each time.

    Args:
        data: a density, or an array of examples, shape (n,) or (n, d); a table, a tensor or a map-style Dataset will do.
        labels: class of each example, whole numbers from 0, shape (n,); then G and D both see labels (a conditional GAN).
        p_g: a fixed density in the generator's place; then only D learns.
        init: a run to go on from, with its settings as defaults (but G learns again): networks, optimizers and random
            numbers continue, so that two trainings of 50 steps are one of 100.
        anew: True if only the networks of `init` are kept, and optimizers and random numbers start anew.
        points: where to record D, shape (M, d) or (M,); a grid over the data if left out.
        on_snapshot: called with (step, samples (E, n, d), D at the points (E, M)) at each snapshot; return True, and nothing else, to stop.
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
    config = _config(init, settings)
    law = as_law("data", data)
    dim = law.shape[1] if isinstance(law, np.ndarray) else law.dim
    y = law[:, :0] if isinstance(law, np.ndarray) else None
    if labels is not None:
        y = with_labels(law, labels, config.classes)
        config = replace(config, classes=y.shape[1])
    config = _checked(config, dim, labels, p_g)
    where = grid_over(law) if points is None else as_rows("points", points)
    if where.shape[1] != dim:
        raise ValueError(f"points must have {dim} coordinates like the data, got {where.shape[1]}; change points")
    with torch.device("cpu"), torch.inference_mode(False):
        nets = networks(config, dim)
    if init is not None:
        _go_on(init, config, dim, *nets)
    units = _units(config, law, init)
    state = init.state if init is not None and not anew and init.config.optimizer == config.optimizer else {}
    # Whatever the caller has set: NaN and infinity are seen, and told.
    with np.errstate(all="ignore"), torch.device("cpu"), torch.inference_mode(False):
        return _Training(config, (law, y, p_g), where, nets, units, state, on_snapshot).run()


def _config(init: Run | None, settings: dict[str, Any]) -> TrainConfig:
    """The settings that are given; the others are the defaults, or those of the run to go on from."""
    known = {f.name for f in fields(TrainConfig)}
    for name in sorted(set(settings) - known):
        raise TypeError(f"unknown setting {name!r}; choose from {', '.join(sorted(known))}")
    if not isinstance(init, (Run, type(None))):
        raise TypeError(f"init must be a Run, got a {type(init).__name__}; read a file with Run.load")
    return TrainConfig(**settings) if init is None else replace(init.config, **{"generator_steps": 1, **settings})


def _checked(config: TrainConfig, dim: int, labels: ArrayLike | None, p_g: Any) -> TrainConfig:
    """The settings, if they fit the data and what stands in the generator's place."""
    if config.classes and (labels is None or p_g is not None):
        raise ValueError(
            "a training with labels needs those of the data, and a generator that learns: give labels, and leave out p_g"
        )
    if "js" in config.record and dim > 2:
        raise ValueError(f"recording 'js' needs data with one or two coordinates, got {dim}; record 'w1'")
    if config.device not in ("auto", "cpu") and not (config.device.startswith("cuda") and torch.cuda.is_available()):
        raise ValueError(
            f"device must be 'auto', 'cpu' or a CUDA device that is there, got {config.device!r}; choose another"
        )
    check_losses(find_game(config.game))
    if p_g is None:
        return config
    if not isinstance(p_g, (GaussianMixture, Uniform)):
        raise TypeError(f"p_g must be a density, got a {type(p_g).__name__}; try gaussian(0.0)")
    if not set(config.record) <= {"d_gradients", "at_clip"}:
        raise ValueError(f"with p_g there is no generator to record, got record={config.record}; leave out what is G's")
    if p_g.dim != dim:
        raise ValueError(f"p_g must live in the same space as the data, got dimensions {p_g.dim} and {dim}; change one")
    return replace(config, generator_steps=0)


def _go_on(init: Run, config: TrainConfig, dim: int, G: Ensemble, D: Ensemble) -> None:
    """Give the nets the parameters of an earlier run."""
    if init.generator.members != config.members or init.points.shape[1] != dim:
        raise ValueError(
            f"init must have {config.members} members in dimension {dim}, got another run; match members and data"
        )
    for mine, given in ((G, init.generator), (D, init.discriminator)):
        kinds = [([p.shape for p in net.parameters()], net.activation) for net in (mine, given)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                "init must have networks of the same shape, got others; keep its game, hidden, activation, latent_dim, pack, "
                "kernels and number of labels"
            )
        mine.load_state_dict(given.state_dict())


def _units(config: TrainConfig, law: Law, init: Run | None) -> tuple[Array, float]:
    """Centre and scale of the networks' units; a warning where the data are out of their reach."""
    centre, spread = place(law)
    if config.standardize:
        return (centre, spread) if init is None or not init.config.standardize else (init.centre, init.scale)
    reach = float(np.abs(centre).max() + spread)
    if reach > 1e38 and config.dtype == "float32":
        raise ValueError(f"data must fit float32, which ends at 3.4e38, got {reach:.3g}; pass standardize=True")
    if not 0.01 <= spread <= 30 or reach > 60:
        warnings.warn(
            f"the data lie around {reach:.3g} with a spread of {spread:.3g}, but networks start near 0 with a spread of "
            "about 1 and move slowly; pass standardize=True",
            stacklevel=3,
        )
    return np.zeros(len(centre)), 1.0


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


class _Training:
    """A training under way."""

    def __init__(
        self,
        config: TrainConfig,
        laws: tuple[Law, Array | None, Law | None],
        points: Array,
        nets: tuple[Ensemble, Ensemble],
        units: tuple[Array, float],
        state: Mapping[str, NDArray[Any]],
        on_snapshot: OnSnapshot | None,
    ) -> None:
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(auto if config.device == "auto" else config.device)
        self.config, self.game, self.on_snapshot = config, find_game(config.game), on_snapshot
        self.law, y, p_g = laws
        self.centre, self.scale = units
        self.G, self.D = (net.to(device) for net in nets)
        flats = [(net, net.flatten()) for net in (self.G, self.D)]
        law, fixed = moved(self.law, *units), None if p_g is None else moved(p_g, *units)
        example = np.hstack([law, y]) if isinstance(law, np.ndarray) and y is not None else law  # with their labels
        # Every thread has a block of its own; a few members more in each cost less than another round of blocks.
        each = 8 * -(-config.members // (8 * torch.get_num_threads()))
        size = min(BLOCK, each) if device.type == "cpu" else config.members
        self.blocks = [
            Block(range(part[0], part[-1] + 1), flats[0], flats[1], config, example, fixed, state)
            for part in np.array_split(range(config.members), -(-config.members // size))
        ]
        self.points = np.tile(points, (max(config.classes, 1), 1))
        self.seen, self.among = _seen((self.points - self.centre) / self.scale, config), None
        if config.kernels:
            self.among = torch.cat([beside(*map(b.packed, b.example(b.aside))) for b in self.blocks])
        # Distances to the data are measured with labels as frequent as theirs.
        self.shares = y.mean(0) if y is not None and config.classes else None
        self.probes = labelled(probes(config), config.classes)
        self.typical = labelled(probes(config), config.classes, shares=self.shares)
        self.marks = np.unique(np.linspace(0, config.steps, config.snapshots + 1).round().astype(np.int64))
        self.taken: list[dict[str, Any]] = []
        self.step, self.stopped, self.stop, self.jobs = 0, False, Event(), list[Future[None]]()

    def run(self) -> Run:
        """All of it; Ctrl-C ends it early."""
        # tqdm reads this variable itself, but not in notebooks.
        quiet = not self.config.progress or bool(os.environ.get("TQDM_DISABLE"))
        bar = tqdm(total=self.config.steps, disable=quiet, delay=1, leave=False, unit="step")
        with _threads(len(self.blocks)) as pool, bar:
            try:
                self.snapshot()
                while (
                    self.step < self.config.steps and not self.stopped and any(bool(b.alive.any()) for b in self.blocks)
                ):
                    self.advance(min(self.step + ROUND, int(self.marks[self.marks > self.step][0])), pool, bar)
                    if self.step in self.marks:
                        self.snapshot()
            except KeyboardInterrupt:
                self.stopped = True
                self.stop.set()
                wait(self.jobs)  # no block may run twice at once
                self.stop.clear()
                self.advance(max(b.step for b in self.blocks), pool, bar)  # some blocks are ahead of others
                warnings.warn(
                    f"training interrupted at step {self.step} of {self.config.steps}; the run holds what was computed",
                    stacklevel=3,
                )
            if not self.taken or self.taken[-1]["steps"] != self.step:
                try:
                    self.snapshot()
                except KeyboardInterrupt:  # a second one: do without this snapshot, if there is another
                    if not self.taken:
                        raise
        return self.result()

    def advance(self, until: int, pool: ThreadPoolExecutor, bar: Any) -> None:
        """All blocks to the same step."""
        self.jobs.clear()
        for block in self.blocks:
            self.jobs.append(pool.submit(block.advance, until, self.stop))
        try:
            for job in self.jobs:
                job.result()
        except BaseException:
            self.stop.set()  # the others end their step
            raise
        self.step = max(b.step for b in self.blocks)
        bar.update(self.step - bar.n)

    def snapshot(self) -> None:
        """Record this moment, and show it to the caller, who may stop the training."""
        samples = self.images(self.probes)
        shown = torch.from_numpy(images(self.D, self.seen, self.among)).double()
        outputs = self.game.read(shown, self.seen).numpy()
        if self.game.output == "logit":
            outputs = 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))
        now = dict(steps=self.step, samples=samples, d_output=outputs)
        now |= {name: self.recorded(name, samples) for name in self.config.record}
        now |= {f"{player}_loss": np.concatenate([b.mean_loss(player) for b in self.blocks]) for player in "dg"}
        self.taken.append(now)
        if self.on_snapshot is not None and not self.stopped:
            told = self.on_snapshot(self.step, samples.copy(), outputs.copy())
            self.stopped = isinstance(told, (bool, np.bool_)) and bool(told)

    def images(self, z: Tensor) -> NDArray[Any]:
        """G's images of z in the units of the data."""
        made = images(self.G, z)
        return np.asarray(self.centre + self.scale * made, dtype=made.dtype if self.scale == 1 else None)

    def recorded(self, name: str, samples: Array) -> Array:
        """One of `Run.records`, now."""
        if name in ("w1", "js"):
            measured = samples if self.shares is None else self.images(self.typical)
            law = self.law.sample(8192, generator=0) if isinstance(self.law, Uniform) else self.law
            return (sample_w1 if name == "w1" else sample_js)(measured, law)
        if name == "at_clip":
            return np.concatenate([b.share_at_clip() for b in self.blocks])
        return np.concatenate([b.gradient_norms(name) for b in self.blocks])

    def result(self) -> Run:
        """What there is, as a run."""
        columns = {name: np.array([now[name] for now in self.taken]) for name in self.taken[0]}
        return Run(
            config=self.config,
            points=self.points,
            diverged=np.concatenate([b.diverged for b in self.blocks]),
            generator=self.G.cpu(),
            discriminator=self.D.cpu(),
            interrupted=self.stopped and self.step < self.config.steps,
            records={name: columns.pop(name) for name in self.config.record},
            centre=self.centre,
            scale=self.scale,
            state={k: np.concatenate([b.state()[k] for b in self.blocks]) for k in ("g", "d", "updates", "drawn")},
            **columns,
        )


def _seen(points: Array, config: TrainConfig) -> Tensor:
    """D's inputs at the points where it is recorded, (M, widths[0])."""
    pack, each = config.pack, len(points) // max(config.classes, 1)
    label = np.eye(config.classes)[np.arange(len(points)) // each] if config.classes else points[:, :0]
    return torch.from_numpy(np.hstack([np.tile(points, pack), np.tile(label, pack)]))
