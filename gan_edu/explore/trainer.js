// Trains a GAN of two multilayer perceptrons: algorithm.py again, in float64, checked against it step by step. Nothing here
// touches the page. An array holds one unit after the other, and of each unit all samples: (width, n).
const trainer = (() => {

// ---- 1. Products -----------------------------------------------------------------------------------------------------

// C += A B with A (m, k) and B (k, n). A matrix is [array, offset, step down a column, step along a row], so that a
// transposed one is the same numbers read otherwise.
function product([C, c0, ci, cj], [A, a0, ai, aj], [B, b0, bi, bj], m, n, k) {
  if (n < 4 && m > n) { // C' = B' A': the long side along the rows
    product([C, c0, cj, ci], [B, b0, bj, bi], [A, a0, aj, ai], n, m, k);
    return;
  }
  const m4 = m - m % 4, n4 = n - n % 4;
  for (let i = 0; i < m4; i += 4) for (let j = 0; j < n4; j += 4) { // sixteen sums stay in registers
    const c = c0 + i * ci + j * cj, d = c + ci, e = d + ci, f = e + ci, j2 = 2 * cj, j3 = 3 * cj;
    let s0 = C[c], s1 = C[c + cj], s2 = C[c + j2], s3 = C[c + j3], t0 = C[d], t1 = C[d + cj], t2 = C[d + j2], t3 = C[d + j3];
    let u0 = C[e], u1 = C[e + cj], u2 = C[e + j2], u3 = C[e + j3], v0 = C[f], v1 = C[f + cj], v2 = C[f + j2], v3 = C[f + j3];
    for (let p = 0, a = a0 + i * ai, b = b0 + j * bj; p < k; p++, a += aj, b += bi) {
      const w = A[a], x = A[a + ai], y = A[a + 2 * ai], z = A[a + 3 * ai];
      const g = B[b], h = B[b + bj], l = B[b + 2 * bj], q = B[b + 3 * bj];
      s0 += w * g; s1 += w * h; s2 += w * l; s3 += w * q; t0 += x * g; t1 += x * h; t2 += x * l; t3 += x * q;
      u0 += y * g; u1 += y * h; u2 += y * l; u3 += y * q; v0 += z * g; v1 += z * h; v2 += z * l; v3 += z * q;
    }
    C[c] = s0; C[c + cj] = s1; C[c + j2] = s2; C[c + j3] = s3; C[d] = t0; C[d + cj] = t1; C[d + j2] = t2; C[d + j3] = t3;
    C[e] = u0; C[e + cj] = u1; C[e + j2] = u2; C[e + j3] = u3; C[f] = v0; C[f + cj] = v1; C[f + j2] = v2; C[f + j3] = v3;
  }
  for (let i = m4; i < m; i++) for (let j = 0; j < n4; j += 4) { // rows that are left, such as the two of the plane
    const c = c0 + i * ci + j * cj;
    let s0 = C[c], s1 = C[c + cj], s2 = C[c + 2 * cj], s3 = C[c + 3 * cj];
    for (let p = 0, a = a0 + i * ai, b = b0 + j * bj; p < k; p++, a += aj, b += bi) {
      s0 += A[a] * B[b]; s1 += A[a] * B[b + bj]; s2 += A[a] * B[b + 2 * bj]; s3 += A[a] * B[b + 3 * bj];
    }
    C[c] = s0; C[c + cj] = s1; C[c + 2 * cj] = s2; C[c + 3 * cj] = s3;
  }
  for (let i = 0; i < m; i++) for (let j = n4; j < n; j++) { // and columns
    let s = C[c0 + i * ci + j * cj];
    for (let p = 0, a = a0 + i * ai, b = b0 + j * bj; p < k; p++, a += aj, b += bi) s += A[a] * B[b];
    C[c0 + i * ci + j * cj] = s;
  }
}

// ---- 2. Networks -----------------------------------------------------------------------------------------------------

const softplus = t => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t))), sigmoid = t => 1 / (1 + Math.exp(-t));
// name -> f(t), and as functions of a = f(t): its slope f', and f'' / f' where f is curved
const ACTIVATIONS = {
  relu: [t => t > 0 ? t : 0, a => a > 0 ? 1 : 0],
  tanh: [Math.tanh, a => 1 - a * a, a => -2 * a],
  softplus: [softplus, a => -Math.expm1(-a), a => Math.exp(-a)],
};

// Layer l maps a[l - 1] to a[l] = f(W' a[l - 1] + b). All parameters lie in one array, W as (in, out), then b. d[l] is the
// slope of a loss by the sums of layer l before f, d[0] by the input.
const buffers = (widths, room) => {
  const make = () => widths.map(w => new Float64Array(w * room));
  return {a: make(), d: make(), t: make(), e: make()};
};
function network(widths, activation, room, random) {
  const layers = [null];
  let size = 0;
  for (let l = 1; l < widths.length; l++) {
    layers.push({w: size, b: size + widths[l - 1] * widths[l], ins: widths[l - 1], outs: widths[l]});
    size = layers[l].b + widths[l];
  }
  const [theta, grad, mean, square] = [0, 0, 0, 0].map(() => new Float64Array(size));
  for (const {w, b, ins, outs} of layers.slice(1)) // PyTorch's start: uniform in +-1 / sqrt(ins)
    for (let i = w; i < b + outs; i++) theta[i] = (2 * random() - 1) / Math.sqrt(ins);
  return {widths, layers, last: widths.length - 1, f: ACTIVATIONS[activation],
    theta, grad, mean, square, updates: 0, ...buffers(widths, room)};
}
const plain = (array, n) => [array, 0, n, 1];
function through(net, l, from, to, n) { // adds W' from
  const {w, ins, outs} = net.layers[l];
  product(plain(to, n), [net.theta, w, 1, outs], plain(from, n), outs, n, ins);
}
function back(net, l, from, to, n) { // W from
  const {w, ins, outs} = net.layers[l];
  to.fill(0, 0, ins * n);
  product(plain(to, n), [net.theta, w, outs, 1], plain(from, n), ins, n, outs);
}
function collect(net, l, a, d, n) { // adds a d' to the gradient of W
  const {w, ins, outs} = net.layers[l];
  product([net.grad, w, outs, 1], plain(a, n), [d, 0, 1, n], ins, outs, n);
}
function forward(net, n) { // from a[0] on; returns the last layer
  for (let l = 1; l <= net.last; l++) {
    const {b, outs} = net.layers[l], to = net.a[l];
    for (let o = 0; o < outs; o++) to.fill(net.theta[b + o], o * n, (o + 1) * n);
    through(net, l, net.a[l - 1], to, n);
    if (l < net.last) for (let i = 0; i < outs * n; i++) to[i] = net.f[0](to[i]);
  }
  return net.a[net.last];
}
// From d[last] down; adds to the gradient if the net learns, goes on to d[0] if the input's slope is asked for. What `more`
// holds is added on the way.
function backward(net, n, learns, inputs, more) {
  for (let l = net.last; l > 0; l--) {
    const {b, outs, ins} = net.layers[l], d = net.d[l], to = net.d[l - 1], a = net.a[l - 1];
    if (learns) {
      collect(net, l, a, d, n);
      for (let o = 0; o < outs; o++) for (let i = o * n; i < (o + 1) * n; i++) net.grad[b + o] += d[i];
    }
    if (l === 1 && !inputs) return;
    back(net, l, d, to, n);
    if (l === 1) return;
    for (let i = 0; i < ins * n; i++) to[i] = to[i] * net.f[1](a[i]) + (more ? more[l - 1][i] : 0);
  }
}
// What a gradient of norm r costs, and the slope
const PENALTIES = {
  "two-sided": [r => (r - 1) ** 2, r => 2 * (r - 1)],
  "one-sided": [r => Math.max(0, r - 1) ** 2, r => 2 * Math.max(0, r - 1)],
  square: [r => r * r, r => 2 * r],
};
// weight E[cost(|grad D|)] at the n points a[0]; adds its gradient. With s the slope of the cost by grad D, held fixed,
// s . grad D is the derivative of D along s: one pass forward with s, and where f is curved one back.
function charge(net, n, [cost, rate], weight) {
  const {a, d, t, e, last} = net, dim = net.widths[0], [, slope, bend] = net.f;
  let total = 0;
  forward(net, n);
  d[last].fill(1, 0, n);
  backward(net, n, false, true);
  for (let i = 0; i < n; i++) {
    let r = 0;
    for (let k = 0; k < dim; k++) r += d[0][k * n + i] ** 2;
    r = Math.sqrt(r); total += cost(r);
    for (let k = 0; k < dim; k++) t[0][k * n + i] = r > 0 ? weight / n * rate(r) * d[0][k * n + i] / r : 0;
  }
  for (let l = 1; l <= last; l++) {
    collect(net, l, t[l - 1], d[l], n);
    if (l === last) break;
    t[l].fill(0, 0, net.widths[l] * n);
    through(net, l, t[l - 1], t[l], n);
    for (let i = 0; i < net.widths[l] * n; i++) {
      if (bend) e[l][i] = t[l][i] * d[l][i] * bend(a[l][i]);
      t[l][i] *= slope(a[l][i]);
    }
  }
  if (bend) { d[last].fill(0, 0, n); backward(net, n, true, false, e); }
  return weight * total / n;
}
function update(net, optimizer, [beta1, beta2], rate) { // as PyTorch does it
  const {theta, grad, mean, square} = net, t = ++net.updates;
  const up = rate / (1 - beta1 ** t), down = Math.sqrt(1 - beta2 ** t);
  for (let i = 0; i < theta.length; i++) {
    const g = grad[i];
    if (optimizer === "adam") {
      mean[i] += (1 - beta1) * (g - mean[i]); square[i] = beta2 * square[i] + (1 - beta2) * g * g;
      theta[i] -= up * mean[i] / (Math.sqrt(square[i]) / down + 1e-8);
    } else if (optimizer === "rmsprop") {
      square[i] = 0.99 * square[i] + 0.01 * g * g;
      theta[i] -= rate * g / (Math.sqrt(square[i]) + 1e-8);
    } else theta[i] -= rate * g;
  }
}

// ---- 3. Games --------------------------------------------------------------------------------------------------------

// [loss, slope] of one number of D: on real, on generated, and G's on generated
const up = [a => softplus(-a), a => -sigmoid(-a)], down = [softplus, sigmoid]; // -log D and -log(1 - D) of a logit
const near = goal => [a => (a - goal) ** 2 / 2, a => a - goal], times = s => [a => s * a, () => s];
const critic = {output: "score", real: times(-1), fake: times(1), g: times(-1)};
const GAMES = {
  "minimax": {output: "logit", real: up, fake: down, g: [a => -softplus(a), a => -sigmoid(a)]},
  "non-saturating": {output: "logit", real: up, fake: down, g: up},
  "least-squares": {output: "label", real: near(1), fake: near(0), g: near(1)},
  "wgan-clip": {...critic, clip: 0.01},
  "wgan-gp": {...critic, penalty: "two-sided", penalty_weight: 10},
  "wgan-gp-one-sided": {...critic, penalty: "one-sided", penalty_weight: 10},
};

// ---- 4. Training -----------------------------------------------------------------------------------------------------

function randomness(seed) { // xoshiro128** (Blackman and Vigna), started by splitmix
  let s = seed >>> 0, spare = NaN;
  const word = () => {
    let z = s = s + 0x9e3779b9 | 0;
    z = Math.imul(z ^ z >>> 16, 0x21f0aaad); z = Math.imul(z ^ z >>> 15, 0x735a2d97);
    return z ^ z >>> 15;
  };
  let [a, b, c, d] = [word(), word(), word(), word()];
  const uniform = () => { // inside (0, 1)
    const t = Math.imul(b, 5), r = Math.imul(t << 7 | t >>> 25, 9) >>> 0, u = b << 9;
    c ^= a; d ^= b; b ^= c; a ^= d; c ^= u; d = d << 11 | d >>> 21;
    return (r + 0.5) / 4294967296;
  };
  const normal = () => { // Box and Muller
    if (!isNaN(spare)) { const x = spare; spare = NaN; return x; }
    const r = Math.sqrt(-2 * Math.log(uniform())), angle = 2 * Math.PI * uniform();
    spare = r * Math.sin(angle);
    return r * Math.cos(angle);
  };
  return {uniform, normal};
}
// n samples of a law, {means, stds, weights} or {rows}, as (dim, n)
function sample({dim, means, stds, weights, rows}, n, random, to = new Float64Array(dim * n)) {
  for (let i = 0; i < n; i++) {
    let left = random.uniform(), k = 0;
    if (rows) k = Math.floor(left * rows.length);
    else while (k < weights.length - 1 && (left -= weights[k]) > 0) k++;
    for (let j = 0; j < dim; j++) to[j * n + i] = rows ? rows[k][j] : means[k][j] + stds[k] * random.normal();
  }
  return to;
}
const mean = list => list.reduce((sum, v) => sum + v, 0) / list.length;

// One run. `settings` has the names of TrainConfig; `room` is the largest number of points asked about at once. A test replaces
// `draw`.
function create(law, settings, room = 0) {
  const config = {...settings}, game = GAMES[config.game], {batch_size: n, latent_dim} = config, {dim} = law;
  const random = randomness(config.seed);
  const G = network([latent_dim, ...config.hidden, dim], config.activation, 2 * n, random.uniform);
  const D = network([dim, ...config.hidden, 1], config.activation, 2 * n, random.uniform);
  // The same nets as one looks at them from outside, between any two parts of an update
  const [seenG, seenD] = [G, D].map(net => ({...net, ...buffers(net.widths, room)}));
  const real = new Float64Array(dim * n), fake = new Float64Array(dim * n), eps = new Float64Array(n);
  const own = (value, usual) => value === null || value === undefined ? usual : value;
  const draw = {
    real: to => sample(law, n, random, to),
    noise(to) {
      const z = config.latent === "uniform" ? () => 2 * random.uniform() - 1 : random.normal;
      for (let i = 0; i < latent_dim * n; i++) to[i] = z();
    },
    eps(to) { for (let i = 0; i < n; i++) to[i] = random.uniform(); },
    blur(to) { for (let i = 0; i < dim * n; i++) to[i] += config.instance_noise * random.normal(); },
  };
  const run = {config, game, G, D, draw, real, fake, steps: 0, d_loss: NaN, g_loss: NaN, finite: true};
  let loss = 0;
  function price([cost, slope], from, to) { // mean over some columns of D's output; leaves the slope there
    const out = D.a[D.last], d = D.d[D.last];
    let sum = 0;
    for (let i = from; i < to; i++) { sum += cost(out[i]); d[i] = slope(out[i]) / n; }
    return sum / n;
  }
  function generate() { fake.set(forward(G, n).subarray(0, dim * n)); }
  function learn(net, rate) { // where a number is no longer finite nothing moves any more
    run.finite = run.finite && isFinite(loss) && net.grad.every(isFinite);
    if (run.finite && rate) update(net, config.optimizer, config.betas, rate);
    net.grad.fill(0);
  }
  // An update in its parts, so that it can be walked through
  run.partsD = {
    draw() { draw.real(real); draw.noise(G.a[0]); },
    generate() {
      generate();
      if (config.instance_noise) { draw.blur(fake); draw.blur(real); }
    },
    judge() { // real and generated ones in one pass
      for (let k = 0; k < dim; k++) {
        D.a[0].set(real.subarray(k * n, (k + 1) * n), 2 * k * n);
        D.a[0].set(fake.subarray(k * n, (k + 1) * n), (2 * k + 1) * n);
      }
      const out = forward(D, 2 * n);
      run.verdict = [mean(out.subarray(0, n)), mean(out.subarray(n, 2 * n))];
    },
    loss() { run.loss = loss = price(game.real, 0, n) + price(game.fake, n, 2 * n); },
    gradient() {
      backward(D, 2 * n, true, false);
      const weight = own(config.penalty_weight, game.penalty_weight);
      if (game.penalty && weight) {
        draw.eps(eps);
        for (let i = 0; i < dim * n; i++) D.a[0][i] = eps[i % n] * real[i] + (1 - eps[i % n]) * fake[i];
        loss += charge(D, n, PENALTIES[game.penalty], weight);
      }
      if (config.r1) { D.a[0].set(real); loss += charge(D, n, PENALTIES.square, config.r1 / 2); }
    },
    step() {
      run.d_loss = loss;
      learn(D, config.lr_d);
      const bound = own(config.clip, game.clip);
      if (bound && run.finite) D.theta.forEach((v, i) => { D.theta[i] = Math.max(-bound, Math.min(bound, v)); });
    },
  };
  run.partsG = {
    draw() { draw.noise(G.a[0]); },
    generate() {
      generate();
      if (config.instance_noise) draw.blur(fake);
    },
    judge() {
      D.a[0].set(fake);
      run.verdict = [mean(forward(D, n).subarray(0, n))];
    },
    loss() { run.loss = loss = price(game.g, 0, n); },
    gradient() { // through D, which is not touched, to each sample; from there to G's weights
      backward(D, n, false, true);
      G.d[G.last].set(D.d[0].subarray(0, dim * n));
      backward(G, n, true, false);
    },
    step() { run.g_loss = loss; learn(G, config.lr_g); },
  };
  run.stepD = () => { if (run.finite) for (const part in run.partsD) run.partsD[part](); };
  run.stepG = () => { if (run.finite) for (const part in run.partsG) run.partsG[part](); };
  run.step = () => { // k updates of D, then those of G
    for (let i = 0; i < config.critic_steps; i++) run.stepD();
    for (let i = 0; i < config.generator_steps; i++) run.stepG();
    if (run.finite) run.steps++;
  };
  run.generate = (z, count) => { seenG.a[0].set(z); return forward(seenG, count).slice(0, dim * count); };
  run.score = (x, count) => { seenD.a[0].set(x); return forward(seenD, count).slice(0, count); };
  run.judge = (x, count) => game.output === "logit" ? run.score(x, count).map(sigmoid) : run.score(x, count);
  run.pull = (x, count) => { // minus the slope of G's loss at each sample, as (dim, count)
    const out = run.score(x, count), d = seenD.d[D.last];
    for (let i = 0; i < count; i++) d[i] = -game.g[1](out[i]);
    backward(seenD, count, false, true);
    return seenD.d[0].slice(0, dim * count);
  };
  return run;
}
return {create, sample, randomness, GAMES, ACTIVATIONS, PENALTIES};
})();
