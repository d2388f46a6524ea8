"""From the parameters of a case to the objects of gan_edu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gan_edu import GaussianMixture, gaussian

Params = dict[str, Any]
Answer = list[float]
Route = Callable[[Params], Answer]


def law(spec: Params) -> GaussianMixture:
    """A mixture {"w", "mu", "sd"} or a Gaussian {"mean", "std"}."""
    return gaussian(spec["mean"], spec["std"]) if "mean" in spec else GaussianMixture(spec["mu"], spec["sd"], spec["w"])


def pair(params: Params) -> tuple[GaussianMixture, GaussianMixture]:
    return (law(params["p"]), law(params["q"])) if "p" in params else (law(params["pr"]), law(params["pg"]))


def unit(params: Params) -> float:
    """What a value in nats is divided by: log of the base that the case asks for."""
    base = params.get("log_base", "e")
    return 1.0 if base == "e" else float(np.log(float(base)))
