"""Each setting and its refusal; the presets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from trainings import DATA, TINY

from gan_edu.training import PRESETS, train


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_settings(name: str) -> None:
    run = train(DATA, **{**PRESETS[name], **TINY})
    assert run.config.game == PRESETS[name]["game"]
    assert run.config.critic_steps == (5 if "wgan" in name else 1)


def test_the_presets_are_the_papers() -> None:
    gp, toy, clip, pac = (PRESETS[name] for name in ("wgan-gp", "wgan-gp-toy", "wgan", "pacgan"))
    adam = dict(game="non-saturating", lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999))
    assert pac == dict(pack=2, batch_size=200, **adam)
    assert PRESETS["dcgan"] == {**adam, "lr_g": 2e-4, "lr_d": 2e-4, "betas": (0.5, 0.999), "batch_size": 128}
    assert (gp["penalty_weight"], gp["lr_g"], gp["lr_d"], gp["betas"]) == (10.0, 1e-4, 1e-4, (0.0, 0.9))
    assert (toy["penalty_weight"], toy["betas"], toy["batch_size"], toy["hidden"]) == (0.1, (0.5, 0.9), 256, (512,) * 3)
    assert (clip["clip"], clip["optimizer"], clip["lr_d"], clip["batch_size"]) == (0.01, "rmsprop", 5e-5, 64)


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
