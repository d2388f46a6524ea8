"""The losses of each game, as data: what the discriminator minimises, what the generator minimises, and where that leads.

Chapter: 01 (minimax, non-saturating), 05 (their gradients), 11 (gradient penalties).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_edu.densities import GaussianMixture
from gan_edu.divergences import optimal_discriminator
from gan_edu.lipschitz import gradient_norms
from gan_edu.quadrature import Array, Function, expectation

__all__ = [
    "GAMES",
    "PENALTIES",
    "Game",
    "check_losses",
    "ebgan",
    "feature_matching",
    "find_game",
    "generator_gradient",
    "gradient_penalty",
]


def _reconstruction_error(out: Tensor, x: Tensor) -> Tensor:
    """Distance |AE(x) - x| between what an autoencoder returns and its input."""
    distance: Tensor = torch.linalg.vector_norm(out - x, dim=-1)
    return distance


def square(norm: Tensor) -> Tensor:
    """What R1 charges, n^2."""
    return norm**2


OUTPUTS = ("logit", "label", "score", "energy")
PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "two-sided": lambda norm: (norm - 1) ** 2,
    "one-sided": lambda norm: relu(norm - 1) ** 2,
    "hinge": lambda norm: relu(norm - 1),
}
"""What a gradient of norm n costs: (n - 1)^2 (Gulrajani et al. 2017), max(0, n - 1)^2 (Petzka et al. 2018), max(0, n - 1)."""


@dataclass(frozen=True)
class Game:
    """One game between a generator and a discriminator; both players minimise.

    Losses take one number a sample, shape (..., N), and return the mean over the batch, shape (...). In the games of
    classification these numbers are logits a, D = sigmoid(a), and losses are in nats. With softplus(a) = log(1 + e^a):
    log D = -softplus(-a) and log(1 - D) = -softplus(a), finite for every logit.
    """

    name: str
    """Key in `GAMES`."""
    d_loss: Callable[[Tensor, Tensor], Tensor]
    """(D's numbers for real, for fake) -> the discriminator's loss."""
    g_loss: Callable[[Tensor], Tensor]
    """D's numbers for fake -> the generator's loss."""
    minimises: str
    """What a generator step descends when D is optimal."""
    source: str
    """Where it was proposed."""
    output: str = "logit"
    """What D's numbers are: "logit"; "label", near 1 for real and 0 for fake; "score", any number; "energy", >= 0."""
    penalty: str | None = None
    """Key of `PENALTIES` for the critic's gradient, if the game has one."""
    penalty_weight: float = 0.0
    """lambda, unless the training sets its own."""
    clip: float | None = None
    """Bound of every weight and bias of the critic, unless the training sets its own."""
    match_features: bool = False
    """True if G matches the mean of D's last hidden layer instead of minimising `g_loss`."""

    def __post_init__(self) -> None:
        if self.penalty is not None and self.penalty not in PENALTIES:
            raise ValueError(f"penalty must be None or one of {sorted(PENALTIES)}, got {self.penalty!r}; choose one")
        if self.output not in OUTPUTS:
            raise ValueError(f"output must be one of {sorted(OUTPUTS)}, got {self.output!r}; choose one")

    def read(self, out: Tensor, x: Tensor) -> Tensor:
        """One number a sample, (..., N), from what the network returns for x."""
        return _reconstruction_error(out, x) if self.output == "energy" else out[..., 0]


def _softplus(a: Tensor) -> Tensor:
    """log(1 + e^a); PyTorch's own cuts to a from 20 on, which costs digits in float64."""
    return softplus(a, threshold=40)


def _label_loss(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """-E log D(real) - E log(1 - D(fake)) = -V, twice the binary cross-entropy of a batch that is half real."""
    return _softplus(-d_real).mean(-1) + _softplus(d_fake).mean(-1)


def _critic_loss(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """E f(fake) - E f(real): minus the critic's estimate of W1."""
    return d_fake.mean(-1) - d_real.mean(-1)


def ebgan(margin: float = 1.0) -> Game:
    """Energy-based game: D is an autoencoder, its energy the reconstruction error; real wants 0, fake at least the margin.

    Args:
        margin: m, the energy from which a generated sample is left alone.

    Raises:
        ValueError: the margin is not positive.

    Source: Zhao, Mathieu and LeCun (2017), equations 1 and 2. Chapter: 07.
    """
    if not 0 < margin < float("inf"):
        raise ValueError(f"margin must be positive and finite, got {margin}; try 1.0")
    return Game(
        "ebgan",
        lambda d_real, d_fake: d_real.mean(-1) + relu(margin - d_fake).mean(-1),
        lambda d_fake: d_fake.mean(-1),
        "E_{p_g}[D*] with D* the margin where p_g > p_data and 0 elsewhere",
        "Zhao, Mathieu and LeCun (2017), equations 1 and 2",
        output="energy",
    )


def smoothed(s: float) -> Callable[[Tensor, Tensor], Tensor]:
    """D's loss with one-sided label smoothing: of real samples it is to say 1 - s.

    -(1 - s) E log D(real) - s E log(1 - D(real)) - E log(1 - D(fake)), in nats.

    Source: Salimans et al. (2016), section 3.4. Chapter: 07.
    """
    return lambda d_real, d_fake: _label_loss(d_real, d_fake) + s * d_real.mean(-1)


def _minimax_loss(d_fake: Tensor) -> Tensor:
    """E log(1 - D(fake))."""
    return -_softplus(d_fake).mean(-1)


def _non_saturating_loss(d_fake: Tensor) -> Tensor:
    """-E log D(fake)."""
    return _softplus(-d_fake).mean(-1)


def _raise_loss(d_fake: Tensor) -> Tensor:
    """-E f(fake)."""
    return -d_fake.mean(-1)


def _squares_loss(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """E(D(real) - 1)^2 / 2 + E D(fake)^2 / 2."""
    return ((d_real - 1) ** 2).mean(-1) / 2 + (d_fake**2).mean(-1) / 2


def _square_loss(d_fake: Tensor) -> Tensor:
    """E(D(fake) - 1)^2 / 2."""
    return ((d_fake - 1) ** 2).mean(-1) / 2


# loss -> its derivative by each number, times the batch, and penalty -> its own; autograd finds those that are not here
SLOPES: dict[Callable[..., Tensor], Callable[..., tuple[Tensor, ...]]] = {
    _label_loss: lambda r, f: (-torch.sigmoid(-r), torch.sigmoid(f)),
    _minimax_loss: lambda f: (-torch.sigmoid(f),),
    _non_saturating_loss: lambda f: (-torch.sigmoid(-f),),
    _critic_loss: lambda r, f: (-torch.ones_like(r), torch.ones_like(f)),
    _raise_loss: lambda f: (-torch.ones_like(f),),
    _squares_loss: lambda r, f: (r - 1, f),
    _square_loss: lambda f: (f - 1,),
    PENALTIES["two-sided"]: lambda n: (2 * (n - 1),),
    PENALTIES["one-sided"]: lambda n: (2 * relu(n - 1),),
    square: lambda n: (2 * n,),
}
_W1 = "W1(p_data, p_g), if D is an optimal 1-Lipschitz critic"
_GP = Game(
    "wgan-gp",
    _critic_loss,
    _raise_loss,
    _W1,
    "Gulrajani et al. (2017), algorithm 1",
    output="score",
    penalty="two-sided",
    penalty_weight=10.0,
)
GAMES: dict[str, Game] = {
    game.name: game
    for game in (
        Game(
            "minimax",
            _label_loss,
            _minimax_loss,
            "2 JS(p_data, p_g) - log 4",
            "Goodfellow et al. (2014), equation 1 and algorithm 1",
        ),
        Game(
            "non-saturating",
            _label_loss,
            _non_saturating_loss,
            "KL(p_g || p_data) - 2 JS(p_data, p_g), in its gradient",
            "Goodfellow et al. (2014), section 3; Arjovsky and Bottou (2017), theorem 2.5",
        ),
        Game(
            "least-squares",
            _squares_loss,
            _square_loss,
            "E_{p_g}[(1 - D*)^2] / 2 in its gradient, D* = p_data / (p_data + p_g)",
            "Mao et al. (2017), with the labels 0 and 1",
            output="label",
        ),
        Game(
            "wgan-clip",
            _critic_loss,
            _raise_loss,
            _W1,
            "Arjovsky et al. (2017), algorithm 1",
            output="score",
            clip=0.01,
        ),
        _GP,
        replace(_GP, name="wgan-gp-one-sided", source="Petzka et al. (2018)", penalty="one-sided"),
        ebgan(),
        Game(
            "feature-matching",
            _label_loss,
            _non_saturating_loss,
            "|E f(real) - E f(fake)|^2 for the features f of D's last hidden layer",
            "Salimans et al. (2016), section 3.1",
            match_features=True,
        ),
    )
}
"""The games by name; `GAMES["mine"] = Game(...)` adds one."""


def find_game(name: str) -> Game:
    """The game of that name.

    Raises:
        ValueError: there is no such game; one of your own is registered first, `GAMES["mine"] = Game(...)`.

    Example:
        >>> find_game("minimax").minimises
        '2 JS(p_data, p_g) - log 4'
    """
    if name not in GAMES:
        choices = ", ".join(repr(known) for known in sorted(GAMES))
        raise ValueError(
            f"unknown game {name!r}; choose one of {choices}, or register your own by GAMES[{name!r}] = Game(...)"
        )
    return GAMES[name]


def check_losses(game: Game, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> None:
    """Refuse losses that an ensemble cannot train by, tried on random numbers of shape (3, 5): three members, five samples.

    Each member needs a finite loss of its own, shape (3,), that depends on its own numbers alone and is differentiable
    by them; a game's penalty must charge each norm by itself. PyTorch's usual `.mean()` mixes the members.

    Args:
        game: the game to try; its `g_loss` is left out where features are matched instead.
        dtype: type of the numbers.
        device: where the numbers are.

    Raises:
        ValueError: a loss or penalty has another shape, mixes members, is not finite or not differentiable. Errors of
            the losses' own code are passed on.

    Example:
        >>> check_losses(GAMES["minimax"])
        >>> check_losses(Game("mine", lambda r, f: f.mean() - r.mean(), lambda f: -f.mean(-1), "", ""))
        Traceback (most recent call last):
        ValueError: d_loss of game 'mine' must return shape (3,) for numbers of shape (3, 5), one loss a member, got shape
        (); take the mean over the last axis alone, .mean(-1)

    Chapter: 01.
    """
    stream, (members, samples) = torch.Generator("cpu").manual_seed(0), (3, 5)

    def numbers() -> Tensor:
        x = torch.randn(members, samples, generator=stream, dtype=torch.float64, device="cpu").to(device, dtype)
        return x.abs() if game.output == "energy" else x

    tries: list[tuple[str, Callable[..., Tensor], int, tuple[int, ...]]] = [("d_loss", game.d_loss, 2, (members,))]
    if not game.match_features:
        tries.append(("g_loss", game.g_loss, 1, (members,)))
    if game.penalty is not None:
        tries.append((f"penalty {game.penalty!r}", PENALTIES[game.penalty], 1, (members, samples)))
    used = [device] if torch.device(device).type == "cuda" else []
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(used):  # a loss may draw noise
        for name, loss, kinds, shape in tries:
            given, others = ([numbers() for _ in range(kinds)] for _ in range(2))
            if len(shape) > 1:  # norms are not negative
                given, others = ([x.abs() for x in some] for some in (given, others))
            _check_loss(f"{name} of game {game.name!r}", loss, given, others, shape)


def _check_loss(
    name: str, loss: Callable[..., Tensor], given: Sequence[Tensor], others: Sequence[Tensor], shape: tuple[int, ...]
) -> None:
    """Refuse a function of numbers whose entry e, of so many, does not depend on the numbers of e alone, and smoothly."""
    each = "loss a member" if len(shape) == 1 else "charge a norm"
    mend = "take the mean over the last axis alone, .mean(-1)" if len(shape) == 1 else "leave out means and sums"
    given = [x.requires_grad_() for x in given]
    out = loss(*given)
    if not isinstance(out, Tensor) or out.shape != shape:
        got = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"type {type(out).__name__}"
        of = tuple(given[0].shape)
        raise ValueError(f"{name} must return shape {shape} for numbers of shape {of}, one {each}, got {got}; {mend}")
    if not out.requires_grad:
        raise ValueError(
            f"{name} must be differentiable by D's numbers, got one that is cut off from them; leave out detach, item, "
            "no_grad and NumPy, and write a constant as 0 * d.mean(-1)"
        )
    steady = torch.equal(out, loss(*given))
    for e in np.ndindex(shape):
        slopes = torch.autograd.grad(out[e], given, retain_graph=True, materialize_grads=True)
        if not all(v.isfinite().all() for v in (out[e], *slopes)):
            low, high = min(x.min().item() for x in given), max(x.max().item() for x in given)
            raise ValueError(
                f"{name} must be finite, and its gradient too, got {out[e].item():.6g} for numbers from {low:.2f} to "
                f"{high:.2f}; D's numbers are no probabilities: for a logit a, log D is -softplus(-a)"
            )
        own = torch.zeros(given[0].shape, dtype=torch.bool, device=given[0].device)
        own[e] = True
        again = loss(*(torch.where(own, x, other) for x, other in zip(given, others, strict=True)))[e]
        moved = steady and not torch.allclose(again, out[e], rtol=1e-4, atol=1e-6)
        if moved or any(slope[~own].any() for slope in slopes):
            raise ValueError(f"{name} must give one {each} from its own numbers, got one that mixes them; {mend}")


def generator_gradient(p_data: GaussianMixture, p_g: GaussianMixture, game: str = "minimax") -> tuple[Array, Array]:
    """Gradient of the generator's expected loss against D*, D* held fixed: by the means and by the stds of p_g.

    With x = mu_k + s_k z and the loss l(a) at the logit a of D*, dL/dmu_k = w_k E_k[l'(a(x)) grad a(x)], and
    dL/ds_k = w_k E_k[l'(a(x)) grad a(x) . z], where grad a = score of p_data - score of p_g.

    Args:
        p_data: density of the data, in one or two dimensions.
        p_g: density of the generator, K components.
        game: a key of `GAMES` whose discriminator is a classifier.

    Returns:
        two arrays, (K, d) and (K,), in nats per unit of x.

    Raises:
        ValueError: the densities do not fit, the game is unknown, or its losses are refused by `check_losses`.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> p, g = gaussian(0.0), gaussian(8.0)
        >>> [generator_gradient(p, g, name)[0].round(6).item() for name in ("minimax", "non-saturating")]
        [0.000393, 7.999607]

    Source: Arjovsky and Bottou (2017), theorems 2.4 and 2.5. Chapter: 05.
    """
    rules = find_game(game)
    if rules.output != "logit" or rules.match_features:
        raise ValueError(f"the game must be one of classification, such as 'minimax', got {game!r}; D* is a classifier")
    check_losses(rules, dtype=torch.float64)
    best, loss = optimal_discriminator(p_data, p_g), rules.g_loss

    def pull(x: Array) -> Array:
        """l'(a) grad a, shape (n, d)."""
        with torch.inference_mode(False), torch.enable_grad():
            a = torch.tensor(best.logit(x)[:, None], requires_grad=True, device="cpu")
            (slope,) = torch.autograd.grad(loss(a).sum(), a)
        gradient: Array = slope.numpy() * (p_data.score(x) - p_g.score(x)).reshape(len(a), -1)
        return gradient

    def by_parameters(part: GaussianMixture) -> list[float]:
        def along(axis: int) -> Function:
            return lambda x: pull(x)[:, axis]

        def outwards(x: Array) -> Array:
            z = (x.reshape(-1, part.dim) - part.means) / part.stds
            return np.asarray((pull(x) * z).sum(-1))

        return [expectation(part, f, near=(p_data, p_g)) for f in (*map(along, range(part.dim)), outwards)]

    parts = [GaussianMixture(mean[None], std) for mean, std in zip(p_g.means, p_g.stds, strict=True)]
    gradients = p_g.weights[:, None] * [by_parameters(part) for part in parts]
    return gradients[:, :-1], gradients[:, -1]


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    one_sided: bool = False,
    *,
    generator: torch.Generator | None = None,
    eps: Tensor | None = None,
) -> Tensor:
    """E[(|grad f(x_hat)| - 1)^2] at x_hat = eps real + (1 - eps) fake, one eps ~ U(0, 1) for each pair; shape (...).

    Differentiable by the critic's parameters. The weight lambda is the caller's.

    Args:
        critic: maps points (..., N, d) to one number each, each from its own point alone.
        real: samples of the data, (..., N, d).
        fake: samples of the generator, the same shape.
        one_sided: True for max(0, |grad f| - 1)^2, which lets gradients be small.
        generator: source of eps; the global one if left out.
        eps: the eps themselves, shape (..., N), instead of drawing them.

    Raises:
        ValueError: the shapes differ, or the critic is refused by `gradient_norms`: it returns several numbers a point, or
            is cut off from autograd.

    Example:
        >>> x = torch.zeros(4, 2)
        >>> gradient_penalty(lambda x: 3 * x[..., 0], x, x + 1).item()
        4.0

    Source: Gulrajani et al. (2017), equation 3 and algorithm 1. Chapter: 11.
    """
    if real.shape != fake.shape or real.ndim < 2 or (eps is not None and eps.shape != real.shape[:-1]):
        shapes = [tuple(t.shape) for t in (real, fake, eps) if t is not None]
        raise ValueError(f"real and fake must have one shape (..., N, d) and eps (..., N), got {shapes}; pair them")
    if eps is None:
        source = "cpu" if generator is None else generator.device
        eps = torch.rand(real.shape[:-1], generator=generator, dtype=real.dtype, device=source).to(real.device)
    x_hat = eps[..., None] * real + (1 - eps[..., None]) * fake
    norms = gradient_norms(critic, x_hat.detach(), create_graph=True)
    return PENALTIES["one-sided" if one_sided else "two-sided"](norms).mean(-1)


def feature_matching(f_real: Tensor, f_fake: Tensor) -> Tensor:
    """|E f(real) - E f(fake)|^2, the squared distance of the batches' mean features: (..., N, k) and (..., M, k) -> (...).

    Example:
        >>> feature_matching(torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0]])).item()
        9.0

    Source: Salimans et al. (2016), section 3.1. Chapter: 07.
    """
    return ((f_real.mean(-2) - f_fake.mean(-2)) ** 2).sum(-1)
