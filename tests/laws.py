"""Laws that several test files compare: random mixtures and vectors for hypothesis, and what is known of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gan_edu.densities import GaussianMixture

LOG2 = float(np.log(2))

weights = st.lists(st.floats(0.05, 1), min_size=1, max_size=3).map(lambda w: np.array(w) / sum(w))
mixtures = weights.flatmap(
    lambda w: st.builds(
        lambda means, stds: GaussianMixture(means, stds, w),
        st.lists(st.floats(-4, 4), min_size=len(w), max_size=len(w)),
        st.lists(st.floats(0.2, 2), min_size=len(w), max_size=len(w)),
    )
)
two_vectors = st.integers(2, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(0.01, 1), min_size=n, max_size=n).map(lambda v: np.array(v) / sum(v))] * 2)
)


def gauss_kl(m1: float, s1: float, m2: float, s2: float) -> float:
    """KL(N(m1, s1) || N(m2, s2)), the textbook's closed form."""
    return float(np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5)


def mid(p: GaussianMixture, q: GaussianMixture) -> GaussianMixture:
    return GaussianMixture(np.vstack([p.means, q.means]), np.r_[p.stds, q.stds], np.r_[p.weights, q.weights] / 2)


def moved(p: GaussianMixture, scale: float, shift: float) -> GaussianMixture:
    """The law of scale * x + shift."""
    return GaussianMixture(scale * p.means + shift, abs(scale) * p.stds, p.weights)
