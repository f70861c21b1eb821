"use strict";
// Thousands of points lie on a canvas below a figure: an element of the page for each is slow, and
// so is WebGL without a graphics card. The figure has an empty trace in the legend for each layer.
(() => {
const GREY = "#8A8A8A", NEAR = 12;
const dark = matchMedia("(prefers-color-scheme: dark)");
const seen = colour => colour === "#0072B2" && dark.matches ? "#56B4E9" : colour;

// Corners on a circle of radius 1, from straight up or from elsewhere.
const corners = (count, from = 0, radii = [1]) => Array.from({ length: count }, (_, i) => {
  const angle = 2 * Math.PI * i / count + from, radius = radii[i % radii.length];
  return [radius * Math.sin(angle), -radius * Math.cos(angle)];
});
const SHAPES = { square: corners(4, Math.PI / 4, [1.25]), diamond: corners(4, 0, [1.3]),
  "triangle-up": corners(3, 0, [1.15]), "star-triangle-down": corners(6, Math.PI, [1.3, 0.5]),
  pentagon: corners(5), hexagon2: corners(6, Math.PI / 6),
  cross: [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2],
    [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]] };
const LINES = { "line-ns": [[0, -1, 0, 1]], "line-ew": [[-1, 0, 1, 0]],
  "cross-thin": [[0, -1, 0, 1], [-1, 0, 1, 0]],
  "x-thin": [[-1, -1, 1, 1], [-1, 1, 1, -1]],
  "y-down": [[0, 0, 0, 1], [0, 0, -0.9, -0.6], [0, 0, 0.9, -0.6]] };

function path(context, shape, radius) {
  context.beginPath();
  for (const [x0, y0, x1, y1] of LINES[shape] || []) {
    context.moveTo(radius * x0, radius * y0);
    context.lineTo(radius * x1, radius * y1);
  }
  for (const [x, y] of SHAPES[shape] || []) context.lineTo(radius * x, radius * y);
  if (SHAPES[shape]) context.closePath();
  else if (!LINES[shape]) context.arc(0, 0, radius, 0, 2 * Math.PI);
}

// A picture of one point, which is then put down many times.
function stamp(layer, colour, size, ratio) {
  const shape = layer.symbol.replace(/-open|-dot/g, ""), radius = size / 2;
  const room = Math.ceil(1.4 * radius + layer.width + 1), stamp = document.createElement("canvas");
  stamp.width = stamp.height = 2 * room * ratio;
  const context = stamp.getContext("2d");
  context.scale(ratio, ratio);
  context.translate(room, room);
  context.strokeStyle = context.fillStyle = seen(colour);
  context.lineWidth = layer.width;
  path(context, shape, radius);
  if (LINES[shape] || layer.symbol.includes("-open")) context.stroke();
  else context.fill();
  if (layer.symbol.endsWith("-dot")) {
    path(context, shape, 1);
    context.fill();
  }
  return { stamp, room };
}

const decoded = (text, Kind) =>
  text && new Kind(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);

function read(layers) {
  return (layers || []).map(each => ({ ...each, x: decoded(each.x, Float32Array),
    y: decoded(each.y, Float32Array), number: decoded(each.number, Int32Array),
    shade: decoded(each.shade, Uint8Array), sizes: decoded(each.sizes, Float32Array) }));
}

// Where the points of a layer lie, in pixels of the figure.
function place(layer, { xaxis, yaxis }) {
  const ends = [[layer.x, xaxis], [layer.y, yaxis]].map(([values, axis], vertical) => {
    const placed = new Float32Array(layer.number.length);
    const edge = vertical ? axis._length * (1 - layer.edge) : axis._length * layer.edge;
    for (let i = 0; i < placed.length; i++)
      placed[i] = axis._offset + (values ? axis.d2p(values[i]) : edge);
    return placed;
  });
  [layer.left, layer.top] = ends;
}

function draw(plot) {
  const layers = plot.nasLayers, all = plot._fullLayout;
  if (!layers || !all?.xaxis?.d2p) return;
  let canvas = plot.querySelector("canvas.points");
  if (!layers.length) return void canvas?.remove();
  const holder = plot.querySelector(".svg-container"), ratio = window.devicePixelRatio || 1;
  canvas ||= document.createElement("canvas");
  if (canvas.parentNode !== holder) holder.prepend(canvas);
  canvas.className = "points";
  canvas.width = all.width * ratio;
  canvas.height = all.height * ratio;
  canvas.style.cssText = `position:absolute;inset:0;width:${all.width}px;height:${all.height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.beginPath();
  context.rect(all.xaxis._offset, all.yaxis._offset, all.xaxis._length, all.yaxis._length);
  context.clip();
  for (const layer of layers) {
    layer.hidden = plot._fullData[layer.trace]?.visible !== true;
    if (layer.hidden) continue;
    place(layer, all);
    drawLayer(context, layer, ratio);
  }
}

function drawLayer(context, layer, ratio) {
  const stamps = new Map();
  context.globalAlpha = layer.opacity;
  for (let i = 0; i < layer.number.length; i++) {
    const size = layer.sizes ? Math.round(2 * layer.sizes[i]) / 2 : layer.size;
    const colour = layer.shade ? layer.palette[layer.shade[i]] || GREY : layer.colour;
    const key = `${colour} ${size}`;
    if (!stamps.has(key)) stamps.set(key, stamp(layer, colour, size, ratio));
    const { stamp: picture, room } = stamps.get(key);
    context.drawImage(picture, layer.left[i] - room, layer.top[i] - room, 2 * room, 2 * room);
  }
}

// The candidate nearest to the mouse, of those on the canvas.
function nearest(plot, event) {
  const box = plot.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  let best = NEAR ** 2, found = null;
  for (const { hidden, left, top, number, quiet } of plot.nasLayers || []) {
    if (hidden || quiet || !left) continue;
    for (let i = 0; i < number.length; i++) {
      const distance = (left[i] - x) ** 2 + (top[i] - y) ** 2;
      if (distance <= best) [best, found] = [distance, number[i]];
    }
  }
  return found;
}

window.nasPoints = { read, draw, nearest };
dark.addEventListener("change", () => document.querySelectorAll(".js-plotly-plot").forEach(draw));
})();
