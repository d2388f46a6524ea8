// The numbers of a figure: the second copy of formulas.py, which a test compares with the first. A formula is a tree of
// data that this script walks; nothing is ever turned into code.

// 2/sqrt(pi) exp(-x^2) (x + 2x^3/3 + 4x^5/15 + ...): all terms have one sign, so nothing cancels
function erf(x) {
  if (!(Math.abs(x) < 6)) return x > 0 ? 1 : x < 0 ? -1 : NaN;
  let term = x, sum = x;
  for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) sum += term *= 2 * x * x / (2 * k + 1);
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}
const softplus = t => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
const FUNCTIONS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, neg: a => -a,
  // as IEEE 754 has it, where Math.pow says NaN: 1 to any power is 1, and so is -1 to an infinite one
  "**": (a, b) => a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : Math.pow(a, b),
  "<": (a, b) => +(a < b), "<=": (a, b) => +(a <= b), ">": (a, b) => +(a > b), ">=": (a, b) => +(a >= b),
  "==": (a, b) => +(a === b), "!=": (a, b) => +(a !== b),
  exp: a => Math.exp(a), log: a => Math.log(a), sqrt: a => Math.sqrt(a), abs: a => Math.abs(a), tanh: a => Math.tanh(a),
  cos: a => Math.cos(a), sin: a => Math.sin(a), erf: erf, softplus: t => softplus(t), log_sigmoid: t => -softplus(-t),
  sigmoid: t => 1 / (1 + Math.exp(-t)), minimum: (a, b) => Math.min(a, b), maximum: (a, b) => Math.max(a, b),
  where: (c, a, b) => c !== 0 ? a : b, xlogy: (a, b) => a === 0 ? 0 : a * Math.log(b), spread: a => a,
  normal: (x, m, s) => { const z = (x - m) / s; return Math.exp(-(z * z) / 2) / (s * Math.sqrt(2 * Math.PI)); },
};
function best(f, from, stride, c) { // the index of the largest, the first of several; -1 where all are NaN
  let k = -1;
  for (let i = 0; i < c.length; i++) {
    const v = f[from + i * stride];
    if (!isNaN(v) && (k < 0 || v > f[from + k * stride])) k = i;
  }
  return k;
}
const REDUCTIONS = {
  integral(f, from, stride, c) {
    let sum = 0;
    for (let i = 1; i < c.length; i++) sum += (c[i] - c[i - 1]) * (f[from + i * stride] + f[from + (i - 1) * stride]) / 2;
    return sum;
  },
  argmax(f, from, stride, c) { const k = best(f, from, stride, c); return k < 0 ? NaN : c[k]; },
  maximum_over(f, from, stride, c) { const k = best(f, from, stride, c); return k < 0 ? NaN : f[from + k * stride]; },
};
function interpolate(f, c, v) {
  let a = 0, b = c.length - 1;
  if (!(v > c[a])) return isNaN(v) ? NaN : f[a];
  if (v >= c[b]) return f[b];
  while (b - a > 1) { const m = (a + b) >> 1; if (c[m] <= v) a = m; else b = m; }
  if (v === c[a] || f[a] === f[b]) return f[a]; // two infinities have no slope
  const slope = (f[b] - f[a]) / (c[b] - c[a]), from = slope * (v - c[a]) + f[a];
  return isNaN(from) ? slope * (v - c[b]) + f[b] : from; // from the right where the left end is infinite
}
function unpack(s) {
  const text = atob(s.base64), bytes = Uint8Array.from(text, ch => ch.charCodeAt(0)), top = 2 ** s.bits - 1;
  const codes = s.bits === 16 ? new Uint16Array(bytes.buffer) : bytes;
  return Float64Array.from(codes, q => s.lo + (s.hi - s.lo) / top * q);
}

// A node is {axes, data, run}: run() fills data, an array row by row over its axes (none: one number; two at most).
// All arrays are made once; moving a slider only refills them.
function nodes(axes) {
  function node(names, run) {
    names = [...new Set(names)].sort((a, b) => axes[a].rank - axes[b].rank);
    return {axes: names, data: new Float64Array(names.reduce((size, a) => size * axes[a].n, 1)), run: run || (() => {})};
  }
  function stride(n, axis) {
    const i = n.axes.indexOf(axis);
    return i < 0 ? 0 : i === n.axes.length - 1 ? 1 : axes[n.axes[1]].n;
  }
  function map(f, args) {
    const out = node([].concat(...args.map(n => n.axes)));
    const [row, column] = out.axes.length === 2 ? out.axes : [null, out.axes[0]];
    const rows = row ? axes[row].n : 1, columns = column ? axes[column].n : 1;
    const three = [0, 1, 2].map(i => args[i] || args[0]);
    const [ar, br, cr] = three.map(n => stride(n, row)), [ac, bc, cc] = three.map(n => stride(n, column));
    out.run = () => {
      for (const n of args) n.run();
      const a = three[0].data, b = three[1].data, c = three[2].data, to = out.data;
      for (let i = 0, k = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) to[k++] = f(a[i * ar + j * ac], b[i * br + j * bc], c[i * cr + j * cc]);
    };
    return out;
  }
  function reduce(f, inner, axis) {
    const rest = inner.axes.filter(a => a !== axis), out = node(rest);
    const along = stride(inner, axis), next = stride(inner, rest[0]);
    out.run = () => {
      inner.run();
      for (let i = 0; i < out.data.length; i++) out.data[i] = f(inner.data, i * next, along, axes[axis].values);
    };
    return out;
  }
  return {node, map, reduce};
}
// From trees to nodes; `scope` holds the node of each name
function compiler(axes, scope) {
  const {node, map, reduce} = nodes(axes);
  function build(tree) {
    if (typeof tree === "number") { const n = node([]); n.data[0] = tree; return n; }
    if (typeof tree === "string") { const n = scope[tree]; return {axes: n.axes, get data() { return n.data; }, run() {}}; }
    const [operation, first, second, third] = tree;
    if (operation in FUNCTIONS) return map(FUNCTIONS[operation], tree.slice(1).map(build));
    const inner = build(first);
    if (operation in REDUCTIONS) return reduce(REDUCTIONS[operation], inner, second);
    const out = map(v => interpolate(inner.data, axes[second].values, v), [build(third)]), run = out.run;
    out.run = () => { inner.run(); run(); };
    return out;
  }
  function iterate(system) { // all variables are updated at once; from where one leaves 1e6 the orbit is NaN
    const names = Object.keys(system), first = names.map(k => build(system[k][0]));
    const state = names.map(k => scope[k] = node([])), next = names.map(k => build(system[k][1]));
    const path = names.map(k => scope[k] = node(["n"]));
    return {run() {
      let now = first, alive = true;
      for (let i = 0; i < axes.n.n; i++, now = next) {
        if (alive) now.map(n => { n.run(); return n.data[0]; }).forEach((v, k) => { state[k].data[0] = v; });
        alive = alive && state.every(n => Math.abs(n.data[0]) <= 1e6);
        path.forEach((n, k) => { n.data[i] = alive ? state[k].data[0] : NaN; });
      }
    }};
  }
  return {node, build, iterate};
}
function engine(spec) {
  const axes = {}, scope = {}, inputs = {}, {node, build, iterate} = compiler(axes, scope);
  spec.axes.forEach((a, rank) => {
    axes[a.name] = {rank, n: a.n};
    if (a.lo === undefined) return;
    const step = (a.hi - a.lo) / (a.n - 1), own = scope[a.name] = node([a.name]);
    const value = i => a.values ? a.values[i] : i === a.n - 1 ? a.hi : i * step + a.lo;
    axes[a.name].values = own.data = Float64Array.from({length: a.n}, (_, i) => value(i));
  });
  const scalars = [...Object.keys(spec.sliders), ...Object.keys(spec.choices), "frame", "step"];
  for (const name of scalars) inputs[name] = scope[name] = node([]);
  const recorded = Object.entries(spec.snapshots)
    .map(([name, s]) => ({s, all: s.live ? new Float64Array(s.live) : unpack(s), node: scope[name] = node(s.axes)}));
  const program = spec.program.map(item => Array.isArray(item) ? scope[item[0]] = build(item[1]) : iterate(item));
  function run(values) {
    for (const name in inputs) inputs[name].data[0] = name === "step" ? spec.steps[values.frame] : values[name];
    for (const {s, all, node} of recorded) { // the frame of the moment is a window on the recording, not a copy
      let at = s.over.reduce((k, c) => k * spec.choices[c].options.length + values[c], 0);
      if (s.moving) at = at * spec.steps.length + values.frame;
      const size = node.axes.reduce((k, a) => k * axes[a].n, 1);
      node.data = all.subarray(at * size, (at + 1) * size);
    }
    for (const n of program) n.run();
  }
  return {axes, scope, build, run};
}
function start(spec) {
  const values = {frame: spec.frame};
  for (const k in spec.sliders) values[k] = spec.sliders[k].value;
  for (const k in spec.choices) values[k] = spec.choices[k].value;
  return values;
}
function evaluate(spec, values) { // for the test that compares this script with numpy
  const e = engine(spec), out = {};
  e.run(Object.assign(start(spec), values));
  for (const k in e.scope) out[k] = e.scope[k].axes.length ? Array.from(e.scope[k].data) : e.scope[k].data[0];
  return out;
}
