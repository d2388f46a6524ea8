"""Tests of gan_edu.layers: what is counted bounds every slope, what is not known is refused by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_nets import ensemble
from shared import prove
from torch import Tensor, nn

from gan_edu.layers import Layer, read_layers
from gan_edu.lipschitz import gradient_norms, lipschitz_lower_bound, relu_lipschitz, spectral_bound

BOUNDS = [spectral_bound, relu_lipschitz, read_layers, lambda net: spectral_bound(net, norm="frobenius")]
# Functions between the layers, with settings that a reader may choose.
BENDS: list[Callable[[], nn.Module]] = [
    nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Tanhshrink, nn.Softshrink,
    nn.SiLU, nn.Mish, nn.GELU, nn.ELU, nn.CELU, nn.SELU, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.RReLU,
    lambda: nn.GELU("tanh"), lambda: nn.LeakyReLU(3.0), lambda: nn.LeakyReLU(-2.0), lambda: nn.ELU(2.5),
    lambda: nn.CELU(0.3), lambda: nn.PReLU(init=4.0), lambda: nn.PReLU(5, init=-2.0), lambda: nn.Softplus(beta=3),
    lambda: nn.Hardtanh(-3, 0.5), lambda: nn.RReLU(2.0, 5.0), lambda: nn.ReLU(inplace=True), nn.Identity,
    lambda: nn.Dropout(0.5), lambda: nn.AlphaDropout(0.5), nn.Flatten, lambda: nn.BatchNorm1d(5),
    lambda: nn.BatchNorm1d(5, affine=False),
]  # fmt: skip


def linear(rng: np.random.Generator, n_in: int, n_out: int) -> nn.Module:
    layer = nn.Linear(n_in, n_out, bias=bool(rng.integers(2)))
    normalised = [nn.utils.parametrizations.spectral_norm, nn.utils.parametrizations.weight_norm]
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rng.normal(size=(n_out, n_in))))
    kind = rng.integers(4)
    return normalised[kind](layer) if kind < 2 else layer


def random_net(rng: np.random.Generator) -> nn.Sequential:
    """Layers of width 5 with functions between, nested at random; normalisation has other statistics than at the start."""
    depth = int(rng.integers(1, 4))
    layers: list[nn.Module] = []
    for k in range(depth):
        layers.append(linear(rng, 5 if k else 2, 1 if k == depth - 1 else 5))
        if k < depth - 1:
            layers += [BENDS[i]() for i in rng.integers(len(BENDS), size=rng.integers(3))]
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.copy_(torch.from_numpy(rng.normal(size=5)))
            layer.running_var.copy_(torch.from_numpy(rng.uniform(0.01, 2, 5)))
            if layer.affine:
                layer.weight.data.copy_(torch.from_numpy(3 * rng.normal(size=5)))
                layer.bias.data.copy_(torch.from_numpy(rng.normal(size=5)))
    while len(layers) > 1 and rng.integers(3):
        cut = sorted(rng.integers(len(layers) + 1, size=2))
        layers[cut[0] : cut[1]] = [nn.Sequential(*layers[cut[0] : cut[1]])]
    return nn.Sequential(*layers).double().eval()


# --- what is counted ---------------------------------------------------------------------------------------------


@prove
@given(st.integers(0, 10**6))
def test_the_bound_lies_above_every_slope(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    for _ in range(8):
        net = random_net(rng)
        x = torch.from_numpy(rng.normal(size=(400, 2)) * rng.choice([0.1, 1.0, 10.0], size=(400, 1)))
        steepest = float(gradient_norms(net, x).max())
        assert steepest <= spectral_bound(net) * (1 + 1e-9), net
        assert spectral_bound(net) <= spectral_bound(net, norm="frobenius") * (1 + 1e-12)


@pytest.mark.parametrize("make", BENDS, ids=lambda make: str(make()))
def test_the_slope_of_each_function_is_attained_and_not_exceeded(make: Callable[[], nn.Module]) -> None:
    bend = make().double().eval()
    if isinstance(bend, nn.BatchNorm1d):
        return
    x = torch.linspace(-50, 50, 200_001, dtype=torch.float64)[:, None] + 1e-7
    x = x.expand(-1, 5).clone().requires_grad_()
    (slopes,) = torch.autograd.grad(bend(x * 1).sum(), x)
    net = nn.Sequential(nn.Linear(5, 5, bias=False), bend).double()
    net[0].weight.data.copy_(torch.eye(5))
    bound = spectral_bound(net)
    assert float(slopes.abs().max()) <= bound * (1 + 1e-9)
    assert float(slopes.abs().max()) == pytest.approx(bound, rel=1e-3)


@prove
@given(st.integers(0, 10**6))
def test_a_net_without_activations_has_exactly_its_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    norm = nn.BatchNorm1d(4)
    norm.running_var.copy_(torch.from_numpy(rng.uniform(0.1, 3, 4)))
    norm.weight.data.copy_(torch.from_numpy(rng.normal(size=4)))
    norm.bias.data.copy_(torch.from_numpy(rng.normal(size=4)))
    net = nn.Sequential(
        nn.Linear(3, 4), nn.Sequential(norm, nn.Identity()), nn.Sequential(), nn.Dropout(), nn.Linear(4, 1)
    )
    net = net.double().eval()
    slope = float(gradient_norms(net, rng.normal(size=(1, 3)))[0])
    for bound in (spectral_bound, relu_lipschitz):
        assert bound(net) == pytest.approx(slope, rel=1e-9)
    (layer,) = read_layers(net)[0]
    x = rng.normal(size=(6, 3))
    np.testing.assert_allclose(x @ layer.weight.T + layer.bias, net(torch.from_numpy(x)).detach(), atol=1e-12)


def test_the_cases_that_were_too_small() -> None:
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    nested = nn.Sequential(nn.Sequential(flat[0], flat[1]), flat[2])
    assert spectral_bound(nested) == spectral_bound(flat)
    assert relu_lipschitz(nested) == relu_lipschitz(flat)
    scaled = nn.Sequential(flat[0], nn.BatchNorm1d(16), flat[1], flat[2]).eval()
    with torch.no_grad():
        scaled[1].weight.fill_(50.0)
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    steepest = float(gradient_norms(scaled, x).max())
    assert 5 < steepest <= relu_lipschitz(scaled) * (1 + 1e-6)
    assert relu_lipschitz(scaled) <= spectral_bound(scaled)
    assert spectral_bound(nn.Sequential(flat[0], nn.PReLU(init=4.0), flat[2])) == pytest.approx(
        4 * spectral_bound(flat)
    )


def test_a_layer_in_two_places_counts_twice() -> None:
    square, bend = nn.Linear(2, 2, bias=False), nn.LeakyReLU(3.0)
    square.weight.data.copy_(5 * torch.eye(2))
    assert spectral_bound(nn.Sequential(square, bend, square, bend)) == pytest.approx(5 * 3 * 5 * 3)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_spectral_normalisation_is_read_as_it_is_used_and_not_moved(old: bool, train: bool) -> None:
    torch.manual_seed(0)
    normalise = nn.utils.spectral_norm if old else nn.utils.parametrizations.spectral_norm
    layer = normalise(nn.Linear(6, 4))
    net = nn.Sequential(layer, nn.ReLU(), nn.Linear(4, 1)).train(train)
    for rounds in (0, 1, 40):
        for _ in range(rounds):
            net.train()(torch.zeros(3, 6)).sum().backward()
        net.train(train)
        before = {name: value.clone() for name, value in net.state_dict().items()}
        bound, frozen = spectral_bound(net[:1]), spectral_bound(net.eval()[:1])
        assert bound == pytest.approx(frozen, rel=1e-12)
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
        steepest = lipschitz_lower_bound(nn.Sequential(net[0], nn.Flatten(0), Largest(4)), torch.zeros(1, 6), climb=0)
        assert steepest[0] <= bound * (1 + 1e-6)
        net.train(train)
    assert bound == pytest.approx(1, abs=1e-3)


class Largest(nn.Module):
    """The first of so many numbers."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.count)[:, 0]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_normalisation_of_old_is_not_stale() -> None:
    layer = nn.utils.weight_norm(nn.Linear(3, 1))
    layer(torch.zeros(1, 3)).sum().backward()
    with torch.no_grad():
        layer.weight_g.fill_(7.0)  # the layer's `weight` is that of the last pass until the next one
    assert spectral_bound(nn.Sequential(layer)) == pytest.approx(7, rel=1e-6)


def test_pairs_of_tensors_and_without_bias() -> None:
    layer = nn.Linear(3, 2)
    exact = spectral_bound(layer)
    assert spectral_bound([(layer.weight, layer.bias)]) == exact
    assert spectral_bound([(layer.weight, None)]) == exact
    assert spectral_bound(nn.Sequential(layer)) == exact


def test_the_network_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    spectral_bound(net)
    relu_lipschitz(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net[0].weight.dtype == torch.float32
    assert not net.training


# --- what is refused ---------------------------------------------------------------------------------------------


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return 9 * self.inner(x)


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def hooked() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda module, given, out: 2 * out)
    return layer


def patched() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.forward = lambda x: 2 * x
    return layer


def pruned() -> nn.Module:
    from torch.nn.utils import prune

    return prune.l1_unstructured(nn.Linear(2, 2), "weight", 1)


UNKNOWN: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: nn.Conv1d(1, 1, 1), "Conv1d"),
    (lambda: nn.Conv2d(1, 1, 3), "Conv2d"),
    (lambda: nn.MultiheadAttention(2, 1), "MultiheadAttention"),
    (lambda: nn.LayerNorm(2), "LayerNorm"),
    (lambda: nn.BatchNorm2d(2), "BatchNorm2d"),
    (lambda: nn.InstanceNorm1d(2), "InstanceNorm1d"),
    (lambda: nn.GLU(), "GLU"),
    (lambda: nn.Softmax(-1), "Softmax"),
    (lambda: nn.Hardshrink(), "Hardshrink"),
    (lambda: nn.Threshold(0.1, 20), "Threshold"),
    (lambda: nn.Softplus(threshold=1), "Softplus(beta=1.0, threshold=1)"),
    (lambda: nn.CELU(-1.0), "CELU(alpha=-1.0)"),
    (lambda: nn.Bilinear(2, 2, 2), "Bilinear"),
    (lambda: nn.LazyLinear(2), "LazyLinear with a hook"),
    (lambda: nn.ModuleList([nn.Linear(2, 2)]), "ModuleList"),
    (lambda: nn.GRU(2, 2), "GRU"),
    (Mine, "Mine"),
    (lambda: Residual(nn.Linear(2, 2)), "Residual, a Sequential with a forward of its own"),
    (lambda: Doubled(2, 2), "Doubled, a Linear with a forward of its own"),
    (patched, "Linear, a Linear with a forward of its own"),
    (hooked, "Linear with a hook"),
    (pruned, "Linear with a hook"),
    (lambda: ensemble([2, 2], 1), "Ensemble"),
]


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(("make", "name"), UNKNOWN, ids=[name for _, name in UNKNOWN])
def test_layers_that_are_not_known_are_refused_by_name(make: Callable[[], nn.Module], name: str, bound: Any) -> None:
    rest = "whose slope is not known; use lipschitz_lower_bound, which asks any critic, or these layers: AlphaDropout, "
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), make()), nn.Linear(2, 1)).eval()
    with pytest.raises(ValueError, match=re.escape(f"got {name} at 1.1, {rest}")):
        bound(net)
    if name != "Ensemble":
        with pytest.raises(ValueError, match=re.escape(f"a bound needs the slope of every layer, got {name}, {rest}")):
            bound(make())


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(
    ("layer", "does"),
    [
        (nn.BatchNorm1d(3), "BatchNorm1d at 1, which mixes the samples of a batch in training; call net.eval() first"),
        (nn.Dropout(0.5), "Dropout at 1, which draws at random in training; call net.eval() first"),
        (nn.AlphaDropout(0.5), "AlphaDropout at 1, which draws at random in training; call net.eval() first"),
        (nn.RReLU(), "RReLU at 1, which draws at random in training; call net.eval() first"),
        (
            nn.BatchNorm1d(3, track_running_stats=False).eval(),
            "BatchNorm1d at 1, which mixes the samples of a batch; let it track running statistics",
        ),
    ],
)
def test_layers_that_are_no_function_of_each_sample_are_refused(bound: Any, layer: nn.Module, does: str) -> None:
    words = f"a bound needs layers that map each sample alone and always alike, got {does}"
    with pytest.raises(ValueError, match=re.escape(words)):
        bound(nn.Sequential(nn.Linear(2, 3), layer))


def nan_slope() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.PReLU(init=float("nan")))


WRONG: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: lambda x: x,
        "a net must be an Ensemble, an nn.Sequential or pairs of W (out, in) and b (out,), got function",
    ),
    (lambda: [nn.Linear(2, 1)], "got list of Linear; put layers into an nn.Sequential"),
    (lambda: None, "got NoneType; put layers into an nn.Sequential"),
    (lambda: 3.0, "got float; put layers into an nn.Sequential"),
    (lambda: [("a", "b")], "got list of tuple"),
    (nn.Sequential, "each in the out of the one before, got []; mend the shapes"),
    (lambda: nn.ReLU(), "each in the out of the one before, got []"),
    (
        lambda: nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(3, 1)),
        "each in the out of the one before, got [((4, 2), (4,)), ((1, 3), (1,))]; mend the shapes",
    ),
    (
        lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(3)).eval(),
        "each in the out of the one before, got [((4, 2), (4,)), ((3, 3), (3,))]",
    ),
    (
        lambda: nn.Linear(2, 1, dtype=torch.complex64),
        "weights and biases must be real numbers, got torch.complex64 on cpu",
    ),
    (
        lambda: nn.Linear(2, 1, device="meta"),
        "weights and biases must be real numbers, got torch.float32 on meta; load",
    ),
    (nan_slope, "weights and biases must be finite, got NaN or infinity; the training has diverged"),
]


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(("make", "words"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_what_is_no_network_is_refused(make: Callable[[], Any], words: str, bound: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        bound(make())


def test_layers_of_an_ensemble() -> None:
    members = read_layers(ensemble([2, 3, 1], 4, "tanh"))
    assert [[(layer.name, layer.slope) for layer in member] for member in members] == [
        [("Linear", 1.0), ("Tanh", 1.0), ("Linear", 1.0)]
    ] * 4
    assert isinstance(members[0][0], Layer)
    kernels = ensemble([2, 3, 1], 1)
    kernels.kernels.append(nn.Parameter(torch.zeros(1, 3, 5)))
    with pytest.raises(ValueError, match="a bound needs a net that maps each sample alone, got minibatch kernels"):
        read_layers(kernels)
