// What a figure stands on: light or dark paper.

function luminance(colours) { // of layers, the last on top, from 0 (black) to 1; NaN where one sees through them
  const pen = add(document.createElement("div"), "canvas", {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
  const [r, g, b, opaque] = pen.getImageData(0, 0, 1, 1).data;
  return opaque < 128 ? NaN : 0.2126 * (r / 255) ** 2.2 + 0.7152 * (g / 255) ** 2.2 + 0.0722 * (b / 255) ** 2.2;
}
function settle(figure) { // light or dark by what lies behind; by the page's text where that is nothing
  const layers = [];
  for (let e = figure.parentElement; e; e = e.parentElement || e.getRootNode().host) {
    layers.unshift(getComputedStyle(e).backgroundColor);
  }
  // grey of luminance 0.18 is as far from black as from white
  const behind = luminance(layers), light = luminance([getComputedStyle(figure.parentElement || figure).color]) > 0.3;
  const ground = behind < 0.18 || !(behind >= 0) && light ? "dark" : behind >= 0 ? "light" : "";
  if (ground) figure.dataset.ground = ground; else delete figure.dataset.ground;
}
function watchGround() { // themes change by an attribute, by the system, or by a style sheet that arrives late
  const all = () => { for (const figure of document.querySelectorAll("figure.gan-figure[data-ready]")) settle(figure); };
  const soon = () => { all(); for (const wait of [50, 500]) setTimeout(all, wait); };
  for (const e of [document.documentElement, document.body]) new MutationObserver(soon).observe(e, {attributes: true});
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);
  addEventListener("load", all);
}
