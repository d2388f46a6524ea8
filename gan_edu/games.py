"""The losses of each game, as data: what the discriminator minimises, what the generator minimises, and where that leads.

Chapter: 01 (minimax, non-saturating).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["GAMES", "Game", "find_game"]


@dataclass(frozen=True)
class Game:
    """One game between a generator and a discriminator; both players minimise.

    Losses take logits a (D = sigmoid(a)) of shape (..., N) and return the mean over the batch, shape (...), in nats.
    With softplus(a) = log(1 + e^a): log D = -softplus(-a) and log(1 - D) = -softplus(a), finite for every logit.
    """

    name: str
    d_loss: Callable[[Tensor, Tensor], Tensor]
    """(logits of real, logits of fake) -> the discriminator's loss."""
    g_loss: Callable[[Tensor], Tensor]
    """logits of fake -> the generator's loss."""
    minimises: str
    """What a generator step descends when D is optimal."""
    source: str


def _label_loss(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """-E log D(real) - E log(1 - D(fake)) = -V, twice the binary cross-entropy of a batch that is half real."""
    return softplus(-d_real).mean(-1) + softplus(d_fake).mean(-1)


GAMES: dict[str, Game] = {
    "minimax": Game(
        "minimax",
        _label_loss,
        lambda d_fake: -softplus(d_fake).mean(-1),  # E log(1 - D(fake))
        "2 JS(p_data, p_g) - log 4",
        "Goodfellow et al. (2014), equation 1 and algorithm 1",
    ),
    "non-saturating": Game(
        "non-saturating",
        _label_loss,
        lambda d_fake: softplus(-d_fake).mean(-1),  # -E log D(fake)
        "KL(p_g || p_data) - 2 JS(p_data, p_g), in its gradient",
        "Goodfellow et al. (2014), section 3; Arjovsky and Bottou (2017), theorem 2.5",
    ),
}


def find_game(name: str) -> Game:
    """The game of that name.

    Raises:
        ValueError: there is no such game.

    Example:
        >>> find_game("minimax").minimises
        '2 JS(p_data, p_g) - log 4'
    """
    if name not in GAMES:
        choices = ", ".join(repr(known) for known in sorted(GAMES))
        raise ValueError(f"unknown game {name!r}; choose one of {choices}")
    return GAMES[name]
