"""How many member-steps a second: the usual PyTorch loop, gan_edu, JAX where it is installed, and the speed of sgemm.

`make bench` runs it, once on one core and once on all; each time everything runs in one process, so that the ratios
mean something. A step is one update of D and one of G on batches of 256. JAX (an optional dependency) has jit, vmap
over the members and scan over the steps, the same networks, batch and optimizer. The last table has gan_edu beside a
second process that keeps one core busy.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from gan_edu import ring, train

ONE_CORE = sys.argv[1:] == ["one-core"]
BATCH, LAMBDA, BETAS, RATE = 256, 10.0, (0.5, 0.9), 1e-3


def flops(hidden: tuple[int, ...], game: str) -> float:
    """Floating-point operations of one step of one member: a product of (N, a) and (a, b) takes 2 N a b."""
    sizes = lambda ends: sum(a * b for a, b in itertools.pairwise(ends))  # noqa: E731
    generator, discriminator = sizes((2, *hidden, 2)), sizes((2, *hidden, 1))
    forward = 2 * BATCH
    # D's update: G forward, D forward and backward (twice the work) on 2 N. G's: G and D forward and backward.
    total = forward * (generator + 2 * 3 * discriminator + 3 * generator + 2 * discriminator)
    # The penalty: D forward, back to x, and backward through the way back, on N.
    return total + (forward * 4 * discriminator if game == "wgan-gp" else 0)


def usual_loop(hidden: tuple[int, ...], game: str, steps: int) -> float:
    """Member-steps a second of the loop that most repositories have."""

    def mlp(*widths: int) -> torch.nn.Sequential:
        layers: list[torch.nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    G, D = mlp(2, *hidden, 2), mlp(2, *hidden, 1)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), RATE, BETAS) for net in (G, D))
    data = torch.from_numpy(ring().sample(10_000, generator=0)).float()
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    one, zero = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def step() -> None:
        real, fake = data[torch.randint(len(data), (BATCH,))], G(torch.randn(BATCH, 2)).detach()
        opt_D.zero_grad()
        if game == "minimax":
            bce(D(real), one).backward()
            bce(D(fake), zero).backward()
        else:
            (-D(real).mean()).backward()
            D(fake).mean().backward()
            eps = torch.rand(BATCH, 1)
            x_hat = (eps * real + (1 - eps) * fake).requires_grad_()
            (gradient,) = torch.autograd.grad(D(x_hat).sum(), x_hat, create_graph=True)
            (LAMBDA * ((gradient.norm(dim=1) - 1) ** 2).mean()).backward()
        opt_D.step()
        opt_G.zero_grad()
        out = D(G(torch.randn(BATCH, 2)))
        (-bce(out, zero) if game == "minimax" else -out.mean()).backward()
        opt_G.step()

    return rate(lambda count: [step() for _ in range(count)], steps)


def rate(run: Callable[[int], Any], steps: int) -> float:
    """Steps a second: the median of three runs after one to warm up."""
    run(max(2, steps // 10))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run(steps)
        times.append(time.perf_counter() - start)
    return steps / statistics.median(times)


def ensemble(hidden: tuple[int, ...], game: str, members: int, steps: int) -> float:
    """Member-steps a second of gan_edu."""
    more = dict(members=members, hidden=hidden, game=game, batch_size=BATCH, betas=BETAS, lr_g=RATE, lr_d=RATE)
    run = lambda count: train(ring(), steps=count, snapshots=1, device="cpu", progress=False, **more)  # noqa: E731
    start = time.perf_counter()
    run(0)  # what a run costs before its first step
    fixed = time.perf_counter() - start
    return members / (1 / rate(run, steps) - fixed / steps)


def in_jax(hidden: tuple[int, ...], game: str, members: int, steps: int) -> float:
    """Member-steps a second of JAX, compilation apart."""
    import jax
    import jax.numpy as jnp

    def start_net(key: Any, widths: tuple[int, ...]) -> list[tuple[Any, Any]]:
        keys = jax.random.split(key, len(widths))
        shapes = zip(keys, widths[:-1], widths[1:], strict=False)
        return [(jax.random.uniform(k, (a, b), minval=-1, maxval=1) / a**0.5, jnp.zeros(b)) for k, a, b in shapes]

    def net(layers: Any, x: Any) -> Any:
        for weight, bias in layers[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        return x @ layers[-1][0] + layers[-1][1]

    def d_loss(D: Any, G: Any, key: Any) -> Any:
        which, where, latent, mix = jax.random.split(key, 4)
        angle = jax.random.randint(which, (BATCH,), 0, 8) * jnp.pi / 4
        real = 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1) + 0.02 * jax.random.normal(where, (BATCH, 2))
        fake = net(G, jax.random.normal(latent, (BATCH, 2)))
        on_real, on_fake = jnp.split(net(D, jnp.concatenate([real, fake]))[:, 0], 2)
        if game == "minimax":
            return jax.nn.softplus(-on_real).mean() + jax.nn.softplus(on_fake).mean()
        eps = jax.random.uniform(mix, (BATCH, 1))
        slope = jax.vmap(jax.grad(lambda x: net(D, x)[0]))(eps * real + (1 - eps) * fake)
        return on_fake.mean() - on_real.mean() + LAMBDA * ((jnp.linalg.norm(slope, axis=1) - 1) ** 2).mean()

    def g_loss(G: Any, D: Any, key: Any) -> Any:
        out = net(D, net(G, jax.random.normal(key, (BATCH, 2))))[:, 0]
        return -jax.nn.softplus(out).mean() if game == "minimax" else -out.mean()

    def adam(state: Any, gradient: Any) -> Any:
        x, m, v, t = state
        tree, t = jax.tree.map, t + 1
        m = tree(lambda a, g: BETAS[0] * a + (1 - BETAS[0]) * g, m, gradient)
        v = tree(lambda a, g: BETAS[1] * a + (1 - BETAS[1]) * g * g, v, gradient)
        scale = lambda a, beta: a / (1 - beta**t)  # noqa: E731
        x = tree(lambda a, b, c: a - RATE * scale(b, BETAS[0]) / (jnp.sqrt(scale(c, BETAS[1])) + 1e-8), x, m, v)
        return x, m, v, t

    def fresh(layers: Any) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, layers)
        return layers, zeros, zeros, 0.0

    def step(state: Any, key: Any) -> Any:
        G, D = state
        of_d, of_g = jax.random.split(key)
        D = adam(D, jax.grad(d_loss)(D[0], G[0], of_d))
        return (adam(G, jax.grad(g_loss)(G[0], D[0], of_g)), D), None

    def one(key: Any) -> Any:
        first, second, rest = jax.random.split(key, 3)
        state = fresh(start_net(first, (2, *hidden, 2))), fresh(start_net(second, (2, *hidden, 1)))
        return jax.lax.scan(step, state, jax.random.split(rest, steps))[0]

    compiled = jax.jit(jax.vmap(one)).lower(jax.random.split(jax.random.key(0), members)).compile()
    keys = jax.random.split(jax.random.key(1), members)
    return members * rate(lambda _: jax.block_until_ready(compiled(keys)), steps)


def sgemm(hidden: tuple[int, ...], members: int) -> float:
    """Floating-point operations a second of the products that the middle layer needs."""
    width = hidden[0]
    x, w = torch.randn(members, 2 * BATCH, width), torch.randn(members, width, width)
    out = torch.empty(members, 2 * BATCH, width)
    return rate(lambda n: [torch.bmm(x, w, out=out) for _ in range(n)], 100) * 2 * members * 2 * BATCH * width**2


def large_sgemm(size: int = 2048) -> float:
    """Floating-point operations a second of one large product."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return rate(lambda n: [a @ b for _ in range(n)], 3) * 2 * size**3


def main() -> None:
    if ONE_CORE and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cores = 1 if ONE_CORE else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)
    has_jax = importlib.util.find_spec("jax") is not None
    print(f"\nPyTorch {torch.__version__}, cores: {cores}; a large sgemm reaches {large_sgemm() / 1e9:.0f} GFLOP/s")
    if not has_jax:
        print("(JAX is not installed, so there is no comparison with it)")
    print("| game | nets | members | usual | gan_edu | ratio to usual | share of bmm | ratio to JAX |")
    print("|---|---|---|---|---|---|---|---|")
    for hidden in ((64, 64), (128, 128)):
        for game in ("minimax", "wgan-gp"):
            usual = usual_loop(hidden, game, 200)
            for members in (1, 4, 16, 64):
                ours = ensemble(hidden, game, members, max(20, 800 // members))
                share = ours * flops(hidden, game) / sgemm(hidden, members)
                jax = f"{ours / in_jax(hidden, game, members, max(20, 800 // members)):.2f}" if has_jax else ""
                net = "-".join(map(str, (2, *hidden)))
                row = f"{usual:.0f} | {ours:.0f} | {ours / usual:.2f} | {share:.0%} | {jax}"
                print(f"| {game} | {net} | {members} | {row} |", flush=True)
    if not ONE_CORE:
        print("\nBeside a process that keeps one core busy, 16 members, 2-64-64 (times as long as without):")
        for game in ("minimax", "wgan-gp"):
            alone = ensemble((64, 64), game, 16, 50)
            neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                print(f"{game}: {alone / ensemble((64, 64), game, 16, 50):.2f}", flush=True)
            finally:
                neighbour.kill()
                neighbour.wait()


if __name__ == "__main__":
    if not ONE_CORE:
        subprocess.run([sys.executable, __file__, "one-core"], check=True)
    # In `make bench` OMP_NUM_THREADS is 1; here the threads are set by hand.
    main()
