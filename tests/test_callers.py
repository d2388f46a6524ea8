"""What callers hand over and how they have set NumPy up: masks, tensors, float32, no densities, `np.seterr`."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import gan_edu
from gan_edu import (
    GaussianMixture,
    Uniform,
    binned,
    cross_entropy,
    expectation,
    fit_gaussian,
    gaussian,
    grid,
    interpolates,
    interval,
    js,
    kl,
    kl_gaussians,
    mode_coverage,
    nearest_neighbours,
    null_coverage,
    optimal_critic,
    optimal_discriminator,
    parzen_log_likelihood,
    ring,
    sample_js,
    sample_w1,
    total_variation,
    two_modes,
    value,
    wasserstein1,
)
from gan_edu.transport import transport

X = np.ma.masked_values([0.0, 0.1, 0.2, -999.0], -999.0)
PAIRS = np.ma.masked_values([[0.0, 0.1], [0.2, -999.0]], -999.0)
P = np.ma.masked_values([0.2, 0.3, 0.5, -999.0], -999.0)
HALF = [0.25] * 4
ONE, TWO = gaussian(), gaussian([0.0, 0.0])

# --- masked arrays -----------------------------------------------------------------------------------------------

MASKED: dict[str, Callable[[], Any]] = {
    "means": lambda: GaussianMixture(X, 1.0),
    "stds": lambda: GaussianMixture([0.0] * 4, X),
    "weights": lambda: GaussianMixture([0.0] * 4, 1.0, P),
    "mean": lambda: gaussian(X),
    "std": lambda: gaussian(0.0, np.ma.masked),
    "low": lambda: Uniform(np.ma.masked, 1.0),
    "high": lambda: Uniform(0.0, np.ma.masked),
    "prob": lambda: ONE.prob(X),
    "log_prob": lambda: TWO.log_prob(PAIRS),
    "score": lambda: ONE.score(X),
    "cdf": lambda: ONE.cdf(X),
    "sf": lambda: ONE.sf(X),
    "smoothed": lambda: ONE.smoothed(np.ma.masked),
    "uniform prob": lambda: Uniform().prob(X),
    "uniform cdf": lambda: Uniform().cdf(X),
    "uniform sf": lambda: Uniform().sf(X),
    "expectation of a vector": lambda: expectation(P, HALF),
    "expectation of values": lambda: expectation(HALF, X),
    "expectation of a function": lambda: expectation(ONE, lambda x: np.ma.masked_less(x, 0.0)),
    **{
        f"{f.__name__} {k}": lambda f=f, k=k: f(*((P, HALF) if k == "p" else (HALF, P)))
        for f in (kl, js, total_variation, cross_entropy, wasserstein1)
        for k in "pq"
    },
    "wasserstein1 points": lambda: wasserstein1(HALF, HALF, X),
    "D*": lambda: optimal_discriminator(ONE, ONE)(X),
    "D": lambda: value(HALF, HALF, np.ma.masked_values([0.5, 0.5, 0.5, -999.0], -999.0)),
    "D of x": lambda: value(ONE, ONE, lambda x: np.ma.masked_array(0.5 + 0 * x, x < 0)),
    "binned": lambda: binned(X, [0.0, 1.0]),
    "edges": lambda: binned(ONE, np.ma.masked_values([0.0, 1.0, 999.0], 999.0)),
    "mean_p": lambda: kl_gaussians(PAIRS[1], np.eye(2), [0.0, 0.0], np.eye(2)),
    "cov_q": lambda: kl_gaussians([0.0, 0.0], np.eye(2), [0.0, 0.0], PAIRS),
    "start": lambda: fit_gaussian(lambda g: kl(g, ONE), PAIRS[1]),
    "loss": lambda: fit_gaussian(lambda g: np.ma.masked),
    "transport x": lambda: transport(X, [0.0]),
    "transport y": lambda: transport([[0.0, 0.0]], PAIRS),
    "transport wx": lambda: transport([0.0] * 4, [0.0], P),
    "transport critic": lambda: transport([0.0], [1.0]).critic(X),
    "critic": lambda: optimal_critic(ONE, gaussian(1.0))(X),
    "critic's gradient": lambda: optimal_critic(TWO, gaussian([1.0, 0.0])).gradient(PAIRS),
    "sample_w1": lambda: sample_w1(X, ONE),
    "sample_w1 target": lambda: sample_w1([0.0], X),
    "sample_w1 plane": lambda: sample_w1(PAIRS, TWO),
    "sample_js": lambda: sample_js(X, ONE),
    "sample_js target": lambda: sample_js([[0.0, 0.0]], PAIRS),
    "mode_coverage": lambda: mode_coverage(X, ONE),
    "parzen samples": lambda: parzen_log_likelihood(X, 1.0, [0.0]),
    "parzen test": lambda: parzen_log_likelihood([0.0], 1.0, X),
    "neighbours": lambda: nearest_neighbours(X, [0.0]),
    "neighbours' data": lambda: nearest_neighbours([0.0], X),
    "interval": lambda: interval(np.ma.masked_less(np.arange(20.0), 1.0)),
}


@pytest.mark.parametrize("call", MASKED.values(), ids=MASKED)
def test_hidden_entries_are_no_data(call: Callable[[], Any]) -> None:
    with pytest.raises(
        ValueError, match=r"must have no masked entries, got \d+ among \d+; leave them out with x\.comp"
    ):
        call()


def test_a_mask_that_hides_nothing_is_fine() -> None:
    x = np.ma.masked_values([0.0, 0.1, 0.2], -999.0)
    assert sample_w1(x, ONE) == sample_w1([0.0, 0.1, 0.2], ONE)
    assert type(ONE.prob(x)) is np.ndarray
    assert sample_w1(X.compressed(), ONE) == sample_w1([0.0, 0.1, 0.2], ONE)  # what the error advises


# --- tensors, and the rounding of float32 -----------------------------------------------------------------------


def test_tensors_with_gradients_are_read_everywhere() -> None:
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    p, q = torch.softmax(x, 0), torch.softmax(-x, 0)
    plain, (a, b) = [0.0, 0.5, 1.0], (v.detach().numpy() for v in (p, q))
    assert kl(p, q) == kl(a, b)
    assert js(p, b) == js(a, b)
    assert expectation(p, x) == expectation(a, plain)
    assert ONE.prob(x).tolist() == ONE.prob(plain).tolist()
    assert GaussianMixture(x, 1.0, p).means.ravel().tolist() == plain
    assert transport(x, 2 * x, p, p).cost == transport(plain, [0.0, 1.0, 2.0], a, a).cost
    assert interval(torch.arange(16.0).requires_grad_()).median == 7.5
    assert expectation(ONE, lambda x: (torch.from_numpy(x).requires_grad_()) ** 2) == pytest.approx(1)
    assert fit_gaussian(lambda g: torch.tensor(kl(ONE, g), dtype=torch.float64))[1] == pytest.approx(0, abs=1e-9)
    assert optimal_discriminator(ONE, gaussian(1.0))(x).shape == (3,)
    assert Uniform(torch.tensor(0.0), np.float32(2.0)) == Uniform(0, 2)


@pytest.mark.parametrize("n", [3, 1000, 100_000])
def test_divergences_of_a_float32_softmax(n: int) -> None:
    scores = 3 * torch.randn(n, generator=torch.Generator().manual_seed(0))
    p = torch.softmax(scores, 0)
    exact = torch.softmax(scores.double(), 0).numpy()
    assert kl(p, p.flip(0)) == pytest.approx(stats.entropy(exact, exact[::-1]), rel=1e-5)
    assert kl(p, p) == js(p, p) == total_variation(p, p) == 0
    assert GaussianMixture(np.zeros(n), 1.0, p).weights.sum() == pytest.approx(1, abs=1e-14)
    if n < 1000:
        assert transport(np.arange(n), np.arange(n), p, p.flip(0)).cost == pytest.approx(
            wasserstein1(exact, exact[::-1]), rel=1e-5
        )


def test_float32_weights_can_be_sampled() -> None:
    w = np.array([0.1, 0.2, 0.7], np.float32) * np.float32(1 + 5e-6)
    assert GaussianMixture([0.0, 1.0, 2.0], 0.1, w).sample(5, generator=0).shape == (5,)


# --- what is no density -----------------------------------------------------------------------------------------

LAW = "must be a GaussianMixture, a Uniform or a vector of probabilities, got"
EXAMPLES = "target must be a GaussianMixture or an array of examples, got"
NO_DENSITY: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: kl(stats.norm(), ONE), TypeError, f"a law {LAW} rv_continuous_frozen"),
    (lambda: js(ONE, abs), TypeError, f"a law {LAW} builtin_function_or_method"),
    (lambda: total_variation("p", "q"), TypeError, f"a law {LAW} str"),
    (lambda: wasserstein1(None, [1.0]), TypeError, f"a law {LAW} NoneType"),
    (lambda: expectation(stats.norm(), [1.0]), TypeError, f"a law {LAW} rv_continuous_frozen"),
    (lambda: value([ONE], [ONE], [0.5]), TypeError, f"a law {LAW} list of object"),
    (lambda: kl(ONE, [1.0]), ValueError, "both laws must be of one kind, got a density and a vector"),
    (lambda: optimal_discriminator([0.5, 0.5], [0.5, 0.5]), ValueError, "D* as a function of x needs two densities"),
    (lambda: optimal_discriminator(ONE, stats.norm()), TypeError, f"a law {LAW} rv_continuous_frozen"),
    (
        lambda: optimal_critic([0.0], ONE),
        ValueError,
        "needs two densities of one dimension, got list and GaussianMixture",
    ),
    (lambda: expectation(ONE, lambda x: x, near=ONE), TypeError, "near must be a tuple of densities, got Gaussian"),
    (
        lambda: expectation(ONE, lambda x: x, near=[[0.0]]),
        TypeError,
        "near must be a tuple of densities, got [[0.0]]; w",
    ),
    (lambda: expectation(ONE, lambda x: None), TypeError, "f(x) must be real numbers, got NoneType"),
    (lambda: value(ONE, ONE, lambda x: "half"), TypeError, "D(x) must be probabilities in [0, 1], got str"),
    (lambda: interpolates([0.0], ONE), TypeError, "p_data must be a GaussianMixture, got list; interpolate samples"),
    (
        lambda: interpolates(ONE, Uniform()),
        TypeError,
        "p_g must be a GaussianMixture, got Uniform; interpolate samples",
    ),
    (lambda: binned(stats.norm(), [0.0, 1.0]), TypeError, "p must be a density on the line, or samples, got rv_contin"),
    (lambda: fit_gaussian(0.5), TypeError, "loss must be a function of a Gaussian, got float; write lambda g"),
    (lambda: fit_gaussian(lambda g: None), TypeError, "loss(g) must be a real number, got NoneType"),
    (lambda: fit_gaussian(lambda g: [1.0, 2.0]), ValueError, "loss(g) must be one number, got shape (2,)"),
    (
        lambda: fit_gaussian(lambda g: 1.0, 3.0),
        ValueError,
        "start must be a finite mean and a positive std, got shape ()",
    ),
    (lambda: mode_coverage([0.0], [0.0, 1.0]), TypeError, "target must be a GaussianMixture, got list; its components"),
    (lambda: mode_coverage([0.0], Uniform()), TypeError, "target must be a GaussianMixture, got Uniform; its compon"),
    (lambda: null_coverage(5, Uniform(), generator=0), TypeError, "target must be a GaussianMixture, got Uniform"),
    (lambda: sample_w1([0.0], Uniform()), TypeError, "got Uniform; give target.sample(n, generator=0)"),
    (lambda: sample_js([0.0], Uniform()), TypeError, "got Uniform; give target.sample(n, generator=0)"),
    (lambda: sample_w1([0.0], stats.norm()), TypeError, f"{EXAMPLES} rv_continuous_frozen"),
    (lambda: sample_js([0.0], None), TypeError, f"{EXAMPLES} NoneType"),
    (lambda: sample_w1(ONE, ONE), TypeError, "samples must be real numbers, got GaussianMixture"),
    (
        lambda: transport(ONE, [0.0]),
        TypeError,
        "x must be points, numbers of shape (n,) or (n, d), got GaussianMixture",
    ),
    (
        lambda: nearest_neighbours([0.0], ONE),
        TypeError,
        "data must be points, numbers of shape (n,) or (n, d), got Gau",
    ),
    (lambda: GaussianMixture(ONE, 1.0), TypeError, "means must be real numbers, got GaussianMixture"),
    (lambda: ONE.prob("0"), TypeError, "points must be real numbers, got str"),
    (lambda: ONE.prob([1j]), TypeError, "points must be real numbers, got list of complex128; take the real part"),
    (lambda: Uniform([0.0, 1.0], 2.0), ValueError, "low must be one number, got shape (2,)"),
    (lambda: Uniform("0", 2.0), TypeError, "low must be a real number, got str"),
]


@pytest.mark.parametrize(("call", "error", "words"), NO_DENSITY, ids=[str(i) for i in range(len(NO_DENSITY))])
def test_what_is_no_density_is_named(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as raised:
        call()
    assert len(str(raised.value).splitlines()) == 1


# --- np.seterr --------------------------------------------------------------------------------------------------

MODULES = ("reading", "densities", "quadrature", "divergences", "transport", "evaluation")
EXAMPLES_OF = [
    test
    for module in MODULES
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(f"gan_edu.{module}"))
    if test.examples
]


@pytest.mark.parametrize("example", EXAMPLES_OF, ids=[test.name for test in EXAMPLES_OF])
def test_examples_do_not_hear_of_the_caller_s_errstate(example: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    with np.errstate(all="raise"):
        assert runner.run(example, clear_globs=False).failed == 0
        assert set(np.geterr().values()) == {"raise"}, "the caller's own settings must be left as they are"


FAR = np.array([-1e200, -50.0, 0.0, 50.0, 1e200])
TINY = np.array([1 - 1e-300, 1e-300])
QUIET: dict[str, Callable[[], Any]] = {
    "prob": lambda: two_modes().prob(FAR),
    "log_prob": lambda: GaussianMixture([0.0, 1.0], 1e-200, [1.0, 0.0]).log_prob(FAR),
    "score": lambda: two_modes().score(FAR),
    "cdf": lambda: two_modes().cdf(FAR) + two_modes().sf(FAR),
    "uniform": lambda: Uniform(0.0, 1e-300).prob(FAR) + Uniform().cdf(FAR) + Uniform().sf(FAR),
    "smoothed": lambda: gaussian(0.0, 1e-300).smoothed(1e-200).box(3.0),
    "laws": lambda: (ring(8, 1e-300), grid(3, 1e-300), two_modes(1e-310), ring(3).sample(5, generator=0)),
    "interpolates": lambda: interpolates(ONE, gaussian(5.0)).prob(FAR),
    "expectation": lambda: expectation(ONE, lambda x: x**2) + expectation(TINY, FAR[:2]),
    "user's function": lambda: expectation(ONE, lambda x: np.exp(-(x**4))),
    "vectors": lambda: [f(TINY, TINY[::-1]) for f in (kl, js, total_variation, cross_entropy, wasserstein1)],
    "no overlap": lambda: [f([1.0, 0.0], [0.0, 1.0]) for f in (kl, js, cross_entropy)],
    "densities": lambda: [f(ONE, gaussian(90.0)) for f in (kl, js, total_variation, cross_entropy, wasserstein1)],
    "uniforms": lambda: [f(Uniform(), Uniform(2, 3)) for f in (kl, js, total_variation, cross_entropy, wasserstein1)],
    "plane": lambda: [f(TWO, gaussian([9.0, 0.0])) for f in (kl, js, total_variation, wasserstein1)],
    "dilation": lambda: wasserstein1(ring(), GaussianMixture(2 * ring().means, 0.04)),
    "D*": lambda: optimal_discriminator(Uniform(), ONE)(FAR),
    "value": lambda: value(ONE, gaussian(90.0), optimal_discriminator(ONE, gaussian(90.0))),
    "value of vectors": lambda: value([1.0, 0.0], [0.0, 1.0], [0.0, 1.0]),
    "binned": lambda: (binned(ONE, FAR), binned(FAR, FAR), binned(Uniform(), FAR)),
    "kl_gaussians": lambda: kl_gaussians([1e-200], [[1.0]], [0.0], [[1e10]]),
    "fit_gaussian": lambda: fit_gaussian(lambda g: kl(g, gaussian(3.0))),
    "critic": lambda: (optimal_critic(ONE, gaussian(3.0))(FAR), optimal_critic(TWO, ring(1))(np.zeros((3, 2))))[0],
    "transport": lambda: transport(FAR * 1e-150, FAR[:4] * 1e-150).critic([0.0]),
    "transport of tiny weights": lambda: transport([0.0, 1.0], [0.0, 1.0], TINY, TINY[::-1]).gradient,
    "sample_w1": lambda: (sample_w1(ONE.sample(9, generator=0), ONE), sample_w1(TWO.sample(9, generator=0), ring())),
    "sample_js": lambda: (sample_js([0.0, 50.0], ONE), sample_js(np.zeros((3, 2)), ring())),
    "coverage": lambda: (mode_coverage(np.full((3, 2), 1e-200), ring()), null_coverage(5, ring(), generator=0)),
    "parzen": lambda: parzen_log_likelihood(FAR[1:4], 1e-3, FAR),
    "neighbours": lambda: nearest_neighbours(FAR * 1e-300, FAR * 1e-300),
    "interval": lambda: interval(range(2000)),
}


@pytest.mark.parametrize("call", QUIET.values(), ids=QUIET)
def test_far_out_nobody_hears_of_the_caller_s_errstate(call: Callable[[], Any]) -> None:
    def flat(result: Any) -> str:
        return repr(result)

    with np.errstate(all="ignore"):
        expected = flat(call())
    with np.errstate(all="raise"):
        assert flat(call()) == expected
    assert flat(call()) == expected  # and no warning, which here would be an error


def test_every_public_name_of_the_mathematics_is_tried_here() -> None:
    tried = {test.name.split(".")[2] for test in EXAMPLES_OF}
    for module in MODULES:
        loaded = importlib.import_module(f"gan_edu.{module}")
        results = {"Coverage", "Interval", "Nulls", "OptimalCritic", "OptimalDiscriminator", "Transport"}
        assert set(loaded.__all__) - results <= tried, "each needs an example"
    assert {"kl", "transport"} <= set(gan_edu.__all__)
