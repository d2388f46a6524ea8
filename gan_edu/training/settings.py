"""What can be set in a training, what each setting must be, and the settings of papers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from gan_edu.games import Game, find_game

__all__ = ["PRESETS", "TrainConfig"]

OPTIMIZERS = ("adam", "rmsprop", "sgd")
LATENTS = ("normal", "uniform")
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
    """Rounds: each is k updates of D, then those of G."""
    batch_size: int = 256
    """N, samples of each kind per update."""
    critic_steps: int = 1
    """k, updates of D before each update of G; 0 freezes D."""
    generator_steps: int = 1
    """Updates of G per round; 0 freezes G."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of both networks."""
    activation: str = "relu"
    """Key of `ACTIVATIONS`."""
    latent_dim: int = 2
    """Dimension of z."""
    latent: str = "normal"
    """"normal" for z ~ N(0, I), "uniform" for z ~ U(-1, 1) in each coordinate."""
    lr_g: float = 1e-3
    """Step size of G's optimizer."""
    lr_d: float = 1e-3
    """Step size of D's optimizer."""
    optimizer: str = "adam"
    """"adam", "rmsprop", or "sgd", plain gradient descent."""
    lr_decay: float = 0.0
    """c, by which both step sizes fall with the updates t: lr / (1 + c t); 0 keeps them."""
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
    smoothing: float = 0.0
    """s of one-sided label smoothing: D is to say 1 - s of real samples (classification only)."""
    classes: int = 0
    """Number of labels; `train` counts them."""
    record: tuple[str, ...] = ()
    """What else to keep at snapshots, of "w1", "js", "g_gradient", "d_gradients", "at_clip"; see `Run.records`."""
    snapshots: int = 20
    """Number of recorded steps after the start, evenly spaced."""
    probes: int = 4096
    """n, latent points whose images are kept at each snapshot: T E n d numbers in all."""
    standardize: bool = False
    """True to train on (x - mean) / spread of the data, two numbers for all coordinates; what is kept is in the data's units."""
    seed: int = 0
    """Member e draws everything from the pair (seed, e)."""
    device: str = "auto"
    """"auto" is CUDA where there is one, else the CPU; also a `torch.device`."""
    dtype: str = "float32"
    """"float32" or "float64"."""
    progress: bool = True
    """Show a bar once a training takes more than a second."""

    def __post_init__(self) -> None:
        game = find_game(self.game)
        for name, rule in RULES.items():
            given = getattr(self, name)
            try:
                object.__setattr__(self, name, rule.read(given))
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"{name} must {rule.must}, got {given!r}; {rule.remedy}") from None
        for holds, sentence in TOGETHER:
            if not holds(self, game):
                raise ValueError(sentence(self))


class Rule(NamedTuple):
    """One setting: how it is read (an error refuses it), what it must be, and what to do otherwise."""

    read: Callable[[Any], Any]
    must: str
    remedy: str


def _need(condition: object, value: Any) -> Any:
    if not condition:
        raise ValueError
    return value


def _whole(least: int) -> Rule:
    def read(given: Any) -> int:
        _need(not isinstance(given, bool), given)
        return int(_need(operator.index(given) >= least, operator.index(given)))

    return Rule(read, f"be a whole number of at least {least}", "change it")


def _one_of(*names: str) -> Rule:
    choices = " or ".join((", ".join(map(repr, names[:-1])), repr(names[-1])))
    return Rule(lambda given: _need(given in names, given), f"be {choices}", "choose one")


def _number(given: Any) -> float:
    """A number of Python, NumPy or PyTorch as one of Python; text is none."""
    return float(_need(not isinstance(given, (str, bytes, bool)), given))


def _positive(given: Any) -> float:
    return float(_need(0 < _number(given) < float("inf"), _number(given)))


def _not_negative(given: Any) -> float | None:
    return None if given is None else _need(0 <= _number(given) < float("inf"), _number(given))


def _several(read: Callable[[Any], Any], count: int | None = None) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(given: Any) -> tuple[Any, ...]:
        _need(isinstance(given, (tuple, list)) and given and len(given) == (count or len(given)), given)
        return tuple(read(each) for each in given)

    return read_all


def _names(given: Any) -> tuple[str, ...]:
    return tuple(
        _need(isinstance(given, tuple) and set(given) <= set(RECORDS) and len(set(given)) == len(given), given)
    )


_STEP_SIZE = Rule(_positive, "be a positive finite number", "try 1e-3")
_AMOUNT = Rule(_not_negative, "be finite and not negative", "0 turns it off")
# setting -> what must hold
RULES: dict[str, Rule] = {
    **dict.fromkeys(("members", "batch_size", "latent_dim", "snapshots", "probes", "pack"), _whole(1)),
    **dict.fromkeys(("steps", "critic_steps", "generator_steps", "seed", "kernels", "classes"), _whole(0)),
    **dict.fromkeys(("lr_g", "lr_d"), _STEP_SIZE),
    **dict.fromkeys(("penalty_weight", "clip", "r1", "instance_noise", "lr_decay"), _AMOUNT),
    "smoothing": Rule(lambda s: _need(0 <= _number(s) < 1, _number(s)), "be a number in [0, 1)", "try 0.1"),
    "standardize": Rule(lambda given: bool(_need(given in (False, True), given)), "be True or False", "choose one"),
    "progress": Rule(lambda given: bool(_need(given in (False, True), given)), "be True or False", "choose one"),
    "latent": _one_of(*LATENTS),
    "device": Rule(
        lambda given: str(_need(type(given).__name__ in ("str", "device"), given)), "be a name", "try 'auto'"
    ),
    "optimizer": _one_of(*OPTIMIZERS),
    "record": Rule(_names, f"be a tuple of different names from {RECORDS}", "change it"),
    "betas": Rule(
        _several(lambda b: _need(0 <= _number(b) < 1, _number(b)), 2), "be two numbers in [0, 1)", "try (0.5, 0.9)"
    ),
    "dtype": _one_of("float32", "float64"),
    "hidden": Rule(_several(_whole(1).read), "be a tuple of whole widths of 1 or more", "try (64, 64)"),
}
# what settings must be together, and what to say otherwise
TOGETHER: list[tuple[Callable[[TrainConfig, Game], object], Callable[[TrainConfig], str]]] = [
    (
        lambda c, game: c.batch_size % c.pack == 0,
        lambda c: f"batch_size must be a multiple of pack, got {c.batch_size} and {c.pack}; change one",
    ),
    (
        lambda c, game: not (c.kernels and (game.penalty or c.r1 or game.output == "energy")),
        lambda c: (
            f"kernels mix the samples of a batch, but a penalty or an energy is each sample's own, got "
            f"{c.game!r} with r1 = {c.r1}; set kernels=0 or choose 'non-saturating'"
        ),
    ),
    (
        lambda c, game: "at_clip" not in c.record or (game.clip if c.clip is None else c.clip),
        lambda c: f"recording 'at_clip' needs clipped weights, got {c.game!r} without; set clip",
    ),
    (
        lambda c, game: not c.smoothing or game.output == "logit",
        lambda c: f"smoothing needs a game of classification, got {c.game!r}; try 'non-saturating'",
    ),
    (
        lambda c, game: c.penalty_weight is None or game.penalty,
        lambda c: f"penalty_weight needs a game with a gradient penalty, got {c.game!r}; try 'wgan-gp'",
    ),
]

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
