"""Each setting and its refusal; the presets."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from typing import Any

import pytest
from trainings import DATA, TINY

from gan_edu.training import PRESETS, TrainConfig, train
from gan_edu.training.settings import RULES


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_settings(name: str) -> None:
    run = train(DATA, **{**PRESETS[name], **TINY})
    assert run.config.game == PRESETS[name]["game"]
    assert run.config.critic_steps == (5 if "wgan" in name else 1)


def test_the_presets_are_the_papers() -> None:
    slow: dict[str, Any] = dict(lr_g=1e-4, lr_d=1e-4)
    adam = dict(game="non-saturating", **slow, betas=(0.8, 0.999))
    gp = dict(game="wgan-gp", **slow, penalty_weight=10.0, betas=(0.0, 0.9), batch_size=64, critic_steps=5)
    clip = dict(game="wgan-clip", clip=0.01, optimizer="rmsprop", batch_size=64, critic_steps=5)
    assert PRESETS["pacgan"] == dict(pack=2, batch_size=200, **adam)
    assert PRESETS["dcgan"] == {**adam, "lr_g": 2e-4, "lr_d": 2e-4, "betas": (0.5, 0.999), "batch_size": 128}
    assert PRESETS["wgan"] == {**clip, "lr_g": 5e-5, "lr_d": 5e-5}
    assert PRESETS["wgan-gp"] == gp
    toy = dict(penalty_weight=0.1, betas=(0.5, 0.9), batch_size=256, hidden=(512, 512, 512))
    assert PRESETS["wgan-gp-toy"] == {**gp, **toy}


def test_what_is_not_set_is_as_every_chapter_takes_it() -> None:
    fixed: dict[str, Any] = dict(members=16, steps=2000, batch_size=256, critic_steps=1, generator_steps=1)
    fixed |= dict(hidden=(64, 64), activation="relu", latent_dim=2, latent="normal", lr_g=1e-3, lr_d=1e-3, lr_decay=0.0)
    fixed |= dict(game="non-saturating", optimizer="adam", betas=(0.5, 0.9), penalty_weight=None, clip=None, r1=0.0)
    fixed |= dict(instance_noise=0.0, pack=1, kernels=0, smoothing=0.0, classes=0, record=(), snapshots=20, probes=4096)
    assert asdict(TrainConfig()) == fixed | dict(
        standardize=False, seed=0, device="auto", dtype="float32", progress=True
    )


LEAST, LARGEST, BELOW_1 = 5e-324, math.nextafter(math.inf, 0), math.nextafter(1.0, 0)
BOUNDS: list[tuple[str, Any, Any]] = [  # a setting, the last value that it may have, the first beyond
    *((name, 1, 0) for name in ("members", "batch_size", "latent_dim", "snapshots", "probes", "pack")),
    *((name, 0, -1) for name in ("steps", "critic_steps", "generator_steps", "seed", "kernels", "classes")),
    *((name, LEAST, 0.0) for name in ("lr_g", "lr_d")),
    *((name, 0.0, -LEAST) for name in ("penalty_weight", "clip", "r1", "instance_noise", "lr_decay", "smoothing")),
    *((name, LARGEST, math.inf) for name in ("lr_g", "lr_d", "penalty_weight", "clip", "r1", "instance_noise")),
    ("lr_decay", LARGEST, math.inf),
    ("smoothing", BELOW_1, 1.0),
    ("betas", (0.0, BELOW_1), (0.0, 1.0)),
    ("betas", (BELOW_1, 0.0), (1.0, 0.0)),
    ("betas", (0.0, 0.0), (0.0, -LEAST)),
    ("betas", (0.5, 0.0), (-LEAST, 0.0)),
    ("hidden", (3, 1), (3, 0)),
    ("hidden", (1,), ()),
]


@pytest.mark.parametrize(("name", "inside", "outside"), BOUNDS)
def test_a_setting_may_be_at_its_bound_and_not_beyond(name: str, inside: Any, outside: Any) -> None:
    game = "wgan-gp" if name == "penalty_weight" else "minimax"
    given = getattr(TrainConfig(game=game, **{name: inside}), name)
    assert (given, type(given)) == (inside, type(inside))  # 0 is a number, and no way to say "the default"
    with pytest.raises(ValueError, match=f"^{name} must .*, got {re.escape(repr(outside))}"):
        TrainConfig(game=game, **{name: outside})


def test_every_setting_with_a_bound_is_tried_at_it() -> None:
    choices = {"standardize", "progress", "latent", "device", "optimizer", "record", "dtype"}
    assert {name for name, *_ in BOUNDS} == set(RULES) - choices


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"game": "wgan"}, "unknown game 'wgan'; choose one of"),
        ({"members": 0}, "members must be a whole number of at least 1, got 0; change it"),
        ({"members": 2.0}, "members must be a whole number of at least 1, got 2.0; change it"),
        ({"steps": -1}, "steps must be a whole number of at least 0, got -1; change it"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0; change it"),
        ({"critic_steps": True}, "critic_steps must be a whole number of at least 0, got True; change it"),
        ({"latent_dim": 0}, "latent_dim must be a whole number of at least 1, got 0; change it"),
        ({"snapshots": 0}, "snapshots must be a whole number of at least 1, got 0; change it"),
        ({"generator_steps": -1}, "generator_steps must be a whole number of at least 0, got -1; change it"),
        ({"lr_g": 0.0}, "lr_g must be a positive finite number, got 0.0; try 1e-3"),
        ({"lr_d": float("inf")}, "lr_d must be a positive finite number, got inf; try 1e-3"),
        ({"lr_d": float("nan")}, "lr_d must be a positive finite number, got nan; try 1e-3"),
        ({"betas": (0.5, 1.0)}, "betas must be two numbers in [0, 1), got (0.5, 1.0); try (0.5, 0.9)"),
        ({"betas": (0.5,)}, "betas must be two numbers in [0, 1), got (0.5,); try (0.5, 0.9)"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64', got 'float16'; choose one"),
        ({"hidden": ()}, "hidden must be a tuple of whole widths of 1 or more, got (); try (64, 64)"),
        ({"hidden": 64}, "hidden must be a tuple of whole widths of 1 or more, got 64; try (64, 64)"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1; change it"),
        ({"hidden": (8, 0)}, "hidden must be a tuple of whole widths of 1 or more, got (8, 0); try (64, 64)"),
        ({"activation": "gelu"}, "unknown activation 'gelu'; choose one of 'relu', 'softplus', 'tanh'"),
        ({"optimizer": "lion"}, "optimizer must be 'adam', 'rmsprop' or 'sgd', got 'lion'; choose one"),
        ({"latent": "cauchy"}, "latent must be 'normal' or 'uniform', got 'cauchy'; choose one"),
        ({"lr_decay": -1.0}, "lr_decay must be finite and not negative, got -1.0"),
        ({"smoothing": 1.0}, "smoothing must be a number in [0, 1), got 1.0; try 0.1"),
        ({"smoothing": 0.1, "game": "wgan-gp"}, "smoothing needs a game of classification, got 'wgan-gp'"),
        ({"probes": 0}, "probes must be a whole number of at least 1, got 0"),
        ({"standardize": "yes"}, "standardize must be True or False, got 'yes'; choose one"),
        ({"betas": 0.5}, "betas must be two numbers in [0, 1), got 0.5; try (0.5, 0.9)"),
        ({"device": 3}, "device must be a name, got 3; try 'auto'"),
        ({"r1": -1.0}, "r1 must be finite and not negative, got -1.0; 0 turns it off"),
        ({"instance_noise": float("nan")}, "instance_noise must be finite and not negative, got nan"),
        ({"clip": float("inf")}, "clip must be finite and not negative, got inf"),
        ({"penalty_weight": 1.0}, "penalty_weight needs a game with a gradient penalty, got 'non-saturating'"),
        ({"penalty_weight": 0.0}, "penalty_weight needs a game with a gradient penalty, got 'non-saturating'"),
        ({"game": "wgan-clip", "clip": 0, "record": ("at_clip",)}, "needs clipped weights, got 'wgan-clip' without"),
        ({"device": "tpu"}, "device must be 'auto', 'cpu' or a CUDA device that is there, got 'tpu'; choose another"),
        ({"pack": 0}, "pack must be a whole number of at least 1, got 0"),
        ({"pack": 3}, "batch_size must be a multiple of pack, got 16 and 3; change one"),
        ({"kernels": -1}, "kernels must be a whole number of at least 0, got -1"),
        ({"kernels": 2, "game": "wgan-gp"}, "got 'wgan-gp' with r1 = 0.0"),
        ({"kernels": 2, "r1": 0.5}, "with r1 = 0.5; set kernels=0"),
        ({"kernels": 2, "game": "ebgan"}, "got 'ebgan'"),
        ({"record": ("w2",)}, "got ('w2',); change it"),
        ({"record": "w1"}, "got 'w1'; change it"),
        ({"record": ("w1", "w1")}, "record must be a tuple of different names from"),
        ({"lr_d": "1e-3"}, "lr_d must be a positive finite number, got '1e-3'"),
        ({"record": ("at_clip",)}, "recording 'at_clip' needs clipped weights, got 'non-saturating' without; set clip"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        train(DATA, **{**TINY, **settings})


def test_unknown_setting() -> None:
    with pytest.raises(
        TypeError, match=r"^unknown setting 'learning_rate'; choose from activation, batch_size, betas, classes, clip"
    ):
        train(DATA, learning_rate=1e-3)
