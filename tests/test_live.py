"""Tests of gan_edu.live: the panel trains, stops, shows and says what went wrong."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
pytest.importorskip("ipywidgets")

from gan_edu import live
from gan_edu.densities import GaussianMixture, gaussian, ring, two_modes
from gan_edu.live import TrainingPanel, training_panel
from gan_edu.training import TrainConfig, train

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


CONTROLS: list[tuple[str, str, list[Any]]] = [  # a control, the setting that it is for, values at its ends and between
    ("game", "game", ["minimax", "non-saturating"]),
    ("lr_g", "lr_g", [1e-5, 10**-2.25, 1e-1]),
    ("lr_d", "lr_d", [1e-5, 10**-2.25, 1e-1]),
    ("k", "critic_steps", [0, 1, 3, 10]),
    ("members", "members", [1, 3, 16]),
]


@pytest.mark.parametrize(("control", "setting", "values"), CONTROLS, ids=[name for name, *_ in CONTROLS])
def test_a_control_sets_what_it_says_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, control: str, setting: str, values: list[Any]
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(live, "train", lambda data, **settings: seen.append(settings))  # None: no run to tell of
    made = training_panel(two_modes(3.0, 0.6), steps=7)
    assert getattr(made, control).description.split(",")[0] in {
        "game",
        "step size of G",
        "step size of D",
        "k",
        "members",
    }
    for value in [None, *values]:
        if value is not None:
            getattr(made, control).value = value
        made.begin()
        made.wait()
    first, *later = seen
    fixed = dict(game="non-saturating", lr_g=1e-3, lr_d=1e-3, critic_steps=1, members=4, steps=7, snapshots=30)
    fixed |= dict(hidden=(32, 32), latent_dim=4, progress=False)
    for settings, value in [(first, fixed[setting]), *zip(later, values, strict=True)]:
        told = settings.pop(setting)
        assert told == (pytest.approx(value) if isinstance(value, float) else value)
        assert settings.pop("points").shape == (161,)
        assert settings.pop("on_snapshot") == made._show
        assert settings == {name: given for name, given in fixed.items() if name != setting}


@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_what_is_drawn_are_all_members_and_this_moment(monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    """Median, band and thin lines of the members' histograms, as densities, and of D; the step is told twice."""
    law, drawn, figure = GaussianMixture([shift - 2, shift + 2], [0.4, 0.8], [0.3, 0.7]), [], live.Figure
    made = training_panel(law, steps=9)
    monkeypatch.setattr(live, "Figure", lambda **look: drawn.append(figure(**look)) or drawn[-1])
    rng = np.random.default_rng(0)
    samples = rng.normal(shift + np.array([-1.0, 0.5, 2.0])[:, None], 0.5, (3, 2000))
    d = rng.random((3, 161))
    assert made._show(5, samples[..., None], d) is False
    assert (made.progress.value, made.note.value) == (5, "step 5 of 9")
    ax, right = drawn[0].axes
    assert ax.get_title() == "step 5"
    *thin, median = [artist for artist in right.get_lines() if len(artist.get_xdata()) == 161]
    np.testing.assert_allclose([artist.get_ydata() for artist in thin], d)
    np.testing.assert_allclose(median.get_ydata(), np.median(d, 0))
    np.testing.assert_allclose(median.get_xdata(), np.linspace(shift - 3.6, shift + 5.2, 161))
    data, *thin, median = ax.get_lines()
    np.testing.assert_allclose(data.get_ydata(), law.prob(data.get_xdata()))
    for artist, member in zip(thin, samples, strict=True):
        x, y = artist.get_data()
        width = x[1] - x[0]
        counts = [((member >= at - width / 2) & (member < at + width / 2)).sum() for at in x]
        np.testing.assert_allclose(y * width * len(member), counts, atol=1e-6)
    np.testing.assert_allclose(median.get_ydata(), np.median([artist.get_ydata() for artist in thin], 0))
    assert ax.get_xlim() == pytest.approx((shift - 3.6, shift + 5.2))


@pytest.mark.parametrize("k", [0, 2])
def test_a_panel_trains_as_train_does(k: int) -> None:
    """k = 0 leaves D as it started, and every member is the trainer's own."""
    made = panel(steps=3)
    made.k.value, made.members.value = k, 3
    made.start.click()
    made.wait()
    how: dict[str, Any] = dict(members=3, critic_steps=k, hidden=(32, 32), latent_dim=4, steps=3, progress=False)
    run = train(two_modes(3.0, 0.6), **how, points=made.run.points, snapshots=30)
    np.testing.assert_array_equal(made.run.samples, run.samples)
    assert made.run.steps.tolist() == list(range(4))
    assert (made.run.d_output == made.run.d_output[0]).all() == (k == 0)


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


@pytest.mark.parametrize(("lost", "words"), [([-1, -1, -1], ""), ([-1, 0, 7], "; 2 members diverged")])
def test_what_the_note_says_of_lost_members(monkeypatch: pytest.MonkeyPatch, lost: list[int], words: str) -> None:
    run = train(two_modes(3.0, 0.6), members=3, steps=2, hidden=(8,), progress=False)
    monkeypatch.setattr(live, "train", lambda *_, **__: replace(run, diverged=np.array(lost)))
    made = panel()
    made.begin()
    made.wait()
    assert made.note.value == "done at step 2" + words


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
