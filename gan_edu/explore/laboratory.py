"""A laboratory: a GAN that trains in the page, with no kernel and no network, by the same steps as `gan_edu.training`."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gan_edu.densities import GaussianMixture
from gan_edu.explore.figure import Figure
from gan_edu.explore.formulas import listed, need
from gan_edu.explore.marks import Heat, HLine, Line, Panel, Points, Segments, Snapshots, Text, english
from gan_edu.explore.page import laboratory_fragment
from gan_edu.reading import numbers

__all__ = ["Laboratory"]

SHOWN, NET, PULLS, PAST = 512, 480, 64, 300  # samples, points of the net of z, arrows, moments remembered
BAND = 0.1  # width of the kernel through which p_g is seen on the line
CELLS = {1: 241, 2: 49}  # points of the grid along each axis
_ROUNDS = dict.fromkeys(("rounds", "d_loss", "g_loss", "w1"), ((PAST,), "past"))
_LEVELS = dict.fromkeys(("d_half", "g_half", "w1_floor", "w1_blob"), ((), None))
# dimension -> what the page refills: name -> shape, grid
SHAPES: dict[int, dict[str, tuple[tuple[int, ...], Any]]] = {
    1: {**dict.fromkeys(("pd", "pg", "D"), ((CELLS[1],), "x")), **_ROUNDS, **_LEVELS},
    2: {
        **dict.fromkeys(("dx", "dy"), ((SHOWN,), "real")),
        **dict.fromkeys(("fx", "fy"), ((SHOWN,), "fake")),
        **dict.fromkeys(("net_x", "net_y"), ((NET,), "net")),
        **dict.fromkeys(("from_x", "from_y", "to_x", "to_y"), ((PULLS,), "pull")),
        "tint": ((CELLS[2], CELLS[2]), ("y", "x")),
        **_ROUNDS,
        **_LEVELS,
    },
}
LINE = {
    "best": "pd / (pd + pg)",
    "JS": "integral(xlogy(pd, 2*pd/(pd + pg)) + xlogy(pg, 2*pg/(pd + pg)), x) / 2",
    "V": "integral(xlogy(pd, D) + xlogy(pg, 1 - D), x)",
    "off": "integral(abs(D - best) * (pd + pg), x) / 2",
}
READOUT = {"JS(p_data, p_g)": "JS", "V": "V", "2 JS - log 4": "2*JS - log(4)", "mean of |D - D*|": "off"}
GAMES = ("minimax", "non-saturating", "least-squares", "wgan-clip", "wgan-gp", "wgan-gp-one-sided")
_RATE = {"log": [-5.0, -1.0, 0.25]}


def _options(*values: Any, **texts: Any) -> dict[str, Any]:
    return {"options": [[v, str(v)] for v in values] + [[v, text] for text, v in texts.items()]}


# setting -> label, and how it is offered: a range, a range of powers of ten, or options
OFFERS: dict[str, dict[str, Any]] = {
    "data": {"label": "data"},
    "game": {"label": "game", **_options(*GAMES)},
    "lr_d": {"label": "step size of D", **_RATE},
    "lr_g": {"label": "step size of G", **_RATE},
    "critic_steps": {"label": "k, updates of D a round", "range": [0, 10, 1]},
    "generator_steps": {"label": "updates of G a round", "range": [0, 5, 1]},
    "layers": {"label": "hidden layers", **_options(1, 2, 3)},
    "width": {"label": "units a layer", **_options(4, 8, 16, 32, 64)},
    "activation": {"label": "activation", **_options("relu", "softplus", "tanh")},
    "latent_dim": {"label": "coordinates of z", **_options(1, 2, 4, 8)},
    "latent": {"label": "law of z", **_options("normal", "uniform")},
    "batch_size": {"label": "batch", **_options(16, 32, 64, 128, 256)},
    "optimizer": {"label": "optimizer", **_options("adam", "rmsprop", "sgd")},
    "beta1": {"label": "Adam's beta1", **_options(0.0, 0.5, 0.9)},
    "penalty_weight": {
        "label": "weight of the penalty",
        "options": [[None, "the game's own"], *([v, f"{v:g}"] for v in (0.0, 0.1, 1.0, 10.0, 100.0))],
    },
    "clip": {
        "label": "clipping at c",
        "options": [[None, "the game's own"], *([v, f"{v:g}"] for v in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0))],
    },
    "r1": {"label": "R1, gamma", "range": [0, 5, 0.25]},
    "instance_noise": {"label": "noise on what D sees", "range": [0, 1, 0.05]},
    "members": {"label": "runs side by side", **_options(1, 2, 8)},
}
START: dict[str, Any] = {
    **dict(game="non-saturating", lr_d=1e-3, lr_g=1e-3, critic_steps=1, generator_steps=1, hidden=(32, 32)),
    **dict(activation="relu", latent_dim=2, latent="normal", batch_size=128, optimizer="adam", betas=(0.5, 0.9)),
    **dict(penalty_weight=None, clip=None, r1=0.0, instance_noise=0.0, members=1, seed=1),
}


class Laboratory:
    """A GAN that the reader trains in the page. `gan_edu.explore` draws it, `trainer.js` trains it, in float64.

    Its settings are those of `TrainConfig`; here a step size may be 0, which freezes that player. What is neither offered
    nor given has the value in `START`: nets of 32 and 32 units, batches of 128.

    Args:
        laws: label -> a mixture on the line or in the plane, or examples (n, 1) or (n, 2).
        alt: the text alternative, one or two sentences.
        title: heading.
        caption: what to do and what to see.
        offer: names of the settings that the reader may change, keys of `OFFERS`.
        more: names of further ones, which are folded away at first.
        draw: True to offer data that the reader draws, where the data of the plane are offered.
        presets: label -> settings that one choice sets together; "data" among them is a label.
        settings: the values at the start, of the fields of `TrainConfig`, and "data", the label of the first law.

    Raises:
        ValueError: unknown names, settings that `TrainConfig` refuses, values that are not among what is offered.

    Example:
        >>> from gan_edu import ring
        >>> lab = Laboratory({"ring": ring(8, 2.0, 0.1)}, alt="A laboratory.", offer=("game", "lr_d"), game="minimax")
        >>> sorted(lab.spec["offer"]), lab.spec["settings"]["game"]
        (['game', 'lr_d'], 'minimax')

    Chapter: 15.
    """

    def __init__(
        self,
        laws: Mapping[str, GaussianMixture | ArrayLike],
        /,
        *,
        alt: Text,
        title: Text = "",
        caption: Text = "",
        offer: Sequence[str] = ("game", "lr_d", "lr_g", "critic_steps"),
        more: Sequence[str] = (),
        draw: bool = False,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        **settings: Any,
    ):
        need(laws and alt, "a laboratory must have data and a text alternative; give {label: law} and alt=...")
        self._laws = [_law(label, law) for label, law in laws.items()]
        if draw:
            self._laws.append({"name": "draw your own", "dim": 2, "draw": True})
        self._alt, labels = alt, [law["name"] for law in self._laws]
        offered = (*offer, *more)
        need(set(offered) <= set(OFFERS), f"offer must name settings, of {listed(OFFERS)}; got {listed(offered)}")
        need(len(set(offered)) == len(offered), f"a setting is offered once, got {listed(offered)}")
        chosen = {"data": labels[0], **settings}
        self._settings = self._read(chosen, offered, labels)
        self._dims = {law["dim"] for law in self._laws} if "data" in offered else {self._law()["dim"]}
        for label, values in (presets or {}).items():
            with_it = f"preset {label!r}: "
            need(set(values) <= {*START, "data"}, f"{with_it}settings must be of {listed([*START, 'data'])}")
            self._read({**chosen, **values}, offered, labels)
        self.spec: dict[str, Any] = {
            "title": title,
            "alt": alt,
            "caption": caption,
            "width": 960,
            "views": {str(dim): _live(self._view(dim)) for dim in sorted(self._dims)},
            "laws": self._laws,
            "settings": self._settings,
            "offer": {name: {**OFFERS[name], "folded": name in more} for name in offered},
            "presets": [[label, _plain({**values})] for label, values in (presets or {}).items()],
        }
        if "data" in offered:
            self.spec["offer"]["data"]["options"] = [[label, label] for label in labels]

    def _read(self, given: dict[str, Any], offered: Sequence[str], labels: list[str]) -> dict[str, Any]:
        """Settings as plain data, checked against `TrainConfig`, the games of the page and what is offered."""
        from gan_edu.training import TrainConfig

        given = dict(given)
        data = given.pop("data")
        need(data in labels, f"data must be one of {listed(labels)}, got {data!r}")
        need(set(given) <= set(START), f"settings must be of {listed(START)}; got {listed(given)}")
        frozen = {name for name in ("lr_d", "lr_g") if given.get(name) == 0}
        values = {**START, **{k: v for k, v in given.items() if k not in frozen}}
        config = TrainConfig(**values)
        need(config.game in GAMES, f"a laboratory trains the games {listed(GAMES)}, got {config.game!r}")
        need(config.activation in ("relu", "softplus", "tanh"), f"unknown activation {config.activation!r} in the page")
        read = {name: getattr(config, name) for name in START} | dict.fromkeys(frozen, 0.0) | {"data": data}
        plain = _plain(read)
        for name in set(offered) & {*OFFERS} - {"data"}:
            options = OFFERS[name].get("options")
            need(
                name != "layers" or len(set(config.hidden)) == 1,
                f"layers of one width can be offered, got {config.hidden}",
            )
            if options:
                need(
                    plain[name] in [v for v, _ in options],
                    f"{name} is offered as {listed(t for _, t in options)} and starts at {plain[name]!r}; start at one of them",
                )
        return plain

    def _view(self, dim: int, **arrays: Any) -> Figure:
        """The panels of one run on the line or in the plane, which the page fills anew while it trains."""
        reach = max([2.0, *(_reach(law) for law in self._laws if law["dim"] == dim)])
        panel = (_plane if dim == 2 else _line)(reach)
        shapes = SHAPES[dim]
        filled = {name: np.zeros(shape) for name, (shape, _) in shapes.items()} | arrays
        return Figure(
            alt=self._alt,
            grids=dict.fromkeys("xy"[:dim], (-reach, reach, CELLS[dim])),
            snapshots={name: Snapshots(filled[name], grid, fixed=True, bits=16) for name, (_, grid) in shapes.items()},
            formulas={} if dim == 2 else LINE,
            panels=[panel, *_past()],
            readout={} if dim == 2 else READOUT,
        )

    def _law(self) -> dict[str, Any]:
        return next(law for law in self._laws if law["name"] == self._settings["data"])

    def to_html(self) -> str:
        """Write one HTML fragment: description, style and scripts. The same laboratory gives the same bytes."""
        return laboratory_fragment(self.spec)

    def to_png(self) -> bytes:
        """Draw the start of such a training, by `train`, for readers without scripts."""
        import torch

        from gan_edu.training import train

        law, dim = self._law(), self._law()["dim"]
        if law.get("draw"):
            return self._view(dim).to_png()
        data: Any = _mixture(law) if "means" in law else np.array(law["rows"])
        settings = {k: v for k, v in self._settings.items() if k in START and k not in ("lr_d", "lr_g")}
        settings |= {"members": 1, "hidden": tuple(settings["hidden"]), "betas": tuple(settings["betas"])}
        run = train(data, **settings, steps=0, snapshots=1, probes=SHOWN, device="cpu", progress=False)
        real = (
            data.sample(SHOWN, generator=7).reshape(SHOWN, dim)
            if "means" in law
            else data[np.arange(SHOWN) % len(data)]
        )
        low, high = self.spec["views"][str(dim)]["panels"][0]["x"]
        x = np.linspace(low, high, CELLS[dim])
        points = x[:, None] if dim == 1 else np.stack(np.meshgrid(x, x), -1).reshape(-1, 2)
        with torch.no_grad():
            out = run.discriminator(torch.tensor(points, dtype=torch.float32)[None])[0, :, 0]
        judged = np.asarray(out.sigmoid() if run.config.game in GAMES[:2] else out, dtype=float)
        fake = run.samples[0, 0].astype(float)
        if dim == 1:
            near = np.exp(-0.5 * ((x[:, None] - fake.T) / BAND) ** 2).mean(1) / (BAND * math.sqrt(2 * math.pi))
            pd = (
                data.prob(x)
                if "means" in law
                else np.exp(-0.5 * ((x[:, None] - real.T) / BAND) ** 2).mean(1) / (BAND * math.sqrt(2 * math.pi))
            )
            return self._view(1, pd=pd, pg=near, D=judged).to_png()
        pairs = {"dx": real[:, 0], "dy": real[:, 1], "fx": fake[:, 0], "fy": fake[:, 1]}
        return self._view(2, **pairs, tint=judged.reshape(CELLS[2], -1)).to_png()

    def __repr__(self) -> str:
        """Title, text alternative and what can be set."""
        about = f"Trains in the page; settings: {listed(self.spec['offer'])}"
        return "\n".join(filter(None, [english(self.spec["title"]), english(self.spec["alt"]), about]))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        png = base64.b64encode(self.to_png()).decode()
        return {"text/html": self.to_html(), "image/png": png, "text/plain": repr(self)}


def _law(label: str, law: Any) -> dict[str, Any]:
    """A law as plain data: a mixture by its parts, examples by their rows."""
    if isinstance(law, GaussianMixture):
        need(law.dim in (1, 2), f"the data {label!r} must be on the line or in the plane, got {law.dim} coordinates")
        parts = {"means": law.means, "stds": law.stds, "weights": law.weights}
        return {"name": label, "dim": law.dim, **{k: np.round(v, 9).tolist() for k, v in parts.items()}}
    rows = numbers(f"the data {label!r}", law)
    good = rows.ndim == 2 and rows.shape[1] in (1, 2) and len(rows) and np.isfinite(rows).all()
    need(good, f"the data {label!r} must be a mixture or finite rows (n, 1) or (n, 2), got shape {rows.shape}")
    return {"name": label, "dim": rows.shape[1], "rows": np.round(rows, 4).tolist()}


def _mixture(law: Mapping[str, Any]) -> GaussianMixture:
    return GaussianMixture(law["means"], law["stds"], law["weights"])


def _reach(law: Mapping[str, Any]) -> float:
    """Half the width of a picture that shows all of a law and some of what lies around it."""
    if law.get("draw"):
        return 3.0
    ends = np.abs(law["means"]).max(1) + 4 * np.array(law["stds"]) if "means" in law else np.abs(law["rows"])
    return float(np.ceil(2.5 * np.max(ends))) / 2


def _plane(reach: float) -> Panel:
    return Panel(
        x=(-reach, reach),
        y=(-reach, reach),
        equal=True,
        height=420,
        marks=[
            Heat("tint", label="D"),
            Line("net_y", x="net_x", thin=True, role="generator", label="net of z", toggle=True, shown=False),
            Points("dx", "dy", label="data", role="data", size=4),
            Points("fx", "fy", label="generated", role="generator", size=4),
            Segments("from_x", "from_y", "to_x", "to_y", arrows=True, label="pull of D", role="optimal", toggle=True),
        ],
    )


def _line(reach: float) -> Panel:
    return Panel(
        x=(-reach, reach),
        y=(0, 1),
        right=(0, 1),
        height=380,
        ylabel="density",
        right_label="D",
        marks=[
            Line("pd", label="p_data", role="data"),
            Line("pg", label="p_g", role="generator"),
            Line("D", label="D", role="discriminator", axis="right"),
            Line("best", label="D*", role="optimal", axis="right", toggle=True),
        ],
    )


def _past() -> list[Panel]:
    """What happened so far: the losses, and the distance of the samples from the data."""
    losses = [
        HLine("d_half", role="muted", label="where D = 1/2"),
        HLine("g_half", role="muted"),
        Line("d_loss", x="rounds", label="loss of D", role="discriminator"),
        Line("g_loss", x="rounds", label="loss of G", role="generator"),
    ]
    distance = [
        HLine("w1_blob", role="muted", label="a blob"),
        HLine("w1_floor", role="optimal", label="data against data"),
        Line("w1", x="rounds", label="generated", role="generator"),
    ]
    return [
        Panel(x=(0, 200), y=(-1, 3), height=170, xlabel="round", title="losses, means over a moment", marks=losses),
        Panel(x=(0, 200), y=(0, 2), height=150, xlabel="round", title="W1 from the data, by samples", marks=distance),
    ]


def _live(view: Figure) -> dict[str, Any]:
    """A description without the numbers that the page fills in, and with clouds on a canvas, which is quick to paint."""
    spec = {**view.spec, "snapshots": {}}
    for name, snap in view.spec["snapshots"].items():
        size = math.prod(next(a["n"] for a in spec["axes"] if a["name"] == axis) for axis in snap["axes"])
        spec["snapshots"][name] = {"over": [], "axes": snap["axes"], "moving": False, "live": size}
    for panel in spec["panels"]:
        panel["marks"] = [{**m, "kind": "Cloud"} if m["kind"] == "Points" else m for m in panel["marks"]]
    return spec


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the page names them: lists, and the parts that are offered by themselves."""
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
    if "hidden" in plain:
        plain |= {"layers": len(plain["hidden"]), "width": plain["hidden"][0]}
    if "betas" in plain:
        plain["beta1"] = plain["betas"][0]
    return plain
