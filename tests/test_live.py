"""Tests of gan_edu.live: the panel trains, stops, shows and says what went wrong."""

from __future__ import annotations

import base64
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
pytest.importorskip("ipywidgets")

from gan_edu import live
from gan_edu.densities import gaussian, ring, two_modes
from gan_edu.live import TrainingPanel, training_panel
from gan_edu.training import TrainConfig

PNG = b"\x89PNG\r\n\x1a\n"


def panel(steps: int = 8) -> TrainingPanel:
    made = training_panel(two_modes(3.0, 0.6), steps=steps)
    made.members.value = 2
    return made


def test_a_new_panel_shows_the_data_and_waits() -> None:
    fresh = panel()
    assert fresh.run is None
    assert fresh.note.value == "press Train"
    assert bytes(fresh.picture.value).startswith(PNG)
    assert not fresh.start.disabled
    assert fresh.stop.disabled
    fresh.wait()  # nothing to wait for


@pytest.mark.parametrize("separation", [4.0, 400.0])
@pytest.mark.parametrize("std", [0.02, 0.1, 0.6, 30.0])
def test_the_axis_follows_the_peak(monkeypatch: pytest.MonkeyPatch, separation: float, std: float) -> None:
    law, drawn = two_modes(separation, std), []
    figure = live.Figure
    monkeypatch.setattr(live, "Figure", lambda **look: drawn.append(figure(**look)) or drawn[-1])
    training_panel(law)
    (ax, _) = drawn[0].axes
    peak = law.prob(np.linspace(-separation, separation, 400_001)).max()
    (curve,) = [artist for artist in ax.get_lines() if artist.get_label() == "$p_{data}$"]
    assert curve.get_ydata().max() == pytest.approx(peak, rel=1e-3)
    assert ax.get_ylim()[0] == 0
    assert 2 * peak < ax.get_ylim()[1] < 4 * peak
    # as wide as a mode, not as the gap between two points of a coarse grid
    x, y = curve.get_data()
    assert np.trapezoid(y, x) == pytest.approx(1, abs=0.02)


def test_a_click_trains_to_the_end_with_the_settings_shown() -> None:
    made = panel()
    before = bytes(made.picture.value)
    made.game.value, made.k.value, made.lr_g.value, made.lr_d.value = "minimax", 2, 1e-2, 1e-4
    made.start.click()
    made.wait()
    assert made.note.value == "done at step 8"
    assert made.progress.value == made.progress.max == 8
    config = made.run.config
    shown = (config.game, config.critic_steps, config.members, config.steps)
    assert shown == ("minimax", 2, 2, 8)
    assert (config.lr_g, config.lr_d) == pytest.approx((1e-2, 1e-4))
    assert not made.run.interrupted
    assert bytes(made.picture.value).startswith(PNG)
    assert bytes(made.picture.value) != before
    assert not made.start.disabled
    assert made.stop.disabled


def test_pictures_follow_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    made = panel(steps=5)
    pictures: list[bytes] = []
    show = made._show

    def record(*args: Any) -> bool:
        answer = show(*args)
        pictures.append(bytes(made.picture.value))
        return answer

    monkeypatch.setattr(made, "_show", record)
    made.start.click()
    made.wait()
    assert len(pictures) == 6
    assert len(set(pictures)) == 6
    assert all(picture.startswith(PNG) for picture in pictures)


def test_the_stop_button_ends_the_run_at_the_next_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    made = panel(steps=5)
    show = made._show

    def press(step: int, samples: np.ndarray, d: np.ndarray) -> bool:
        if step == 3:
            made.stop.click()
        return show(step, samples, d)

    monkeypatch.setattr(made, "_show", press)
    made.start.click()
    made.wait()
    assert made.note.value == "stopped at step 3"
    assert made.run.interrupted
    assert made.run.steps.tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(made, "_show", show)
    made.start.click()  # a stop is not remembered
    made.wait()
    assert made.note.value == "done at step 5"


def test_a_second_click_while_training_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    made = panel(steps=5)
    threads: list[Any] = []
    show = made._show

    def again(*args: Any) -> bool:
        made.begin()
        threads.append(made._thread)
        return show(*args)

    monkeypatch.setattr(made, "_show", again)
    made.start.click()
    made.wait()
    assert len(set(threads)) == 1
    assert made.note.value == "done at step 5"


def test_an_error_is_shown_in_the_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **settings: Any) -> None:
        raise ValueError("lr_g must be small")

    monkeypatch.setattr(live, "train", broken)
    made = panel()
    made.start.click()
    made.wait()
    assert made.note.value == "ValueError: lr_g must be small"
    assert made.run is None
    assert not made.start.disabled
    assert made.stop.disabled


def test_lost_members_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    train = live.train
    monkeypatch.setattr(
        live, "train", lambda *args, **settings: train(*args, **{**settings, "lr_g": 1e30, "lr_d": 1e30})
    )
    made = panel(steps=20)
    made.start.click()
    made.wait()
    assert re.fullmatch(r"done at step \d+; 2 members diverged", made.note.value)


def test_every_choice_is_a_legal_setting() -> None:
    made = panel()
    for game in made.game.options:
        TrainConfig(game=game)
    for k in (made.k.min, made.k.max):
        TrainConfig(critic_steps=k)
    for members in (made.members.min, made.members.max):
        TrainConfig(members=members)


def test_the_bundle_has_the_widget_and_a_still_picture() -> None:
    made = panel()
    bundle = made._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == made.box.model_id
    assert base64.b64decode(bundle["image/png"]) == made.picture.value
    assert "needs a running kernel" in bundle["text/plain"]


@pytest.mark.parametrize("law", [ring(), gaussian([0.0, 0.0, 0.0])])
def test_only_the_line(law: Any) -> None:
    words = f"the panel draws densities on the line, got dimension {law.dim}; use train and plot_fit instead"
    with pytest.raises(ValueError, match=re.escape(words)):
        training_panel(law)


def test_the_panel_offers_the_games_of_chapter_1() -> None:
    assert list(training_panel(two_modes()).game.options) == ["minimax", "non-saturating"]
