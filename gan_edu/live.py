"""Panels that train on a click; they need a running kernel and ipywidgets (7.7 or 8).

Chapter: 01.
"""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gan_edu.densities import GaussianMixture
from gan_edu.games import GAMES
from gan_edu.plots import COLORS, plot_band
from gan_edu.training import Run, train

__all__ = ["TrainingPanel", "training_panel"]

Array = NDArray[np.float64]


class TrainingPanel:
    """Choose a game, step sizes, k and members; train on a click and watch p_data, p_g and D; stop at any time.

    Attributes:
        run: the last finished or stopped Run; None before the first.
        box: the widget.
    """

    def __init__(self, data: GaussianMixture, steps: int) -> None:
        self.data, self.steps = data, steps
        self.run: Run | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        reach = 4 * data.stds
        x = np.linspace((data.means[:, 0] - reach).min(), (data.means[:, 0] + reach).max(), 161)
        # narrow peaks lie between the points of such a grid: where they are is known
        near = (data.means + data.stds[:, None] * np.linspace(-5, 5, 21)).clip(x[0], x[-1])
        self._x, self._curve = x, np.union1d(x, near)
        self._top = 3.6 * float(data.prob(self._curve).max())  # room for a generator that has collapsed
        wide: dict[str, Any] = dict(style={"description_width": "9em"}, layout=widgets.Layout(width="28em"))
        self.game = widgets.Dropdown(
            options=[name for name, rules in GAMES.items() if rules.output == "logit" and not rules.match_features],
            value="non-saturating",
            description="game",
            **wide,
        )
        self.lr_g = widgets.FloatLogSlider(
            1e-3, base=10, min=-5, max=-1, step=0.25, description="step size of G", **wide
        )
        self.lr_d = widgets.FloatLogSlider(
            1e-3, base=10, min=-5, max=-1, step=0.25, description="step size of D", **wide
        )
        self.k = widgets.IntSlider(1, min=0, max=10, description="k, steps of D", **wide)
        self.members = widgets.IntSlider(4, min=1, max=16, description="members", **wide)
        self.start = widgets.Button(description="Train", button_style="primary", icon="play")
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.progress = widgets.IntProgress(0, min=0, max=steps, layout=widgets.Layout(width="12em"))
        self.note = widgets.Label("press Train")
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self._stop.set())
        settings = widgets.VBox([self.game, self.lr_g, self.lr_d, self.k, self.members])
        buttons = widgets.HBox([self.start, self.stop, self.progress, self.note])
        self.box = widgets.VBox([settings, buttons, self.picture])
        self.picture.value = self._draw("not trained yet", None, None)

    def begin(self) -> None:
        """Start training in the background with the settings shown; ignored while a training runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self.start.disabled, self.stop.disabled = True, False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Block until the training in the background has ended."""
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            self.run = train(
                self.data,
                game=self.game.value,
                lr_g=self.lr_g.value,
                lr_d=self.lr_d.value,
                critic_steps=self.k.value,
                members=self.members.value,
                hidden=(32, 32),
                latent_dim=4,
                steps=self.steps,
                snapshots=30,
                points=self._x,
                progress=False,
                on_snapshot=self._show,
            )
            lost = int((self.run.diverged >= 0).sum())
            state = "stopped" if self.run.interrupted else "done"
            self.note.value = f"{state} at step {self.run.steps[-1]}" + (f"; {lost} members diverged" if lost else "")
        except Exception as error:  # a thread has nobody to raise to: the panel is where it can be read
            self.note.value = f"{type(error).__name__}: {error}"
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _show(self, step: int, samples: Array, d: Array) -> bool:
        self.progress.value = step
        self.note.value = f"step {step} of {self.steps}"
        self.picture.value = self._draw(f"step {step}", samples[..., 0], d)
        return self._stop.is_set()

    def _draw(self, title: str, samples: Array | None, d: Array | None) -> bytes:
        figure = Figure(figsize=(6.4, 3.2), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        right = ax.twinx()
        ax.plot(self._curve, self.data.prob(self._curve), color=COLORS["data"], label="$p_{data}$")
        right.axhline(0.5, color=COLORS["discriminator"], linewidth=0.6)
        if samples is not None and d is not None:
            cells = np.linspace(self._x[0], self._x[-1], 81)
            heights = [np.histogram(s, cells)[0] / len(s) / (cells[1] - cells[0]) for s in samples]
            plot_band((cells[1:] + cells[:-1]) / 2, heights, COLORS["generator"], ax, "$p_g$", "--")
            plot_band(self._x, d, COLORS["discriminator"], right, "D", ":")
        ax.set(title=title, xlabel="x", ylabel="density", ylim=(0, self._top), xlim=(self._x[0], self._x[-1]))
        right.set(ylim=(0, 1), ylabel="D(x)")
        handles = [line for axes in (ax, right) for line in axes.get_legend_handles_labels()[0]]
        ax.legend(handles=handles, loc="upper left", frameon=False)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.box.model_id,
            },
            "image/png": base64.b64encode(self.picture.value).decode(),
            "text/plain": "A panel that trains on a click; it needs a running kernel (open this chapter in Jupyter or Colab).",
        }


def training_panel(data: GaussianMixture, *, steps: int = 1500) -> TrainingPanel:
    """A panel that trains GANs on `data` with the reader's own settings.

    Args:
        data: a density on the line.
        steps: updates of G in a full training.

    Raises:
        ValueError: the density is not on the line.

    Example:
        >>> from gan_edu import two_modes
        >>> panel = training_panel(two_modes(), steps=10)
        >>> panel.members.value = 2
        >>> panel.begin(); panel.wait()
        >>> panel.note.value
        'done at step 10'

    Chapter: 01.
    """
    if data.dim != 1:
        raise ValueError(
            f"the panel draws densities on the line, got dimension {data.dim}; use train and plot_fit instead"
        )
    return TrainingPanel(data, steps)
