// Draws the figures of figure.py in the page. What formulas.js defines is at hand: page.py joins both into one script.

// ---- 1. One panel ----------------------------------------------------------------------------------------------------

const WORDS = {
  en: {play: "Play", pause: "Pause", back: "One step back", next: "One step forward", reset: "Reset",
    plot: "Plot; the arrow keys move a cursor that reads out values"},
  zh: {play: "播放", pause: "暂停", back: "后退一步", next: "前进一步", reset: "重置",
    plot: "图；方向键移动光标并读出数值"},
};
const language = () => document.documentElement.lang.slice(0, 2).toLowerCase() || "en";
const words = () => WORDS[language()] || WORDS.en;
const say = t => typeof t === "object" && t ? t[language()] || t.en || Object.values(t)[0] : String(t);

function add(parent, name, attributes, text) {
  const svg = parent.namespaceURI.endsWith("svg") || name === "svg";
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  // JupyterLab would take keys pressed here for its own: an arrow leaves the cell, an x cuts it
  if (e.tabIndex >= 0) e.setAttribute("data-lm-suppress-shortcuts", "true");
  if (text !== undefined) rich(e, text);
  parent.appendChild(e);
  return e;
}
function rich(e, text) { // p_data with its index set below
  say(text).split(/\b([A-Za-z])_(\w+)/).forEach((part, i) => {
    if (i % 3 < 2) { e.append(part); return; }
    if (!e.namespaceURI.endsWith("svg")) { add(e, "sub", {}).textContent = part; return; }
    add(e, "tspan", {dy: 3, "font-size": "80%"}).textContent = part;
    add(e, "tspan", {dy: -3}).textContent = "\u200b";
  });
}
const minus = text => text.replace(/-/g, "−");
function format(v) {
  if (!isFinite(v)) return isNaN(v) ? "–" : v > 0 ? "∞" : "−∞";
  const size = Math.abs(v), digits = size < 1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : 1;
  if (size < 1e-12) return "0";
  return minus(size >= 1e5 || size < 1e-3 ? v.toExponential(2) : v.toFixed(digits));
}
const decimals = v => { let d = 0; while (d < 15 && Math.abs(v.toFixed(d) - v) > 1e-6 * Math.abs(v)) d++; return d; };
const pair = t => Array.isArray(t) ? t : [t, minus(String(t))];
function ticks(lo, hi, count) { // (number, text) at round numbers
  const raw = (hi - lo) / count, power = 10 ** Math.floor(Math.log10(raw)), out = [];
  const step = [1, 2, 5, 10].find(m => m * power >= raw * 0.999) * power;
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + 1e-9 * step; k++) out.push(pair(+(k * step).toPrecision(6)));
  return out;
}
const px = v => Math.round(Math.max(-9e4, Math.min(9e4, v)) * 10) / 10;
// NaN and infinity lift the pen, and so does what lies far outside: dashes that nobody sees are slow to paint
function curve(x, y, row, sx, sy) {
  let d = "", down = false, wasFar = false;
  for (let i = 0; i < x.length; i++) {
    const a = px(sx(x[i])), b = px(sy(y[i])), ok = isFinite(x[i]) && isFinite(y[i]);
    const far = Math.abs(a) > 2e3 || Math.abs(b) > 2e3;
    if (ok) d += (down && i % row && !(far && wasFar) ? "L" : "M") + a + " " + b;
    down = ok; wasFar = far;
  }
  return d;
}
function band(d, row, sx, sy) { // there along the lower line, back along the upper one
  return curve(d.x, d.low, row, sx, sy) + curve([...d.x].reverse(), [...d.high].reverse(), row, sx, sy).replace("M", "L");
}
function dots(x, y, role, size, sx, sy) {
  const s = size / 2, cross = `m${-s} ${-s}l${size} ${size}m0 ${-size}l${-size} ${size}`;
  let d = "";
  for (let i = 0; i < x.length; i++)
    if (isFinite(x[i]) && isFinite(y[i])) d += "M" + px(sx(x[i])) + " " + px(sy(y[i])) + (role === "generator" ? cross : "h0");
  return d;
}
function contour(f, x, y, level, sx, sy) { // marching squares: the level crosses 0, 2 or 4 edges of a cell
  const n = x.length;
  let d = "";
  for (let j = 0; j + 1 < y.length; j++) for (let i = 0; i + 1 < n; i++) {
    const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], hits = [];
    for (let k = 0; k < 4; k++) {
      const [a, b] = corners[k], [c, e] = corners[(k + 1) % 4], u = f[b * n + a] - level, v = f[e * n + c] - level;
      if (u < 0 === v < 0) continue;
      const t = u / (u - v);
      hits.push(px(sx(x[a] + t * (x[c] - x[a]))) + " " + px(sy(y[b] + t * (y[e] - y[b]))));
    }
    for (let k = 0; k + 1 < hits.length; k += 2) d += "M" + hits[k] + "L" + hits[k + 1];
  }
  return d;
}
const haloed = (name, path) => [[name + " gan-halo", path], [name, path]];
// What each kind of mark draws: pairs of (class, path)
const SHAPES = {
  Line: (m, d, sx, sy) => [
    ...(m.low ? [["gan-band", band(d, m.row, sx, sy)]] : []),
    [m.thin ? "gan-line gan-thin" : "gan-line", curve(d.x, d.y, m.row, sx, sy)]],
  Points: (m, d, sx, sy) => haloed("gan-dots", dots(d.x, d.y, m.role, m.size, sx, sy)),
  Marker: (m, d, sx, sy) => haloed("gan-marker", dots(d.x, d.y, "data", 0, sx, sy)),
  Segments(m, d, sx, sy) {
    let path = "";
    for (let i = 0; i < d.x0.length; i++) {
      const a = px(sx(d.x0[i])), b = px(sy(d.y0[i])), c = px(sx(d.x1[i])), e = px(sy(d.y1[i]));
      const long = Math.hypot(c - a, e - b);
      if (!isFinite(long)) continue;
      path += `M${a} ${b}L${c} ${e}`;
      if (!m.arrows || long < 3) continue;
      const s = Math.min(6, long / 2) / long, u = (c - a) * s, v = (e - b) * s;
      path += `m${px(-u - v / 2)} ${px(u / 2 - v)}L${c} ${e}l${px(-u + v / 2)} ${px(-u / 2 - v)}`;
    }
    return [["gan-segments", path]];
  },
  Heat: (m, d, sx, sy) => m.contour === null ? [] :
    [["gan-line gan-contour", [m.contour].flat().map(c => contour(d.z, m.columns, m.rows, c, sx, sy)).join("")]],
  VLine: (m, d, sx) => [["gan-rule", `M${px(sx(d.x[0]))} -9V9999`]],
  HLine: (m, d, sx, sy) => [["gan-rule", `M-9 ${px(sy(d.y[0]))}H9999`]],
};
// Vermilion or blue over transparent paper, so that the middle has the colour of the page in every theme
function tint(context, m, z) {
  const width = m.columns.length, height = m.rows.length;
  const image = m.image = m.image || context.createImageData(width, height), pixel = image.data;
  for (let j = 0, k = 0; j < height; j++) for (let i = 0; i < width; i++, k++) {
    const t = Math.max(-1, Math.min(1, 2 * (z[k] - m.lo) / (m.hi - m.lo) - 1)), p = 4 * ((height - 1 - j) * width + i);
    pixel[p] = t < 0 ? 213 : 0; pixel[p + 1] = t < 0 ? 94 : 114; pixel[p + 2] = t < 0 ? 0 : 178;
    pixel[p + 3] = 255 * (t < 0 ? -0.55 * t : 0.7 * t || 0);
  }
  context.putImageData(image, 0, 0);
}
function key(parent, m) { // the sample of a mark in the legend
  if (m.kind === "Heat") {
    const [lo, hi] = m.ends || [m.lo, m.hi].map(v => pair(v)[1]), end = text => add(parent, "span", {"aria-hidden": "true"}, text);
    end(lo); add(parent, "i", {class: "gan-scale"}); end(hi);
    return;
  }
  const svg = add(parent, "svg", {width: 28, height: 12, class: "gan-key gan-" + m.role, "aria-hidden": "true"});
  const same = v => v, data = {x: [0, 28], y: [6, 6], x0: [2], y0: [6], x1: [26], y1: [6], low: [11, 11], high: [1, 1]};
  if (m.kind === "Points" || m.kind === "Marker") data.x = [14, NaN];
  const shapes = m.kind === "VLine" || m.kind === "HLine" ? [["gan-rule", "M0 6H28"]] :
    SHAPES[m.kind](Object.assign({}, m, {row: 2}), data, same, same);
  for (const [name, d] of shapes) add(svg, "path", {class: name, d, style: m.size ? `--size:${m.size}px` : ""});
}
const SLOTS = ["x", "y", "z", "x0", "y0", "x1", "y1", "low", "high"];
function prepare(spec, legend, e, redraw) { // a mark with its nodes, and its entry in the legend
  const m = Object.assign({data: {}, visible: spec.shown}, spec);
  m.nodes = SLOTS.filter(s => m[s] !== undefined).map(s => [s, e.build(m[s])]);
  if (m.kind === "Heat") [m.rows, m.columns] = m.nodes[0][1].axes.map(a => e.axes[a].values);
  if (!say(m.label)) return m;
  const item = add(legend, m.toggle ? "label" : "span");
  if (m.toggle) {
    m.box = add(item, "input", {type: "checkbox"}); m.box.checked = m.shown;
    m.box.addEventListener("change", () => { m.visible = m.box.checked; redraw(); });
  }
  key(item, m); add(item, "span", {}, m.label);
  return m;
}
function measure(p, kin, outer) { // where everything lies in a drawing of this width, and its ticks
  const lefts = q => q.yticks ? q.yticks.map(pair) : ticks(q.y[0], q.y[1], q.height < 200 ? 3 : 5);
  const rights = q => q.right ? ticks(q.right[0], q.right[1], 5) : [];
  // panels above each other with the same x have the same margins, so that an x stands above itself
  const wide = list => Math.max(0, ...kin.flatMap(q => list(q).map(t => say(t[1]).length))) * 6.8;
  let l = 12 + wide(lefts), r = 14 + wide(rights), t = p.named.y ? 26 : 10, b = p.named.x ? 42 : 26;
  let w = outer - l - r, h = p.height - t - b;
  const edge = 4 - l, width = p.x[1] - p.x[0], height = p.y[1] - p.y[0];
  if (p.equal) {
    const k = Math.min(w / width, h / height), spare = w - k * width;
    l += spare / 2; w -= spare; h = k * height;
  }
  const sx = v => (v - p.x[0]) / width * w, sy = v => (p.y[1] - v) / height * h;
  const sr = p.right ? v => (p.right[1] - v) / (p.right[1] - p.right[0]) * h : sy;
  const below = p.xticks ? p.xticks.map(pair) : ticks(p.x[0], p.x[1], Math.max(3, Math.min(8, w / 70)));
  return {l, r, t, b, w, h, edge, sx, sy, sr, outer, below, left: lefts(p), right: rights(p)};
}
function drawAxes(svg, p, {l, r, t, w, h, edge, sx, sy, sr, below, left, right}) {
  const frame = add(svg, "g", {class: "gan-axes", transform: `translate(${px(l)} ${t})`});
  for (const [v, text] of below) {
    add(frame, "path", {d: `M${px(sx(v))} 0V${px(h)}`});
    add(frame, "text", {x: px(sx(v)), y: h + 17, "text-anchor": "middle"}, text);
  }
  for (const [v, text] of left) {
    add(frame, "path", {d: `M0 ${px(sy(v))}H${px(w)}`});
    add(frame, "text", {x: -7, y: px(sy(v)) + 4, "text-anchor": "end"}, text);
  }
  for (const [v, text] of right) add(frame, "text", {x: w + 7, y: px(sr(v)) + 4}, text);
  add(frame, "path", {class: "gan-edge", d: `M0 0V${px(h)}H${px(w)}` + (p.right ? "V0" : "")});
  add(frame, "text", {x: w / 2, y: h + 37, "text-anchor": "middle", class: "gan-name"}, p.xlabel);
  add(frame, "text", {x: edge, y: -11, class: "gan-name"}, p.ylabel);
  add(frame, "text", {x: w + r - 4, y: -11, "text-anchor": "end", class: "gan-name"}, p.right_label);
}
function addCanvas(underlay, m, {l, t, w, h, sx, sy}) {
  // a pixel's centre is its grid point, so that the picture is half a cell larger than the grid
  const [x, y] = [m.columns, m.rows], dx = (x[1] - x[0]) / 2, dy = (y[1] - y[0]) / 2, end = a => a[a.length - 1];
  Object.assign(underlay.style, {left: l + "px", top: t + "px", width: w + "px", height: h + "px"});
  const x0 = sx(x[0] - dx), x1 = sx(end(x) + dx), y0 = sy(end(y) + dy), y1 = sy(y[0] - dy);
  const style = `left:${x0}px;top:${y0}px;width:${x1 - x0}px;height:${y1 - y0}px`;
  m.canvas = add(underlay, "canvas", {width: x.length, height: y.length, style});
  m.image = null;
}
function drawMark(m, view) {
  m.layer.style.display = m.visible ? "" : "none";
  if (m.canvas) m.canvas.style.display = m.layer.style.display;
  if (!m.visible) return;
  for (const [slot, n] of m.nodes) { n.run(); m.data[slot] = n.data; }
  if (m.canvas) tint(m.canvas.getContext("2d"), m, m.data.z);
  const shapes = SHAPES[m.kind](m, m.data, view.sx, m.axis === "right" ? view.sr : view.sy);
  if (!m.paths) m.paths = shapes.map(([name]) => add(m.layer, "path", {class: name}));
  shapes.forEach(([, d], i) => m.paths[i].setAttribute("d", d));
}
const clamp = (v, [lo, hi]) => Math.max(lo, Math.min(hi, v));
function valueAt(m, cursor, view) { // what a mark is worth under the cursor, in words; "" where that means nothing
  const {sx} = view, sy = m.axis === "right" ? view.sr : view.sy, {x, y, z} = m.data;
  if (m.kind === "Line" && x.length === m.row) {
    // a graph is read at x, a curve in the plane at its nearest point
    let at = -1, least = Infinity;
    for (let i = 0; i < m.row; i++) {
      const gap = Math.hypot(sx(x[i]) - sx(cursor.x), m.curve ? sy(y[i]) - view.sy(cursor.y) : 0);
      if (gap < least) { least = gap; at = i; }
    }
    return at < 0 ? "" : m.curve ? `(${format(x[at])}, ${format(y[at])})` : format(y[at]);
  }
  if (m.kind !== "Heat") return "";
  const near = (list, v) => clamp(Math.round((v - list[0]) / (list[1] - list[0])), [0, list.length - 1]);
  return format(z[near(m.rows, cursor.y) * m.columns.length + near(m.columns, cursor.x)]);
}
function readOut(tip, p, marks, cursor, view) { // the values under the cursor
  tip.hidden = !cursor;
  view.line.setAttribute("d", cursor ? `M${px(view.sx(cursor.x))} 0V${view.h}` : "");
  if (!cursor) return;
  tip.textContent = "";
  const row = (name, v) => { const line = add(tip, "div"); add(line, "span", {}, name); add(line, "b", {}, v); };
  row(say(p.xlabel) || "x", format(cursor.x));
  if (marks.some(m => m.kind === "Heat" && m.visible)) row(say(p.ylabel) || "y", format(cursor.y));
  for (const m of marks) {
    const v = m.visible && say(m.label) && valueAt(m, cursor, view);
    if (v) row(m.label, v);
  }
  const left = view.sx(cursor.x) + view.l, flip = left > view.outer / 2;
  tip.style.left = flip ? "" : left + 12 + "px";
  tip.style.right = flip ? view.outer - left + 12 + "px" : "";
  tip.style.top = view.t + 6 + "px";
}
function panel(parent, p, kin, e, alt, redraw) {
  const root = add(parent, "div", {class: "gan-panel"});
  if (say(p.title)) add(root, "div", {class: "gan-title"}, p.title);
  const legend = add(root, "div", {class: "gan-legend"}), box = add(root, "div", {class: "gan-plot"});
  const marks = p.marks.map(spec => prepare(spec, legend, e, redraw));
  const underlay = add(box, "div", {class: "gan-window"});
  const svg = add(box, "svg", {role: "img", tabindex: 0, "aria-label": (say(p.title) || alt) + ". " + words().plot});
  const tip = add(box, "div", {class: "gan-tip", role: "status"});
  let view = null, cursor = null;
  function layout() { // the drawing has the width of its place, so that text keeps its size on a phone
    view = measure(p, kin, Math.max(220, box.clientWidth));
    svg.textContent = underlay.textContent = "";
    svg.setAttribute("viewBox", `0 0 ${view.outer} ${view.h + view.t + view.b}`);
    drawAxes(svg, p, view);
    // a nested svg clips without needing an id
    const plot = add(svg, "svg", {x: px(view.l), y: view.t, width: px(view.w), height: px(view.h)});
    for (const m of marks) {
      m.layer = add(plot, "g", {class: "gan-" + m.role, style: m.size ? `--size:${m.size}px` : ""});
      m.paths = null;
      if (m.kind === "Heat") addCanvas(underlay, m, view);
    }
    view.line = add(plot, "path", {class: "gan-cursor"});
  }
  function draw() {
    if (!view) layout();
    for (const m of marks) drawMark(m, view);
    read();
  }
  function read() { readOut(tip, p, marks, cursor, view); }
  function point(x, y) { cursor = {x: clamp(x, p.x), y: clamp(y, p.y)}; read(); }
  function hide() { cursor = null; read(); }
  svg.addEventListener("pointermove", ev => {
    const r = svg.getBoundingClientRect(), x = ev.clientX - r.left - view.l, y = ev.clientY - r.top - view.t;
    if (x < 0 || y < 0 || x > view.w || y > view.h) hide();
    else point(p.x[0] + x / view.w * (p.x[1] - p.x[0]), p.y[1] - y / view.h * (p.y[1] - p.y[0]));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", ev => {
    const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1]}[ev.key] || [0, 0];
    const c = cursor || {x: (p.x[0] + p.x[1]) / 2, y: (p.y[0] + p.y[1]) / 2};
    if (ev.key === "Escape") hide();
    if (!dx && !dy) return;
    ev.preventDefault();
    point(c.x + dx * (p.x[1] - p.x[0]) / 60, c.y + dy * (p.y[1] - p.y[0]) / 60);
  });
  return {svg, marks, layout, draw, get view() { return view; }, get cursor() { return cursor; }, reset() { for (const m of marks) { m.visible = m.shown; if (m.box) m.box.checked = m.shown; } }};
}
// ---- 2. The figure and its controls ------------------------------------------------------------------------------------

// What the controls share is `at`: {spec, values, controls (name -> show its value), set, redraw}
function addSlider(at, parent, name, label, range, text) { // one row: label, native range input, number
  const row = add(parent, "label", {class: "gan-slider"});
  add(row, "span", {}, label);
  const number = add(row, "b", {"aria-hidden": "true"}); // it is the slider's value, not part of its name
  const input = add(row, "input", {type: "range", min: range.lo, max: range.hi, step: range.step});
  at.controls[name] = () => {
    input.value = at.values[name];
    number.textContent = text(at.values[name]);
    input.setAttribute("aria-valuetext", number.textContent);
  };
  input.addEventListener("input", () => { at.set(name, +input.value); });
  at.controls[name]();
}
function addChoice(at, form, name) {
  const c = at.spec.choices[name], row = add(form, "label", {class: "gan-choice"});
  add(row, "span", {}, c.label);
  const select = add(row, "select");
  c.options.forEach((o, i) => { add(select, "option", {value: i}).textContent = say(o); });
  at.controls[name] = () => { select.value = at.values[name]; };
  select.addEventListener("change", () => at.set(name, +select.value));
  at.controls[name]();
}
function addPlayer(at, form, figure, output) { // the frames: play, one back, one forward, a slider
  const {spec, values, set} = at, last = spec.steps.length - 1, word = words(), row = add(form, "div", {class: "gan-steps"});
  let timer = 0;
  const button = (label, text, action) => {
    const made = add(row, "button", {type: "button", "aria-label": label, title: label}, text);
    made.addEventListener("click", action);
    return made;
  };
  const show = (label, live) => { // no reading aloud of every frame
    playing.textContent = playing.title = label;
    playing.setAttribute("aria-label", label);
    for (const e of [output, ...figure.querySelectorAll(".gan-tip")]) e.setAttribute("aria-live", live);
  };
  const stop = () => { clearInterval(timer); timer = 0; show(word.play, "polite"); };
  const play = () => {
    if (values.frame >= last) set("frame", 0);
    show(word.pause, "off");
    timer = setInterval(() => {
      if (values.frame >= last || !figure.isConnected) stop(); else set("frame", values.frame + 1);
    }, spec.ms);
  };
  const move = k => { stop(); set("frame", Math.max(0, Math.min(last, values.frame + k))); };
  const playing = button(word.play, word.play, () => timer ? stop() : play());
  button(word.back, "‹", () => move(-1));
  button(word.next, "›", () => move(1));
  addSlider(at, row, "frame", spec.step_label, {lo: 0, hi: last, step: 1}, v => pair(spec.steps[v])[1]);
  return {stop, start() { if (!timer) play(); }};
}
function addControls(at, form, figure, output) {
  const {spec, values, controls} = at, player = spec.steps.length ? addPlayer(at, form, figure, output) : null;
  for (const name in spec.choices) addChoice(at, form, name);
  for (const name in spec.sliders) {
    const s = spec.sliders[name], digits = Math.max(decimals(s.step), decimals(s.lo)); // values lie at lo + k * step
    addSlider(at, form, name, s.label, s, v => minus(v.toFixed(digits)));
  }
  const place = form.querySelector(".gan-steps") || form;
  const reset = add(place, "button", {type: "button", class: "gan-reset"}, words().reset);
  reset.addEventListener("click", () => {
    if (player) player.stop();
    Object.assign(values, start(spec));
    for (const name in controls) controls[name]();
    for (const p of at.panels) p.reset();
    at.redraw();
  });
  return player;
}
function playInView(body, player) { // until the reader takes over
  const watch = new IntersectionObserver(([seen]) => {
    if (seen.isIntersecting) player.start(); else player.stop();
  }, {threshold: 0.4});
  const leave = () => watch.disconnect();
  watch.observe(body);
  for (const kind of ["pointerdown", "keydown"]) body.addEventListener(kind, leave, {once: true});
}
function addPanels(place, spec, e, redraw) {
  const beside = spec.columns > 1;
  for (const p of spec.panels) { // neighbours leave the same room for their names, so that their axes are level
    const near = beside ? spec.panels : [p];
    p.named = {x: near.some(q => say(q.xlabel)), y: near.some(q => say(q.ylabel) || say(q.right_label))};
  }
  const above = p => beside ? [p] : spec.panels.filter(q => q.x[0] === p.x[0] && q.x[1] === p.x[1]);
  return spec.panels.map(p => panel(place, p, above(p), e, say(spec.alt), redraw));
}
// ---- 3. All figures of a page ----------------------------------------------------------------------------------------

function mount(figure) {
  const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const e = engine(spec), values = start(spec), controls = {};
  const readout = spec.readout.map(([label, tree]) => [label, e.build(tree)]);
  const body = add(figure, "div", {class: "gan-body", role: "group", "aria-label": say(spec.alt)});
  body.style.maxWidth = spec.width + "px";
  let due = 0;
  const redraw = () => { due = due || requestAnimationFrame(draw); };
  const set = (name, v) => { values[name] = v; controls[name](); redraw(); };
  if (say(spec.title)) add(body, "div", {class: "gan-heading"}, spec.title);
  const place = add(body, "div", {class: "gan-panels", style: `--columns:${spec.columns}`});
  const panels = addPanels(place, spec, e, redraw);
  const form = add(body, "div", {class: "gan-controls"});
  const output = add(body, "output", {class: "gan-readout", "aria-live": "polite"});
  const numbers = readout.map(([label, n]) => {
    const item = add(output, "span");
    add(item, "span", {}, label);
    item.append(" = ");
    return [add(item, "b"), n];
  });
  function draw() {
    due = 0;
    e.run(values);
    for (const p of panels) p.draw();
    for (const [place, n] of numbers) { n.run(); place.textContent = format(n.data[0]); }
  }
  const player = addControls({spec, values, controls, panels, set, redraw}, form, figure, output);
  settle(figure);
  figure.addEventListener("pointerenter", () => settle(figure));
  const old = figure.querySelector(".gan-body"), caption = figure.querySelector("figcaption");
  old.replaceWith(body);
  caption.textContent = ""; rich(caption, spec.caption);
  draw();
  figure.dataset.ready = "1";
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (width === place.clientWidth) return;
    width = place.clientWidth;
    for (const p of panels) p.layout();
    redraw();
  }).observe(place);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (spec.autoplay && player && !calm) playInView(body, player);
}
function mountAll() {
  for (const figure of document.querySelectorAll("figure.gan-figure:not([data-ready], .gan-laboratory)")) {
    // what cannot be drawn keeps its text alternative
    try { mount(figure); } catch (error) { figure.dataset.ready = "0"; figure.dataset.error = error.message; }
  }
}
// What a laboratory draws with
const kit = {SHAPES, WORDS, add, addSlider, clamp, dots, engine, format, haloed, language, minus, panel, rich, say, settle, words};
window.ganExplore = {evaluate, mountAll, functions: Object.keys(FUNCTIONS), kit};
watchGround();
mountAll();
