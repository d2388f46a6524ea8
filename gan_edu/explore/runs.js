// One run of a laboratory: what is counted of it, and what its picture holds. Uses trainer.js and the panels of explore.js.

const {SHAPES, WORDS, add, addSlider, clamp, dots, engine, format, haloed, minus, panel, rich, say, settle, words} = window.ganExplore.kit;

// ---- 1. Scores -------------------------------------------------------------------------------------------------------

const SHOWN = 512, PULLS = 64, PAST = 300, REFERENCE = 128, ROWS = 15, BAND = 0.1;

function normalQuantile(p) { // by bisection of erf's series
  let a = -7, b = 7;
  for (let i = 0; i < 40; i++) { const m = (a + b) / 2; if (cdf(m) < p) a = m; else b = m; }
  return (a + b) / 2;
}
function cdf(x) { // Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/15 + ...)
  let term = x, sum = x;
  for (let k = 3; Math.abs(term) > 1e-16 * Math.abs(sum) && k < 400; k += 2) sum += term *= x * x / k;
  return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
}
// As evaluation.mode_coverage with fair=1/2: [modes, share of samples within three standard deviations of the nearest mode]
function coverage({dim, means, stds, weights}, x) {
  const n = x.length / dim, hits = means.map(() => 0);
  for (let i = 0; i < n; i++) {
    let mode = 0, far = Infinity;
    means.forEach((m, k) => {
      let r = 0;
      for (let j = 0; j < dim; j++) r += (x[j * n + i] - m[j]) ** 2;
      r = Math.sqrt(r) / stds[k];
      if (r < far) { far = r; mode = k; }
    });
    if (far <= 3) hits[mode]++;
  }
  const within = dim === 1 ? 2 * cdf(3) - 1 : 1 - Math.exp(-4.5), good = hits.reduce((a, b) => a + b, 0);
  return [hits.filter((h, k) => h && h >= n * weights[k] * within / 2 - 1e-9).length, good / n];
}
// W1 of two sets of n points (dim, n): by order on the line, else the cheapest assignment, by shortest augmenting paths
function distance(x, y, dim) {
  const n = x.length / dim;
  if (dim === 1) {
    const [a, b] = [x, y].map(v => Float64Array.from(v).sort());
    return a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / n;
  }
  const u = new Float64Array(n + 1), v = new Float64Array(n + 1), match = new Int32Array(n + 1), way = new Int32Array(n + 1);
  for (let i = 1; i <= n; i++) {
    const least = new Float64Array(n + 1).fill(Infinity), used = new Uint8Array(n + 1);
    let j0 = 0;
    match[0] = i;
    do {
      const row = match[j0];
      let gap = Infinity, j1 = 0;
      used[j0] = 1;
      for (let j = 1; j <= n; j++) if (!used[j]) {
        const cost = Math.hypot(x[row - 1] - y[j - 1], x[n + row - 1] - y[n + j - 1]) - u[row] - v[j];
        if (cost < least[j]) { least[j] = cost; way[j] = j0; }
        if (least[j] < gap) { gap = least[j]; j1 = j; }
      }
      for (let j = 0; j <= n; j++) if (used[j]) { u[match[j]] += gap; v[j] -= gap; } else least[j] -= gap;
      j0 = j1;
    } while (match[j0]);
    do { const j1 = way[j0]; match[j0] = match[j1]; j0 = j1; } while (j0);
  }
  return -v[0] / n;
}
function moments(x, dim) { // mean and Cholesky factor of the covariance of points (dim, n)
  const n = x.length / dim, row = k => x.subarray(k * n, (k + 1) * n), m = [], c = [[0, 0], [0, 0]];
  for (let k = 0; k < dim; k++) m.push(row(k).reduce((a, b) => a + b, 0) / n);
  const product = (k, l) => row(k).reduce((sum, v, i) => sum + (v - m[k]) * (row(l)[i] - m[l]), 0) / n;
  c[0][0] = Math.sqrt(product(0, 0));
  if (dim > 1) { c[1][0] = c[0][0] ? product(1, 0) / c[0][0] : 0; c[1][1] = Math.sqrt(Math.max(0, product(1, 1) - c[1][0] ** 2)); }
  return {mean: m, root: c};
}
function blob(x, dim, n, random) { // n samples of the single Gaussian with the mean and covariance of x: a law without features
  const {mean, root} = moments(x, dim), to = new Float64Array(dim * n);
  for (let i = 0; i < n; i++) {
    const z = [random.normal(), random.normal()];
    for (let k = 0; k < dim; k++) to[k * n + i] = mean[k] + root[k][0] * z[0] + root[k][1] * z[1];
  }
  return to;
}
const some = (x, dim, n) => { // the first n of points (dim, any)
  const all = x.length / dim, to = new Float64Array(dim * n);
  for (let k = 0; k < dim; k++) to.set(x.subarray(k * all, k * all + n), k * n);
  return to;
};

// ---- 2. One run and its picture --------------------------------------------------------------------------------------

// Clouds are painted on a canvas over the tint: as paths they would cost half of the frames
SHAPES.Cloud = (m, d, sx, sy) => {
  if (!m.layer) return haloed("gan-dots", dots([14], [6], m.role, m.size, v => v, v => v)); // in the legend
  const under = m.layer.closest(".gan-plot").querySelector(".gan-window"), ratio = Math.min(2, devicePixelRatio || 1);
  if (!m.sheet || m.sheet.parentNode !== under) {
    m.sheet = add(under, "canvas", {style: "left:0;top:0;width:100%;height:100%", class: "gan-lab-cloud gan-" + m.role});
    m.sheet.width = under.clientWidth * ratio; m.sheet.height = under.clientHeight * ratio;
    m.pen = m.sheet.getContext("2d");
  }
  const pen = m.pen, s = m.size / 2;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, under.clientWidth, under.clientHeight);
  pen.fillStyle = pen.strokeStyle = getComputedStyle(m.sheet).color;
  pen.lineWidth = 1.4;
  pen.beginPath();
  for (let i = 0; i < d.x.length; i++) {
    const x = sx(d.x[i]), y = sy(d.y[i]);
    if (!isFinite(x + y)) continue;
    if (m.role === "generator") {
      pen.moveTo(x - s, y - s); pen.lineTo(x + s, y + s); pen.moveTo(x - s, y + s); pen.lineTo(x + s, y - s);
    } else { pen.moveTo(x + s, y); pen.arc(x, y, s * 0.8, 0, 7); }
  }
  if (m.role === "generator") pen.stroke(); else pen.fill();
  return [];
};
// What a law looks like, whatever the run: samples to show, and the scores of a blob and of the data themselves
function reference(law, seed) {
  const {dim} = law, random = trainer.randomness(seed + 1e6), draw = n => trainer.sample(law, n, random);
  const shown = draw(SHOWN), points = draw(REFERENCE), empty = blob(shown, dim, 4 * SHOWN, random);
  const gap = x => distance(points, some(x, dim, REFERENCE), dim), counted = x => law.counted ? coverage(law, x) : [];
  const again = [1, 2, 3].map(() => gap(draw(REFERENCE))); // of one pair it would be luck
  return {shown, points, blob: [...counted(empty), gap(empty)], data: [...counted(draw(4 * SHOWN)), (again[0] + again[1] + again[2]) / 3]};
}
const bell = (x, s) => Math.exp(-x * x / (2 * s * s)) / (s * Math.sqrt(2 * Math.PI));
function netOf(latent_dim, quantile) { // latent points along lines of equal probability, and where the pen is lifted
  const at = i => quantile(0.02 + 0.96 * i / (ROWS - 1)), z = [[], []], lifted = [];
  if (latent_dim > 2) return {z: new Float64Array(0), lifted};
  if (latent_dim === 1) return {z: Float64Array.from({length: 400}, (_, i) => quantile(0.005 + 0.99 * i / 399)), lifted: Array(400).fill(false)};
  for (const turned of [0, 1]) for (let j = 0; j < ROWS; j++) for (let i = 0; i <= ROWS; i++) {
    z[turned].push(at(j)); z[1 - turned].push(at(Math.min(i, ROWS - 1))); lifted.push(i === ROWS);
  }
  return {z: Float64Array.from([...z[0], ...z[1]]), lifted};
}
// A run with its engine, which holds the arrays that its panels draw; `places` are pairs (where, description of a panel)
function member(lab, spec, law, seed, places) {
  const e = engine(spec), live = name => e.scope[name].data;
  e.run({frame: 0});
  const x = e.axes.x.values, cells = law.dim === 1 ? x.length : x.length ** 2;
  const run = trainer.create(law, {...lab.values, seed}, Math.max(cells, 4 * SHOWN)), {latent_dim, latent} = run.config;
  const random = trainer.randomness(7), even = latent === "uniform";
  const quantile = p => even ? 2 * p - 1 : normalQuantile(p), draw = () => even ? 2 * random.uniform() - 1 : random.normal();
  const many = Float64Array.from({length: latent_dim * 4 * SHOWN}, draw);
  const probes = latent_dim === 1 ? Float64Array.from({length: SHOWN}, (_, i) => quantile((i + 0.5) / SHOWN)) : some(many, latent_dim, SHOWN);
  const where = law.dim === 1 ? x : Float64Array.from({length: 2 * cells}, (_, i) => i < cells ? x[i % x.length] : e.axes.y.values[Math.floor((i - cells) / x.length)]);
  const one = {run, e, live, law, lab, where, probes, many, net: netOf(latent_dim, quantile), scores: [],
    past: {rounds: [], d_loss: [], g_loss: [], w1: []}, views: places.map(([, p]) => p)};
  one.panels = places.map(([place, p]) => panel(place, p, [p], e, say(lab.spec.alt), lab.redraw));
  score(one);
  return one;
}
function score(one) {
  const {run, law, lab, many} = one, x = run.generate(many, 4 * SHOWN);
  one.scores = [...(law.counted ? coverage(law, x) : []), distance(lab.reference.points, some(x, law.dim, REFERENCE), law.dim)];
}
function note({past, run, scores}, d, g) { // a moment of the run; when there is no more room, every second one goes
  if (past.rounds.length === PAST) for (const k in past) past[k] = past[k].filter((_, i) => i % 2);
  past.rounds.push(run.steps); past.d_loss.push(d); past.g_loss.push(g); past.w1.push(scores.at(-1));
}
function paint(one, fresh, batch) { // fresh: D's tint too; batch: the samples of the update that is walked through
  const {lab: {half, reference}, live, past, e, law} = one;
  if (law.dim === 2) fillPlane(one, fresh, batch); else fillLine(one);
  for (const k in past) live(k).fill(NaN).set(past[k]);
  live("d_half")[0] = half[0]; live("g_half")[0] = half[1];
  live("w1_floor")[0] = reference.data.at(-1); live("w1_blob")[0] = reference.blob.at(-1);
  e.run({frame: 0});
}
function fillPlane(one, fresh, batch) {
  const {run, live, lab, law, probes} = one, n = batch ? run.config.batch_size : SHOWN, fake = batch ? run.fake : run.generate(probes, SHOWN);
  const cloud = (names, from) => names.forEach((name, k) => {
    const m = from.length / 2;
    live(name).fill(NaN).set(from.subarray(k * m, k * m + Math.min(m, SHOWN)));
  });
  cloud(["dx", "dy"], batch ? run.real : lab.own ? Float64Array.from([0, 1].flatMap(k => law.means.map(m => m[k]))) : lab.reference.shown);
  cloud(["fx", "fy"], fake);
  fillPull(one, fake, n);
  if (fresh) { fillTint(one); fillNet(one); }
}
function fillPull({run, live, lab, views}, fake, n) { // the longest arrow spans an eighth of the picture
  const arrows = ["from_x", "from_y", "to_x", "to_y"].map(k => live(k).fill(NaN));
  if (!lab.shows("pull")) return;
  const m = Math.min(PULLS, n), at = some(fake, 2, m), pull = run.pull(at, m), reach = views[0].x[1] / 4;
  const longest = Math.max(1e-300, ...Array.from({length: m}, (_, i) => Math.hypot(pull[i], pull[m + i])));
  for (let i = 0; i < m; i++) for (let k = 0; k < 2; k++) {
    arrows[k][i] = at[k * m + i];
    arrows[k + 2][i] = at[k * m + i] + pull[k * m + i] / longest * reach;
  }
}
function fillTint(one) {
  const {run, live, where} = one, tint = live("tint"), out = run.judge(where, tint.length);
  if (run.game.output === "logit") { tint.set(out); return; }
  const lo = Math.min(...out), hi = Math.max(...out); // a critic has units of its own: nine level lines from its least to its largest
  out.forEach((v, i) => { tint[i] = (v - lo) / (hi - lo || 1); });
  one.range = [lo, hi];
}
function fillNet({run, live, lab, net: {z, lifted}}) {
  const x = live("net_x").fill(NaN), y = live("net_y").fill(NaN), n = lifted.length;
  if (!n || !lab.shows("net")) return;
  const at = run.generate(z, n);
  for (let i = 0; i < n; i++) if (!lifted[i]) { x[i] = at[i]; y[i] = at[n + i]; }
}
function fillLine({run, live, law, e, many}) { // p_g through a kernel
  const x = e.axes.x.values, dx = x[1] - x[0], reach = Math.ceil(5 * BAND / dx), pg = live("pg").fill(0);
  for (const v of run.generate(many, 4 * SHOWN)) {
    const at = Math.round((v - x[0]) / dx);
    for (let i = Math.max(0, at - reach); i <= Math.min(x.length - 1, at + reach); i++) pg[i] += bell(x[i] - v, BAND) / (4 * SHOWN);
  }
  const parts = law.rows ? law.rows.map(r => [r[0], BAND, 1 / law.rows.length]) : law.means.map((m, k) => [m[0], law.stds[k], law.weights[k]]);
  live("pd").forEach((_, i, pd) => { pd[i] = parts.reduce((sum, [m, s, w]) => sum + w * bell(x[i] - m, s), 0); });
  live("D").set(run.judge(x, x.length));
}
