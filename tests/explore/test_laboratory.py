"""Tests of the laboratory: what it refuses, what it ships, and every control in a page that allows nothing from outside."""

from __future__ import annotations

import gzip
import json
import warnings
from typing import Any

import numpy as np
import pytest

from gan_edu.densities import GaussianMixture, grid, ring, two_modes
from gan_edu.explore import Laboratory, script
from gan_edu.explore.page import laboratory_script

torch = pytest.importorskip("torch")

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
LOPSIDED = GaussianMixture([[2.0, 0.5], [-1.0, 1.0]], [0.3, 0.7], [0.25, 0.75])
MOONS = np.column_stack([np.cos(np.linspace(0, 3, 40)), np.sin(np.linspace(0, 3, 40))])
SMALL: dict[str, Any] = dict(hidden=(8, 8), batch_size=32)
EVERYTHING = ("data", "game", "lr_d", "lr_g", "critic_steps", "generator_steps", "layers", "width", "activation")
FOLDED = (
    "latent_dim",
    "latent",
    "batch_size",
    "optimizer",
    "beta1",
    "penalty_weight",
    "clip",
    "r1",
    "instance_noise",
    "members",
)


def laboratory(**changed: Any) -> Laboratory:
    data = {"lopsided": LOPSIDED, "moons": MOONS, "line": two_modes(4.0, 0.5)}
    given = dict(
        alt="A laboratory.", title="Train", caption="Press Train </script> <b>.", offer=EVERYTHING, more=FOLDED, draw=True,
        presets={"frozen D": {"lr_d": 0}, "clipping": {"game": "wgan-clip", "clip": 0.1, "data": "line"}}, **SMALL,
    )  # fmt: skip
    return Laboratory(data, **{**given, **changed})


# --- the description ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (dict(offer=("speed",), more=()), "offer must name settings, of .*; got 'speed'"),
        (dict(offer=("game", "game"), more=()), "a setting is offered once, got 'game', 'game'"),
        (dict(colour="red"), "settings must be of .*; got .*'colour'"),
        (dict(game="chess"), "unknown game 'chess'"),
        (dict(game="ebgan"), "a laboratory trains the games .*, got 'ebgan'"),
        (dict(lr_g=-1.0), "lr_g must be a positive finite number"),
        (dict(batch_size=33), "batch_size is offered as .* and starts at 33; start at one of them"),
        (dict(hidden=(8, 4)), r"layers of one width can be offered, got \(8, 4\)"),
        (dict(data="rings"), "data must be one of .*, got 'rings'"),
        (dict(presets={"bad": {"lr": 1}}), "preset 'bad': settings must be of"),
        (dict(presets={"bad": {"lr_d": -1}}), "lr_d must be a positive finite number"),
        (dict(alt=""), "must have data and a text alternative"),
    ],
)
def test_what_a_laboratory_refuses(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        laboratory(**changed)


@pytest.mark.parametrize(
    "law", [ring(8, 2.0, 0.1).sample(3, generator=0).reshape(3, 2, 1), np.zeros((4, 3)), [[np.nan, 0.0]]]
)
def test_data_must_be_rows_on_the_line_or_in_the_plane(law: Any) -> None:
    with pytest.raises(ValueError, match="must be a mixture or finite rows"):
        Laboratory({"bad": law}, alt="A laboratory.")
    with pytest.raises(ValueError, match="must be on the line or in the plane, got 3 coordinates"):
        Laboratory({"bad": GaussianMixture(np.zeros((1, 3)), 1.0)}, alt="A laboratory.")


def test_a_laboratory_is_the_same_bytes_each_time_and_light() -> None:
    assert laboratory().to_html() == laboratory().to_html()
    extra = len(gzip.compress((script() + laboratory_script()).encode())) - len(gzip.compress(script().encode()))
    assert extra < 20_000
    assert "Press Train &lt;/script&gt;" in laboratory().to_html()
    assert laboratory().to_png()[:4] == b"\x89PNG"
    assert laboratory(data="line").to_png() != laboratory().to_png()
    assert "'batch_size'" in repr(laboratory())


# --- the page -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    """A page with two laboratories, under a strict policy; it may ask for nothing and report no error."""
    opened, asked, wrong = browser.new_page(viewport={"width": 1280, "height": 1200}), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    second = Laboratory({"grid": grid(5, 1.0, 0.1)}, alt="Another.", offer=("game",), **SMALL).to_html()
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    opened.set_content(head + laboratory().to_html() + second)
    yield opened
    opened.close()
    assert asked == []
    assert wrong == []


LAB = "document.querySelector('figure').laboratory"


def state(page: Any) -> list[Any]:
    return page.evaluate(
        f"() => {LAB}.members.map(({{run: r}}) => [r.steps, r.d_loss, r.g_loss, ...r.G.theta, ...r.D.theta])"
    )


def select(page: Any, label: str) -> Any:
    return page.locator("figure").first.locator(f'label.gan-choice:has(> span:text-is("{label}")) select')


def choose(page: Any, label: str, option: str) -> None:
    select(page, label).select_option(label=option)


def press(page: Any, name: str) -> None:
    page.locator("figure").first.locator(f"button[name={name}]").click()


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    """Each test finds the first laboratory as it was at the start."""
    if "page" in request.fixturenames:
        page = request.getfixturevalue("page")
        page.evaluate(
            "() => { document.querySelectorAll('details').forEach(d => { d.open = true; }); location.hash = ''; }"
        )
        page.evaluate(f"() => window.ganLaboratory.set({LAB}, {{...{LAB}.spec.settings}})")


OFFERED = [
    (name, i) for name, offer in laboratory().spec["offer"].items() for i in range(len(offer.get("options", [])))
]


def test_every_option_trains(page: Any) -> None:
    """One round at each option of each choice: finite losses, and the option is the setting of the run."""
    labels = {name: offer["label"] for name, offer in laboratory().spec["offer"].items()}
    for name, i in OFFERED:
        page.evaluate(
            "() => { const lab = document.querySelector('figure').laboratory; window.ganLaboratory.set(lab, {...lab.spec.settings}); }"
        )
        value, text = laboratory().spec["offer"][name]["options"][i]
        choose(page, labels[name], text)
        if value == "draw your own":
            continue
        press(page, "round")
        got = page.evaluate(
            f"() => {{ const r = {LAB}.members[0].run; return [{LAB}.values.{name}, r.steps, r.d_loss, r.g_loss, r.finite]; }}"
        )
        assert got[0] == value
        assert got[1] == 1, f"{name} = {value}"
        assert got[4]
        assert np.isfinite(got[2:4]).all()


def test_sliders_set_what_they_say(page: Any) -> None:
    for name, offer in laboratory().spec["offer"].items():
        if "options" in offer:
            continue
        slider = page.locator("figure").first.locator(f'label.gan-slider:has(> span:text-is("{offer["label"]}")) input')
        for key in ("End", "Home", "ArrowRight"):
            slider.focus()
            page.keyboard.press(key)
            said, value = slider.get_attribute("aria-valuetext"), page.evaluate(f"() => {LAB}.values.{name}")
            assert page.evaluate(f"() => {LAB}.members[0].run.config.{name}") == value
            if "log" in offer:
                lo, hi, step = offer["log"]
                want = {"End": 10.0**hi, "Home": 0.0, "ArrowRight": 10.0**lo}[key]
                assert value == pytest.approx(want, rel=0.01)
                assert said == ("0 (frozen)" if key == "Home" else said)
                assert key == "Home" or float(said) == value
            else:
                lo, hi, step = offer["range"]
                assert value == {"End": hi, "Home": lo, "ArrowRight": lo + step}[key]
                assert float(said) == value


def test_reset_repeats_and_a_new_seed_does_not(page: Any) -> None:
    press(page, "round"), press(page, "stepD"), press(page, "stepG"), press(page, "round")
    first = state(page)
    press(page, "reset")
    assert state(page)[0][0] == 0
    press(page, "round"), press(page, "stepD"), press(page, "stepG"), press(page, "round")
    assert state(page) == first
    press(page, "again")
    press(page, "round"), press(page, "stepD"), press(page, "stepG"), press(page, "round")
    assert not set(state(page)[0][1:]) & set(first[0][1:])


def test_a_step_of_one_player_leaves_the_other(page: Any) -> None:
    weights = f"() => {{ const r = {LAB}.members[0].run; return [[...r.G.theta], [...r.D.theta]]; }}"
    before = page.evaluate(weights)
    press(page, "stepD")
    between = page.evaluate(weights)
    assert between[0] == before[0]
    assert between[1] != before[1]
    press(page, "stepG")
    after = page.evaluate(weights)
    assert after[0] != between[0]
    assert after[1] == between[1]


def test_a_frozen_player_stays(page: Any) -> None:
    choose(page, "try", "frozen D")
    weights = f"() => [...{LAB}.members[0].run.D.theta]"
    before = page.evaluate(weights)
    press(page, "round"), press(page, "round")
    assert page.evaluate(weights) == before
    assert page.evaluate(f"() => {LAB}.members[0].run.steps") == 2


def test_it_trains_and_pauses(page: Any) -> None:
    press(page, "train")
    page.wait_for_function(f"() => {LAB}.members[0].run.steps > 30")
    assert page.locator("button[name=train]").first.inner_text() == "Pause"
    assert page.locator("figure output").first.get_attribute("aria-live") == "off"
    press(page, "train")
    steps = page.evaluate(f"() => {LAB}.members[0].run.steps")
    page.wait_for_timeout(150)
    assert page.evaluate(f"() => {LAB}.members[0].run.steps") == steps
    assert page.locator("figure output").first.get_attribute("aria-live") == "polite"
    assert f"round {steps}" in page.locator("figure output").first.inner_text()
    assert page.evaluate("() => document.querySelectorAll('figure')[1].laboratory.members[0].run.steps") == 0


def test_the_parts_of_an_update_are_the_update(page: Any) -> None:
    press(page, "round")
    whole = state(page)
    press(page, "reset")
    said = []
    for _ in range(12):
        press(page, "next")
        said.append(page.locator("figure details p").first.inner_text())
    assert state(page) == whole
    assert [text.split(":")[0] for text in said] == [
        f"{player}, {part}" for player in "DG" for part in ("draw", "generate", "judge", "loss", "gradient", "step")
    ]
    assert f"{whole[0][1]:.3f}" in said[3]


def test_runs_side_by_side_are_those_of_their_seeds(page: Any) -> None:
    choose(page, "runs side by side", "2")
    press(page, "round"), press(page, "round")
    pair = state(page)
    page.evaluate(f"() => window.ganLaboratory.set({LAB}, {{...{LAB}.spec.settings, seed: 2}})")
    press(page, "round"), press(page, "round")
    assert pair[1] == state(page)[0]
    assert pair[0] != pair[1]
    choose(page, "runs side by side", "8")
    press(page, "round")
    assert len(state(page)) == 8
    assert page.locator("figure").first.locator(".gan-panel").count() == 8


def table(page: Any) -> dict[str, list[str]]:
    rows = page.evaluate(
        "() => [...document.querySelector('figure table').rows].map(r => [...r.cells].map(c => c.textContent))"
    )
    return {row[0]: row[1:] for row in rows}


def test_scores_are_those_of_the_package(page: Any) -> None:
    from scipy.optimize import linear_sum_assignment
    from scipy.special import ndtr

    from gan_edu.evaluation import mode_coverage

    rng = np.random.default_rng(3)
    plain = {
        "dim": 2,
        "means": LOPSIDED.means.tolist(),
        "stds": LOPSIDED.stds.tolist(),
        "weights": LOPSIDED.weights.tolist(),
    }
    for law, x in ((LOPSIDED, LOPSIDED.sample(400, generator=1)), (LOPSIDED, rng.normal(0, 2, (400, 2)))):
        want = mode_coverage(x, law, fair=0.5)
        got = page.evaluate(
            "([law, x]) => window.ganLaboratory.coverage(law, Float64Array.from(x))", [plain, x.T.ravel().tolist()]
        )
        assert got == [int(want.modes), pytest.approx(float(want.high_quality))]
    x, y = rng.normal(size=(31, 2)), rng.normal(1, 2, size=(31, 2))
    cost = np.linalg.norm(x[:, None] - y, axis=2)
    ask = "([x, y, dim]) => window.ganLaboratory.distance(Float64Array.from(x), Float64Array.from(y), dim)"
    assert page.evaluate(ask, [x.T.ravel().tolist(), y.T.ravel().tolist(), 2]) == pytest.approx(
        cost[linear_sum_assignment(cost)].mean()
    )
    line = page.evaluate(ask, [x[:, 0].tolist(), y[:, 0].tolist(), 1])
    assert line == pytest.approx(np.abs(np.sort(x[:, 0]) - np.sort(y[:, 0])).mean())
    for at in (-3.0, -0.5, 0.0, 1.0, 5.0):
        assert page.evaluate("x => window.ganLaboratory.cdf(x)", at) == pytest.approx(ndtr(at), abs=1e-12)


def test_every_score_stands_beside_its_nulls(page: Any) -> None:
    rows = table(page)
    assert rows[""] == ["generated", "a blob", "the data"]
    assert rows["modes held, of 2"][2] == "2"
    assert float(rows["samples near a mode"][2].split()[0]) == pytest.approx(98.9, abs=1)
    assert float(rows["W1, 128 points"][2]) < float(rows["W1, 128 points"][1])
    choose(page, "data", "moons")
    assert list(table(page)) == ["", "W1, 128 points"]


def test_the_listing_trains_as_the_page_does(page: Any) -> None:
    """The cell that is shown runs, and its settings are those of the laboratory."""
    for preset in ("frozen D", "clipping"):
        choose(page, "try", preset)
        code = (
            page.locator("figure pre")
            .first.inner_text()
            .replace("members=16", "members=2")
            .replace("steps=1000", "steps=2")
        )
        scope: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(code, scope)
        config, values = scope["run"].config, page.evaluate(f"() => {LAB}.values")
        for name in ("game", "activation", "latent_dim", "latent", "batch_size", "optimizer", "clip", "r1", "lr_g"):
            assert getattr(config, name) == values[name]
        assert list(config.hidden) == values["hidden"]
        assert config.critic_steps == (0 if preset == "frozen D" else values["critic_steps"])


def test_an_address_carries_the_settings(page: Any) -> None:
    choose(page, "game", "least-squares")
    choose(page, "batch", "64")
    press(page, "again")
    press(page, "link")
    address = page.evaluate("() => location.hash")
    page.evaluate("() => { location.hash = ''; }")
    page.evaluate(f"() => window.ganLaboratory.set({LAB}, {{...{LAB}.spec.settings}})")
    page.evaluate("hash => { location.hash = hash; }", address)
    page.wait_for_function(f"() => {LAB}.values.seed === 2")
    assert page.evaluate(f"() => [{LAB}.values.game, {LAB}.values.batch_size]") == ["least-squares", 64]
    assert select(page, "batch").evaluate("e => e.selectedOptions[0].text") == "64"
    page.evaluate("() => { location.hash = '#lab=0&game=\"chess\"&lr_d=7&seed=-1&batch_size=128'; }")
    page.wait_for_function(f"() => {LAB}.values.batch_size === 128")
    assert page.evaluate(f"() => [{LAB}.values.game, {LAB}.values.seed, {LAB}.values.lr_d]") == [
        "least-squares",
        2,
        0.001,
    ]


def test_data_are_drawn(page: Any) -> None:
    choose(page, "data", "draw your own")
    press(page, "train")
    assert "must have a point" in page.locator(".gan-lab-note").first.inner_text()
    assert not page.evaluate(f"() => {LAB}.running")
    plot = page.locator("figure .gan-plot svg").first
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2)
    page.mouse.up()
    plot.focus()
    page.keyboard.press("ArrowLeft"), page.keyboard.press("Enter")
    drawn = np.array(page.evaluate(f"() => {LAB}.drawn"))
    assert len(drawn) == 3
    assert abs(drawn[:2]).max() < 1.2
    press(page, "round")
    assert page.evaluate(f"() => [{LAB}.members[0].run.steps, {LAB}.law.means.length]") == [1, 3]


def test_a_diverged_run_says_so(page: Any) -> None:
    huge = "game: 'least-squares', optimizer: 'sgd', lr_d: 1e200, lr_g: 1e200"
    page.evaluate(f"() => window.ganLaboratory.set({LAB}, {{...{LAB}.spec.settings, {huge}}})")
    for _ in range(6):
        press(page, "round")
    assert "not finite, and is frozen as it was at round" in page.locator(".gan-lab-note").first.inner_text()
    press(page, "train")
    page.wait_for_function(f"() => !{LAB}.running")


def test_on_the_line_the_theory_stands_beside_the_run(page: Any) -> None:
    choose(page, "data", "line")
    press(page, "round")
    said = page.locator("figure output").first.inner_text()
    for word in ("JS(p", "V ", "2 JS - log 4", "mean of |D - D*|"):
        assert word in said
    scope = page.evaluate(
        f"() => {{ const s = {LAB}.members[0].e.scope; return ['x', 'pd', 'pg', 'D', 'best', 'JS'].map(k => [...s[k].data]); }}"
    )
    x, pd, pg, d, best, js = map(np.array, scope)
    np.testing.assert_allclose(pd, two_modes(4.0, 0.5).prob(x), atol=1e-9)
    assert np.trapezoid(pg, x) == pytest.approx(1, abs=0.02)
    keep = pd + pg > 1e-6
    np.testing.assert_allclose(best[keep], (pd / (pd + pg))[keep], atol=1e-9)
    assert 0 < js[0] < np.log(2)
    assert ((d > 0) & (d < 1)).all()


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate("""() => [...document.querySelectorAll('figure button, figure select, figure input')]
        .filter(e => !(e.textContent.trim() && e.tagName === 'BUTTON') && !(e.labels && e.labels[0] && e.labels[0].textContent.trim()))
        .map(e => e.outerHTML)""")
    assert nameless == []


def test_it_fits_a_phone(browser: Any) -> None:
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    opened.set_content('<!doctype html><html lang="en"><body style="margin:8px">' + laboratory().to_html())
    assert opened.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert opened.evaluate("() => document.querySelector('figure').dataset.ready") == "1"
    opened.close()


def test_settings_travel_as_data() -> None:
    """What the page reads is plain JSON, and None is null: the game's own."""
    spec = json.loads(json.dumps(laboratory().spec, default=lambda a: a.tolist()))
    assert spec["settings"]["penalty_weight"] is None
    assert spec["settings"]["layers"] == 2
    assert spec["settings"]["width"] == 8
    assert spec["laws"][0]["weights"] == [0.25, 0.75]
