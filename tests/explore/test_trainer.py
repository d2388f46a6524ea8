"""Tests of the trainer in the page: it repeats `gan_edu.training` from the same start and batches, number by number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gan_edu.explore
from gan_edu.densities import GaussianMixture, ring, two_modes

torch = pytest.importorskip("torch")

from gan_edu.games import GAMES  # noqa: E402
from gan_edu.networks import ACTIVATIONS  # noqa: E402
from gan_edu.training import TrainConfig, train  # noqa: E402
from gan_edu.training.batches import Batches, Draws  # noqa: E402
from gan_edu.training.run import networks  # noqa: E402
from gan_edu.training.settings import OPTIMIZERS  # noqa: E402

SCRIPT = (Path(gan_edu.explore.__file__).parent / "trainer.js").read_text(encoding="utf-8")
MEMBER = 1  # of two: not the first
STEPS = 20
ODD = dict(hidden=(7, 5), batch_size=11, latent_dim=3)  # nothing that is a multiple of four
LOPSIDED = GaussianMixture([[2.0, 0.5], [-1.0, 1.0]], [0.3, 0.7], [0.25, 0.75])
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    **{f"{game}, {act}": (ring(), dict(game=game, activation=act))
       for game in ("minimax", "non-saturating", "least-squares", "wgan-clip", "wgan-gp", "wgan-gp-one-sided")
       for act in ("relu", "tanh", "softplus")},
    "k = 2": (two_modes(), dict(critic_steps=2, lr_d=3e-3)),
    "k = 0": (two_modes(), dict(critic_steps=0)),
    "two updates of G": (LOPSIDED, dict(generator_steps=2, lr_g=2e-3)),
    "G frozen": (LOPSIDED, dict(generator_steps=0)),
    "RMSprop": (LOPSIDED, dict(optimizer="rmsprop", game="wgan-clip", clip=0.2, critic_steps=2)),
    "plain descent": (LOPSIDED, dict(optimizer="sgd", lr_g=0.05, lr_d=0.1)),
    "betas": (LOPSIDED, dict(betas=(0.0, 0.99), game="minimax")),
    "R1": (LOPSIDED, dict(r1=0.7)),
    "R1, bent": (LOPSIDED, dict(r1=0.7, activation="tanh")),
    "R1 and penalty": (LOPSIDED, dict(r1=0.3, game="wgan-gp", activation="softplus", penalty_weight=0.5)),
    "no penalty": (LOPSIDED, dict(game="wgan-gp", penalty_weight=0)),
    "no clipping": (LOPSIDED, dict(game="wgan-clip", clip=0)),
    "instance noise": (LOPSIDED, dict(instance_noise=0.4)),
    "uniform z": (LOPSIDED, dict(latent="uniform")),
    "one-dimensional critic": (two_modes(), dict(game="wgan-gp", activation="tanh", hidden=(6, 5, 4))),
    "one layer": (two_modes(), dict(hidden=(9,), batch_size=4)),
    "single samples": (LOPSIDED, dict(batch_size=1, game="minimax")),
}  # fmt: skip


def replay(law: GaussianMixture, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the page needs to repeat a training of two members, and what the training was, member `MEMBER`."""
    settings = {**ODD, **given, "members": 2, "steps": STEPS, "snapshots": STEPS, "seed": 3}
    run = train(law, **settings, dtype="float64", device="cpu", progress=False, probes=8)
    config: TrainConfig = run.config
    draws = Draws(law, None, config, law.dim, torch.device("cpu"), range(2))

    def fed(batches: Batches, count: int) -> list[Any]:
        return [next(batches)[MEMBER].T.contiguous().numpy().ravel().tolist() for _ in range(count)]

    k, g = config.critic_steps, config.generator_steps
    queues = {
        "real": fed(draws.real, STEPS * k),
        "noise": fed(draws.noise, STEPS * (k + g)),
        "eps": fed(draws.eps, STEPS * k),
        "blur": fed(draws.blur, STEPS * (2 * k + g)),
    }
    nets = networks(config, law.dim)
    names = ("game", "batch_size", "critic_steps", "generator_steps", "hidden", "activation", "latent_dim", "latent")
    more = ("lr_g", "lr_d", "optimizer", "betas", "penalty_weight", "clip", "r1", "instance_noise", "seed")
    page = {
        "settings": {name: getattr(config, name) for name in names + more},
        "dim": law.dim,
        "queues": queues,
        "start": [weights(net) for net in nets],
        "steps": STEPS,
    }
    return page, {
        "d": run.d_loss[1:, MEMBER],
        "g": run.g_loss[1:, MEMBER],
        "end": [weights(run.generator), weights(run.discriminator)],
    }


def weights(net: Any) -> list[float]:
    """Layer after layer, W as (in, out), then b."""
    parts = [p for w, b in zip(net.weights, net.biases, strict=True) for p in (w, b)]
    return torch.cat([p.detach()[MEMBER].reshape(-1) for p in parts]).double().tolist()


PLAY = """({settings, dim, queues, start, steps}) => {
  const run = trainer.create({dim, means: [Array(dim).fill(0)], stds: [1], weights: [1]}, settings);
  [run.G, run.D].forEach((net, i) => net.theta.set(start[i]));
  const next = name => { if (!queues[name].length) throw Error("nothing left of " + name); return queues[name].shift(); };
  for (const name of ["real", "noise", "eps"]) run.draw[name] = to => to.set(next(name));
  run.draw.blur = to => next("blur").forEach((v, i) => { to[i] += settings.instance_noise * v; });
  const d = [], g = [], sums = [0, 0];
  const noted = (step, name, list) => { const old = run[step]; run[step] = () => { old(); list.push(run[name]); }; };
  noted("stepD", "d_loss", d); noted("stepG", "g_loss", g);
  for (let i = 0; i < steps; i++) run.step();
  return {d, g, end: [Array.from(run.G.theta), Array.from(run.D.theta)], steps: run.steps, finite: run.finite};
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    opened = browser.new_page()
    opened.set_content(f"<script>{SCRIPT}</script>")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", CASES)
def test_the_page_repeats_the_training(page: Any, name: str) -> None:
    law, given = CASES[name]
    sent, want = replay(law, given)
    got = page.evaluate(PLAY, sent)
    assert got["steps"] == STEPS
    assert got["finite"]
    for player, count in (("d", sent["settings"]["critic_steps"]), ("g", sent["settings"]["generator_steps"])):
        if count:
            np.testing.assert_allclose(np.reshape(got[player], (STEPS, count)).mean(1), want[player], atol=1e-9, rtol=0)
        else:
            assert got[player] == []
    # The true gradient of a critic's last bias is 0, and Adam turns what rounding leaves of it into steps.
    last = -1 if GAMES[sent["settings"]["game"]].output == "score" else None
    for mine, theirs, cut in zip(got["end"], want["end"], (None, last), strict=True):
        assert np.abs(mine).max() > 0.005
        np.testing.assert_allclose(mine[:cut], theirs[:cut], atol=1e-9, rtol=0)


def test_the_cases_meet_every_choice() -> None:
    settings = [given for _, given in CASES.values()]
    assert {s.get("activation", "relu") for s in settings} == set(ACTIVATIONS)
    assert {s.get("optimizer", "adam") for s in settings} == set(OPTIMIZERS)


@pytest.mark.parametrize(
    "name", ["minimax", "non-saturating", "least-squares", "wgan-clip", "wgan-gp", "wgan-gp-one-sided"]
)
def test_games_cost_what_the_package_says(page: Any, name: str) -> None:
    """Losses and slopes of the page at random and at large numbers, against `GAMES` and autograd."""
    game, rng = GAMES[name], np.random.default_rng(1)
    numbers = torch.tensor(np.concatenate([rng.normal(0, 2, 20), [0.0, 30.0, -30.0, 800.0, -800.0]]))[:, None]
    zero = torch.zeros_like(numbers)
    rules = [
        lambda x: game.d_loss(x, zero) - game.d_loss(zero, zero),
        lambda x: game.d_loss(zero, x) - game.d_loss(zero, zero),
        game.g_loss,
    ]
    ask = "([game, x]) => ['real', 'fake', 'g'].map(k => trainer.GAMES[game][k].map(f => x.map(f)))"
    for k, (rule, (loss, slope)) in enumerate(
        zip(rules, page.evaluate(ask, [name, numbers[:, 0].tolist()]), strict=True)
    ):
        x = numbers.clone().requires_grad_()
        value = rule(x)
        (derivative,) = torch.autograd.grad(value.sum(), x)
        at_zero = page.evaluate("([game, k]) => trainer.GAMES[game][k][0](0)", [name, ("real", "fake", "g")[k]])
        np.testing.assert_allclose(np.array(loss) - (at_zero if k < 2 else 0), value.detach(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(slope, derivative[:, 0], rtol=1e-12, atol=1e-300)
    kept = page.evaluate(
        "name => { const g = trainer.GAMES[name]; return [g.output, g.penalty || null, g.penalty_weight || 0, g.clip || null]; }",
        name,
    )
    assert kept == [game.output, game.penalty, game.penalty_weight, game.clip]


def test_samples_have_their_law(page: Any) -> None:
    """Moments and shares of a lopsided mixture and of rows, by 200,000 draws; 5 standard errors."""
    law = {"dim": 2, "means": [[2, 0.5], [-1, 1]], "stds": [0.3, 0.7], "weights": [0.25, 0.75]}
    draw = "([law, n, seed]) => Array.from(trainer.sample(law, n, trainer.randomness(seed)))"
    x = np.reshape(page.evaluate(draw, [law, 200_000, 5]), (2, -1))
    np.testing.assert_allclose(x.mean(1), LOPSIDED.weights @ LOPSIDED.means, atol=0.016)
    assert (x[0] > 0.9).mean() == pytest.approx(0.25 + 0.75 * 0.00332, abs=0.005)
    np.testing.assert_allclose(np.cov(x), np.cov(LOPSIDED.sample(400_000, generator=0).T), atol=0.025)
    rows = {"dim": 1, "rows": [[1.0], [2.0], [2.0], [9.0]]}
    y = np.array(page.evaluate(draw, [rows, 40_000, 5]))
    assert [(y == v).mean() for v in (1, 2, 9)] == pytest.approx([0.25, 0.5, 0.25], abs=0.011)
    assert set(y) == {1.0, 2.0, 9.0}


def test_seeds_repeat_and_differ(page: Any) -> None:
    make = """seed => { const run = trainer.create({dim: 1, means: [[0]], stds: [1], weights: [1]}, SETTINGS(seed));
      for (let i = 0; i < 3; i++) run.step(); return [run.d_loss, run.g_loss, ...run.G.theta, ...run.D.theta]; }"""
    settings = dict(game="minimax", batch_size=8, hidden=[4], latent_dim=2, activation="relu", optimizer="adam", betas=[0.5, 0.9],
                    lr_g=1e-3, lr_d=1e-3, critic_steps=1, generator_steps=1, instance_noise=0, r1=0)  # fmt: skip
    page.evaluate(f"() => {{ window.SETTINGS = seed => ({{...{json.dumps(settings)}, seed}}); }}")
    runs = [page.evaluate(make, seed) for seed in (1, 2, 1)]
    assert runs[0] == runs[2]
    assert not set(runs[0]) & set(runs[1])


def test_a_diverged_run_is_frozen(page: Any) -> None:
    """As in `train`: parameters keep the last finite numbers, and no step is counted after that."""
    settings = dict(game="least-squares", batch_size=8, hidden=[4], latent_dim=2, activation="relu", optimizer="sgd", betas=[0.5, 0.9],
                    lr_g=1e200, lr_d=1e200, critic_steps=1, generator_steps=1, instance_noise=0, r1=0, seed=1)  # fmt: skip
    got = page.evaluate(
        """settings => { const run = trainer.create({dim: 1, means: [[0]], stds: [1], weights: [1]}, settings);
        for (let i = 0; i < 50; i++) run.step();
        return [run.finite, run.steps, [...run.G.theta, ...run.D.theta].every(isFinite)]; }""",
        settings,
    )
    assert got[0] is False
    assert got[1] < 50
    assert got[2] is True
