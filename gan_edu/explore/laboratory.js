// A laboratory: slices of training (trainer.js) between frames, shown by runs.js.

// ---- 1. Words --------------------------------------------------------------------------------------------------------

Object.assign(WORDS.en, {train: "Train", stop: "Pause", stepD: "Step D", stepG: "Step G", round: "One round", again: "New seed",
  more: "More settings", walk: "One update, part by part", next: "Next part", code: "The same in Python", copy: "Copy",
  link: "Link to these settings", presets: "try", choose: "choose …", speed: "speed", fast: "as fast as it goes",
  ten: "ten rounds a frame", one: "one round a frame"});
Object.assign(WORDS.zh, {train: "训练", stop: "暂停", stepD: "D 一步", stepG: "G 一步", round: "一轮", again: "换种子",
  more: "更多设置", walk: "分步看一次更新", next: "下一步", code: "对应的 Python", copy: "复制", link: "带设置的链接",
  presets: "试试", choose: "选择…", speed: "速度", fast: "尽可能快", ten: "每帧十轮", one: "每帧一轮"});
const PARTS = { // of an update: what to say, and what lights up in the diagram
  draw: [p => p === "D" ? "A batch of the data, and a batch of z." : "A batch of z. Data are not needed.", ["z", "data"]],
  generate: [() => "G makes a sample of each z.", ["G", "generated"]],
  judge: [(p, run) => `D judges: its ${run.game.output} is on average ${run.verdict.map(format).join(" for data and ")} for generated ones.`, ["D"]],
  loss: [(p, run) => `The loss of ${p} is ${format(run.loss)}.`, ["loss"]],
  gradient: [p => p === "D" ? "Backwards: the slope of that loss by each weight of D." :
    "Backwards through D, which stays as it is: the arrows say where each sample should go. From there to the weights of G.", ["loss", "D"]],
  step: [p => `The weights of ${p} move one step down. ${p === "D" ? "G" : "D"} stays as it was.`, []],
};
const HALF = { // both losses where D = 1/2 everywhere
  "minimax": [Math.log(4), -Math.LN2], "non-saturating": [Math.log(4), Math.LN2], "least-squares": [0.25, 0.125],
};
// These settings take effect at once; any other one starts the run anew
const AT_ONCE = ["lr_d", "lr_g", "critic_steps", "generator_steps", "r1", "instance_noise", "penalty_weight", "clip", "beta1"];
const COPIED = ["game", "hidden", "activation", "latent_dim", "latent", "batch_size", "optimizer", "betas", "lr_g", "lr_d",
  "critic_steps", "generator_steps", "penalty_weight", "clip", "r1", "instance_noise"];

function python(law, values, rounds) { // a cell that does the same
  const numbers = v => JSON.stringify(v, (_, x) => typeof x === "number" ? +x.toPrecision(6) : x), given = {};
  const written = v => Array.isArray(v) ? `(${v.join(", ")}${v.length === 1 ? "," : ""})` : typeof v === "string" ? `"${v}"` : String(v);
  for (const name of COPIED) if (values[name] !== null) given[name] = written(values[name]);
  for (const [rate, steps] of [["lr_g", "generator_steps"], ["lr_d", "critic_steps"]])
    if (!values[rate]) { delete given[rate]; given[steps] = "0"; } // `train` freezes a player by its number of updates
  if (!trainer.GAMES[values.game].penalty) delete given.penalty_weight;
  const data = law.rows ? `np.array(${numbers(law.rows)})` : `GaussianMixture(${[law.means, law.stds, law.weights].map(numbers).join(", ")})`;
  return `${law.rows ? "import numpy as np\n" : ""}from gan_edu import ${law.rows ? "" : "GaussianMixture, "}train\n\ndata = ${data}\n` +
    `run = train(\n    data,\n${Object.entries(given).map(([k, v]) => `    ${k}=${v},\n`).join("")}    members=16,\n    steps=${rounds || 1000},\n)\n`;
}

// ---- 2. Runs and their pictures --------------------------------------------------------------------------------------

function viewOf(spec, dim, output, small) { // the panels of one run, as the game wants them
  const view = JSON.parse(JSON.stringify(spec.views[dim])), [main] = view.panels;
  for (const p of view.panels) p.named = {x: !!say(p.xlabel), y: !!(say(p.ylabel) || say(p.right_label))};
  if (small) Object.assign(main, {height: 190, xticks: [], yticks: []});
  if (output === "score") view.panels[1].marks = view.panels[1].marks.filter(m => m.kind !== "HLine"); // 1/2 means nothing there
  if (output === "logit") return view;
  for (const m of main.marks) {
    if (m.kind === "Heat") Object.assign(m, {label: output + " of D", ends: ["low", "high"], contour: [1, 2, 3, 4, 5, 6, 7, 8, 9].map(k => k / 10)});
    if (m.axis === "right") m.label = output + " of D";
  }
  if (dim === 1) Object.assign(main, {right_label: output, marks: main.marks.filter(m => m.y !== "best")});
  return view;
}
function lawOf({spec, values, drawn}) {
  const chosen = spec.laws.find(l => l.name === values.data);
  if (!chosen.draw) return {...chosen, counted: !!chosen.means};
  const means = drawn.length ? drawn : [[0, 0]];
  return {dim: 2, means, stds: means.map(() => 0.05), weights: means.map(() => 1 / means.length)};
}
function build(lab) { // everything from the start, as the settings say
  const {values, board, members: [before]} = lab, count = values.members, {output} = trainer.GAMES[values.game];
  lab.law = lawOf(lab); lab.own = !!lab.spec.laws.find(l => l.name === values.data).draw;
  lab.reference = reference(lab.law, values.seed); lab.half = HALF[values.game] || [NaN, NaN];
  lab.stale = false; lab.part = 0; lab.sums = Array.from({length: count}, () => [0, 0, 0]);
  board.className = "gan-lab-board" + (count === 8 ? " gan-lab-many" : ""); board.textContent = "";
  const views = Array.from({length: count}, () => viewOf(lab.spec, lab.law.dim, output, count === 8));
  const places = views.map(({panels: [main]}) => [[add(board, "div"), main]]);
  if (count < 8) views.forEach(({panels: [, ...others]}, i) => {
    const past = add(board, "div", {class: "gan-lab-past"});
    places[i].push(...others.map(p => [past, p]));
  });
  lab.members = views.map((view, i) => member(lab, view, lab.law, values.seed + i, places[i]));
  if (before && before.law.dim === lab.law.dim) for (const one of lab.members) keepTicks(before, one);
  if (lab.own) drawOn(lab, lab.members[0]);
  showPart(lab, ""); writeTable(lab); writeCode(lab); draw(lab, true);
}
function keepTicks(before, one) {
  for (const m of one.panels[0].marks) {
    const old = before.panels[0].marks.find(o => o.box && o.role === m.role && o.kind === m.kind);
    if (m.box && old) m.visible = m.box.checked = old.visible;
  }
}
function drawOn(lab, one) { // the reader's own data: by pointer, or by Enter at the cursor of the arrow keys
  const [{svg}] = one.panels, [p] = one.views;
  const put = (x, y) => {
    if (lab.drawn.length < 400) lab.drawn.push([x, y].map(v => Math.round(1000 * v) / 1000));
    lab.law = one.law = lawOf(lab); lab.stale = true;
    draw(lab, false);
    tell(lab, `${lab.drawn.length} points. Train when you are done.`);
  };
  const at = ev => {
    const r = svg.getBoundingClientRect(), {view} = one.panels[0], k = view.outer / r.width;
    const x = ((ev.clientX - r.left) * k - view.l) / view.w, y = ((ev.clientY - r.top) * k - view.t) / view.h;
    if (x >= 0 && y >= 0 && x <= 1 && y <= 1) put(p.x[0] + x * (p.x[1] - p.x[0]), p.y[1] - y * (p.y[1] - p.y[0]));
  };
  svg.style.touchAction = "none";
  svg.addEventListener("pointerdown", ev => { ev.preventDefault(); svg.focus(); pause(lab); at(ev); });
  svg.addEventListener("pointermove", ev => { if (ev.buttons) at(ev); });
  svg.addEventListener("keydown", ev => { const {cursor} = one.panels[0]; if (ev.key === "Enter" && cursor) put(cursor.x, cursor.y); });
  if (!lab.drawn.length) tell(lab, "Draw on the picture with mouse, pen or finger; or move its cursor by the arrow keys and press Enter.");
}

// ---- 3. Training -----------------------------------------------------------------------------------------------------

const tell = (lab, text) => { lab.note.textContent = ""; rich(lab.note, text); };
function ready(lab) { // false where there is nothing to learn from
  if (lab.own && !lab.drawn.length) { tell(lab, "The data must have a point: draw some on the picture first."); return false; }
  if (lab.stale) build(lab);
  return true;
}
function advance(lab, act) { // all runs by one act
  lab.members.forEach(({run}, i) => {
    if (!run.finite) return;
    act(run);
    lab.sums[i] = [run.d_loss, run.g_loss, 1].map((v, k) => lab.sums[i][k] + v);
    if (run.finite) return;
    const which = lab.members.length > 1 ? `Run ${i + 1}` : "The run";
    tell(lab, `${which} met a number that is not finite, and is frozen as it was at round ${run.steps}. Try a smaller step size, then Reset.`);
  });
}
function noteAll(lab) {
  lab.members.forEach((one, i) => {
    const [d, g, n] = lab.sums[i];
    if (n) note(one, d / n, g / n);
    lab.sums[i] = [0, 0, 0];
  });
}
function frame(lab) { // as many rounds as fit beside the drawing, at 60 frames a second, or at 30 where drawing alone is slow
  if (!lab.running || !lab.figure.isConnected) return;
  const begin = performance.now(), until = begin + (lab.cost < 6 ? 12 : 27) - Math.min(lab.cost, 16), {stats, members} = lab;
  let done = 0;
  do { advance(lab, run => run.step()); done++; }
  while (done < lab.speed && performance.now() < until && members.some(one => one.run.finite));
  stats.rounds += done; stats.frames++;
  const now = performance.now(), long = now - stats.since > 500;
  if (long) {
    Object.assign(stats, {rate: stats.rounds / (now - stats.since) * 1000, fps: stats.frames / (now - stats.since) * 1000, since: now, rounds: 0, frames: 0});
    members.forEach(score);
    writeTable(lab);
  }
  if (long || stats.frames % 6 === 0) noteAll(lab);
  if (!members.some(one => one.run.finite)) pause(lab);
  const drawing = performance.now();
  draw(lab, stats.frames % 3 === 0);
  lab.cost = 0.85 * lab.cost + 0.15 * (performance.now() - drawing);
  requestAnimationFrame(() => frame(lab));
}
function play(lab) {
  if (!ready(lab)) return;
  tell(lab, ""); showPart(lab, "");
  lab.running = true; lab.state.setAttribute("aria-live", "off"); // nothing is read aloud while it trains
  Object.assign(lab.stats, {since: performance.now(), rounds: 0, frames: 0});
  lab.playing.textContent = words().stop;
  requestAnimationFrame(() => frame(lab));
}
function pause(lab) {
  if (!lab.running) return;
  lab.running = false; lab.state.setAttribute("aria-live", "polite");
  lab.playing.textContent = words().train;
  settled(lab);
}
function settled(lab) {
  noteAll(lab); lab.members.forEach(score);
  writeTable(lab); writeCode(lab); draw(lab, true);
}
function once(lab, act) {
  pause(lab);
  if (!ready(lab)) return;
  showPart(lab, "");
  advance(lab, act);
  settled(lab);
}

// ---- 4. Showing ------------------------------------------------------------------------------------------------------

function fit(p, axis, values, room) { // widen a panel's range, or narrow it where most of it is empty; true if it changed
  const seen = values.filter(isFinite), lo = Math.min(...seen), hi = Math.max(...seen), [a, b] = p[axis], more = Math.max(room, 0.12 * (hi - lo));
  if (!seen.length || lo >= a && hi <= b && b - a <= 3 * (hi - lo + 2 * more)) return false;
  p[axis] = a === 0 && lo >= 0 ? [0, hi + more] : [lo - more, hi + more];
  return true;
}
function adapt(one) { // the axes that grow with a run
  const {views: [main, losses, gap], panels, past, run, law, e, lab: {half, reference}} = one;
  const end = 200 * 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, run.steps) / 200))), changed = [false];
  if (law.dim === 1) {
    changed[0] = fit(main, "y", [0, ...e.scope.pd.data, ...e.scope.pg.data], 0.02);
    if (run.game.output !== "logit") changed[0] = fit(main, "right", [...e.scope.D.data], 0.01) || changed[0];
  }
  if (losses) {
    changed[1] = changed[2] = losses.x[1] !== end;
    losses.x = [0, end]; gap.x = [0, end];
    changed[1] = fit(losses, "y", [...past.d_loss, ...past.g_loss, ...half], 0.1) || changed[1];
    changed[2] = fit(gap, "y", [0, ...past.w1, reference.blob.at(-1), reference.data.at(-1)], 0.02) || changed[2];
  }
  changed.forEach((yes, i) => { if (yes && panels[i].view) panels[i].layout(); });
}
function draw(lab, fresh, batch) {
  for (const one of lab.members) { paint(one, fresh, batch); adapt(one); for (const p of one.panels) p.draw(); }
  const [{run, range, e}] = lab.members, parts = [`round ${run.steps}`];
  if (isFinite(run.d_loss)) parts.push(`loss of D ${format(run.d_loss)}`);
  if (isFinite(run.g_loss)) parts.push(`loss of G ${format(run.g_loss)}`);
  if (range && lab.law.dim === 2) parts.push(`${run.game.output} of D from ${format(range[0])} to ${format(range[1])}`);
  if (lab.law.dim === 1 && run.game.output === "logit") for (const [label, tree] of lab.spec.views[1].readout) {
    const n = e.build(tree);
    n.run(); parts.push(`${say(label)} ${format(n.data[0])}`);
  }
  if (lab.running && lab.stats.rate) parts.push(`${Math.round(lab.stats.rate)} rounds a second`);
  lab.state.textContent = ""; rich(lab.state, parts.join(" · "));
}
function writeTable({law, reference: {blob, data}, members, table}) { // every score beside a featureless law's and the data's own
  const percent = v => `${(100 * v).toFixed(1)} %`, eight = members.length === 8;
  const rows = [...(law.counted ? [[`modes held, of ${law.means.length}`, String], ["samples near a mode", percent]] : []),
    [`W1, ${REFERENCE} points`, v => v.toFixed(3)]];
  const cells = (own, show) => {
    if (!eight) return own.map(show);
    const s = [...own].sort((a, b) => a - b);
    return [`${show((s[3] + s[4]) / 2)} (${show(s[0])} to ${show(s[7])})`];
  };
  table.textContent = "";
  const head = add(add(table, "thead"), "tr"), body = add(table, "tbody");
  add(head, "td");
  for (const text of [...(eight ? ["median of 8"] : members.length === 2 ? ["left", "right"] : ["generated"]), "a blob", "the data"]) add(head, "th", {scope: "col"}, text);
  rows.forEach(([label, show], k) => {
    const row = add(body, "tr");
    add(row, "th", {scope: "row"}, label);
    for (const text of [...cells(members.map(one => one.scores[k]), show), show(blob[k]), show(data[k])]) add(row, "td", {}, text);
  });
}
function writeCode(lab) { lab.code.textContent = python(lab.law, lab.values, lab.members[0].run.steps); }

// ---- 5. Controls -----------------------------------------------------------------------------------------------------

function button(place, name, act, kind = "") {
  const made = add(place, "button", {type: "button", class: kind, name}, words()[name]);
  made.addEventListener("click", act);
  return made;
}
function derive(values, name) { // settings that are offered in parts
  if (name === "layers" || name === "width") values.hidden = Array(values.layers).fill(values.width);
  if (name === "beta1") values.betas = [values.beta1, values.betas[1]];
}
function change(lab, name, v) {
  lab.values[name] = v;
  derive(lab.values, name);
  if (AT_ONCE.includes(name)) {
    for (const {run} of lab.members) for (const k of [...AT_ONCE, "betas"]) run.config[k] = lab.values[k];
    writeCode(lab);
    return;
  }
  if (name === "data") { tell(lab, ""); lab.drawn = []; }
  build(lab);
}
function set(lab, chosen) { // several at once
  pause(lab); tell(lab, "");
  Object.assign(lab.values, chosen);
  for (const name in chosen) derive(lab.values, name);
  for (const name in lab.controls) lab.controls[name]();
  lab.drawn = []; build(lab);
}
function addSelect(place, label, options, act) {
  const row = add(place, "label", {class: "gan-choice"});
  add(row, "span", {}, label);
  const made = add(row, "select");
  options.forEach(([, text], i) => { add(made, "option", {value: i}).textContent = say(text); });
  made.addEventListener("change", () => act(options[+made.value][0]));
  return made;
}
function addSetting(lab, place, name) {
  const {label, options, range, log} = lab.spec.offer[name], {values, controls} = lab;
  if (options) {
    const made = addSelect(place, label, options, v => change(lab, name, v));
    controls[name] = () => { made.value = options.findIndex(([v]) => v === values[name]); };
  } else { // a step size goes in powers of ten; left of the smallest one lies 0, which freezes the player
    const off = log && log[0] - log[2], [lo, hi, step] = log ? [off, log[1], log[2]] : range;
    const read = p => !log ? p : p < log[0] - 0.1 ? 0 : +(10 ** p).toPrecision(2);
    const at = {values: {}, controls: {}, set(_, p) { at.values[name] = p; at.controls[name](); change(lab, name, read(p)); }};
    const place0 = () => { at.values[name] = !log ? values[name] : values[name] ? clamp(Math.log10(values[name]), [lo, hi]) : off; };
    place0();
    addSlider(at, place, name, label, {lo, hi, step}, p => log && !read(p) ? "0 (frozen)" : minus(String(read(p))));
    controls[name] = () => { place0(); at.controls[name](); };
  }
  controls[name]();
}
function addWalk(lab, body) { // one update in its parts, with a diagram of the two players
  const slow = add(body, "details");
  add(slow, "summary", {}, words().walk);
  const what = "z goes into G, which makes generated samples; these, and data, go into D, which gives a loss";
  const chain = add(slow, "div", {class: "gan-lab-walk", role: "img", "aria-label": what});
  lab.boxes = [];
  for (const text of ["z", "→", "G", "→", "generated", "→", "D", "→", "loss", "←", "D", "←", "data"]) {
    const box = add(chain, "→←".includes(text) ? "i" : "span", {}, text);
    if (!"→←".includes(text)) lab.boxes.push([text, box]);
  }
  lab.sentence = add(slow, "p", {role: "status"});
  button(slow, "next", () => nextPart(lab));
}
function showPart(lab, text, lit = []) {
  for (const [name, box] of lab.boxes) if (lit.includes(name)) box.dataset.now = ""; else delete box.dataset.now;
  lab.sentence.textContent = text;
}
function nextPart(lab) {
  pause(lab);
  if (!ready(lab)) return;
  const {run} = lab.members[0], names = Object.keys(PARTS), player = lab.part < names.length ? "D" : "G", name = names[lab.part % names.length];
  if (!run.finite) return;
  run["parts" + player][name]();
  const [sentence, lit] = PARTS[name];
  showPart(lab, `${player}, ${name}: ${sentence(player, run)}`, name === "step" ? [player] : lit.filter(k => player === "D" || k !== "data"));
  lab.part = (lab.part + 1) % (2 * names.length);
  if (lab.part) { draw(lab, true, name !== "draw" && lab.law.dim === 2); return; }
  run.steps++;
  lab.sums[0] = [run.d_loss, run.g_loss, 1];
  settled(lab);
}
function addListing(lab, body, index) { // the same elsewhere: as Python, and as an address
  const listing = add(body, "details");
  add(listing, "summary", {}, words().code);
  lab.code = add(listing, "pre", {tabindex: 0});
  const foot = add(listing, "div", {class: "gan-lab-row"});
  button(foot, "copy", () => {
    const failed = () => { getSelection().selectAllChildren(lab.code); tell(lab, "Selected: copy it with the keys of your system."); };
    if (navigator.clipboard) navigator.clipboard.writeText(lab.code.textContent).then(() => tell(lab, "Copied."), failed); else failed();
  });
  button(foot, "link", () => {
    const pairs = ["seed", ...Object.keys(lab.spec.offer)].map(k => [k, JSON.stringify(lab.values[k])]);
    location.hash = new URLSearchParams([["lab", index], ...pairs]).toString();
    tell(lab, "The address of this page now carries the settings.");
  });
}
function fromAddress({spec}, index) { // settings that are offered, with values that are; anything else is left alone
  const given = new URLSearchParams(location.hash.slice(1)), chosen = {};
  if (given.get("lab") !== String(index)) return chosen;
  for (const [name, text] of given) {
    let v;
    try { v = JSON.parse(text); } catch { continue; }
    const {options, range, log} = spec.offer[name] || {}, ends = range || log && [0, 10 ** log[1]];
    const good = name === "seed" ? Number.isSafeInteger(v) && v >= 0 : options ? options.some(([o]) => o === v) :
      ends && typeof v === "number" && v >= ends[0] && v <= ends[1];
    if (good) chosen[name] = v;
  }
  return chosen;
}

// ---- 6. All laboratories of a page -----------------------------------------------------------------------------------

function furnish(lab, body, index) {
  const {spec} = lab, word = words();
  if (say(spec.title)) add(body, "div", {class: "gan-heading"}, spec.title);
  const top = add(body, "div", {class: "gan-lab-row"});
  lab.playing = button(top, "train", () => lab.running ? pause(lab) : play(lab), "gan-lab-train");
  button(top, "stepD", () => once(lab, run => run.stepD()));
  button(top, "stepG", () => once(lab, run => run.stepG()));
  button(top, "round", () => once(lab, run => run.step()));
  button(top, "reset", () => { pause(lab); tell(lab, ""); build(lab); });
  button(top, "again", () => { pause(lab); tell(lab, ""); lab.values.seed++; build(lab); });
  if (spec.presets.length) {
    const options = [[null, word.choose], ...spec.presets.map(([label, chosen]) => [chosen, label])];
    addSelect(top, word.presets, options, chosen => { if (chosen) set(lab, {...spec.settings, seed: lab.values.seed, ...chosen}); });
  }
  lab.note = add(body, "div", {class: "gan-lab-note", role: "status"});
  lab.board = add(body, "div");
  lab.state = add(body, "output", {"aria-live": "polite"});
  lab.table = add(body, "table");
  const form = add(body, "div", {class: "gan-controls"}), folded = add(body, "details");
  add(folded, "summary", {}, word.more);
  const rest = add(folded, "div", {class: "gan-controls"});
  for (const name in spec.offer) addSetting(lab, spec.offer[name].folded ? rest : form, name);
  addSelect(rest, word.speed, [[Infinity, word.fast], [10, word.ten], [1, word.one]], v => { lab.speed = v; });
  addWalk(lab, body);
  addListing(lab, body, index);
}
function mount(figure, index) {
  const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const body = add(figure, "div", {class: "gan-body", role: "group", "aria-label": say(spec.alt)});
  const lab = {spec, figure, values: {...spec.settings}, drawn: [], members: [], controls: {}, running: false, speed: Infinity, cost: 4, stats: {}};
  let due = 0;
  body.style.maxWidth = spec.width + "px";
  lab.redraw = () => { due = due || requestAnimationFrame(() => { due = 0; draw(lab, true); }); };
  lab.shows = what => { // whether the reader has ticked this mark in the first picture
    const m = lab.members.length && lab.members[0].panels[0].marks.find(m => say(m.label).startsWith(what));
    return !!m && m.visible;
  };
  furnish(lab, body, index);
  settle(figure);
  figure.addEventListener("pointerenter", () => settle(figure));
  const old = figure.querySelector(".gan-body"), caption = figure.querySelector("figcaption");
  old.replaceWith(body);
  caption.textContent = ""; rich(caption, spec.caption);
  set(lab, fromAddress(lab, index));
  figure.dataset.ready = "1";
  figure.laboratory = lab; // for tests, and for the curious in the console
  let width = lab.board.clientWidth;
  new ResizeObserver(() => {
    if (width === lab.board.clientWidth) return;
    width = lab.board.clientWidth;
    for (const one of lab.members) for (const p of one.panels) p.layout();
    lab.redraw();
  }).observe(lab.board);
  document.addEventListener("visibilitychange", () => { if (document.hidden) pause(lab); });
  new IntersectionObserver(([seen]) => { if (!seen.isIntersecting) pause(lab); }).observe(body);
  addEventListener("hashchange", () => { const chosen = fromAddress(lab, index); if (Object.keys(chosen).length && !lab.running) set(lab, chosen); });
}
function mountAll() {
  document.querySelectorAll("figure.gan-laboratory").forEach((figure, index) => {
    if (figure.dataset.ready) return;
    // what cannot be made keeps its text alternative
    try { mount(figure, index); } catch (error) { figure.dataset.ready = "0"; figure.dataset.error = error.message; }
  });
}
window.ganLaboratory = {mountAll, trainer, coverage, distance, cdf, set};
mountAll();
