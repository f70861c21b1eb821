"""Style and script of the report."""

STYLE = """
:root { --text:#1b1f24; --quiet:#57606a; --page:#ffffff; --card:#f5f7f9; --line:#d5dae0;
  --link:#0059a3; --front:#b34700; --blue:#0072b2; --sky:#56b4e9; --bar:#0072b255; }
@media (prefers-color-scheme: dark) { :root { --text:#e6e9ec; --quiet:#a2abb5; --page:#14171b;
  --card:#1e2329; --line:#39414a; --link:#6cb6ff; --front:#ff9d5c;
  --blue:#56b4e9; --sky:#f0e442; --bar:#56b4e966; } }
* { box-sizing:border-box; }
html { scroll-behavior:smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior:auto; } }
body { margin:0 auto; padding:1rem; max-width:76rem; color:var(--text); background:var(--page);
  font:1rem/1.5 system-ui,sans-serif; }
h1 { margin:0; font-size:1.6rem; overflow-wrap:anywhere; }
h2 { margin:2.5rem 0 .5rem; font-size:1.2rem; }
p, figcaption { color:var(--quiet); margin:.25rem 0 .75rem; max-width:60rem; }
a { color:var(--link); }
nav { display:flex; flex-wrap:wrap; gap:.25rem 1rem; margin-top:.5rem; font-size:.9rem; }
.facts { display:grid; grid-template-columns:repeat(auto-fill,minmax(9rem,1fr)); gap:.5rem; }
.facts div { background:var(--card); border:1px solid var(--line); border-radius:.4rem;
  padding:.5rem .75rem; }
.facts dt { color:var(--quiet); font-size:.8rem; }
.facts dd { margin:0; font-size:1.25rem; font-variant-numeric:tabular-nums; }
.scroll { overflow-x:auto; }
.scroll:focus-visible, button:focus-visible, select:focus-visible, input:focus-visible,
summary:focus-visible { outline:2px solid var(--link); outline-offset:1px; }
table { border-collapse:collapse; width:100%; font-size:.875rem; }
th, td { text-align:left; vertical-align:top; padding:.35rem .75rem .35rem 0;
  border-bottom:1px solid var(--line); font-variant-numeric:tabular-nums; }
th { white-space:nowrap; }
td { white-space:nowrap; }
td div + div { color:var(--quiet); }
td.architecture div, td.reason, td.value, td.candidates { color:inherit; white-space:normal;
  overflow-wrap:anywhere; }
td.architecture { min-width:22rem; }
td.reason { min-width:18rem; }
tr.on-front td:first-child { color:var(--front); font-weight:600; }
.architecture, code, pre { font:.75rem/1.4 ui-monospace,monospace; }
pre { overflow:auto; max-height:24rem; padding:.75rem; background:var(--card); }
summary { cursor:pointer; color:var(--link); }
th button { all:unset; cursor:pointer; font-weight:600; color:var(--link); }
th button:focus-visible { outline:2px solid var(--link); }
th[aria-sort=ascending] button::after { content:" \\25b2"; }
th[aria-sort=descending] button::after { content:" \\25bc"; }
select, button { font:inherit; color:inherit; background:var(--card); max-width:100%;
  border:1px solid var(--line); border-radius:.3rem; padding:.3rem .6rem; }
.controls { display:flex; flex-wrap:wrap; gap:.5rem 1rem; align-items:center; }
.controls label { max-width:100%; }
figure { margin:0 0 1rem; min-width:0; }
.plot { height:20rem; }
.plot.tall { height:32rem; }
#progress { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));
  gap:0 1.5rem; }
#progress h2 { grid-column:1 / -1; }
#plot-parallel { min-width:60rem; height:28rem; }
.plot.tall-as-drawn { height:auto; min-width:20rem; }
#plot-network { min-width:54rem; }
.beside { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));
  gap:0 1.5rem; align-items:start; }
tbody th { font-weight:600; padding-right:.75rem; }
td.wide { white-space:normal; overflow-wrap:anywhere; min-width:14rem; }
h3 { margin:1.25rem 0 .5rem; font-size:1rem; }
@media print { nav, .controls, #more { display:none; } }
"""

SCRIPT = """
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const all = data.candidates;
const metrics = Object.fromEntries(data.metrics.map(each => [each.name, each]));
const byId = id => document.getElementById(id);
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const VERMILLION = "#D55E00", GREEN = "#009E73", dark = matchMedia("(prefers-color-scheme: dark)");
const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

// Numbers as people read them.
function format(name, value) {
  if (value === null || value === undefined) return "-";
  const metric = metrics[name];
  if (metric.share) return (100 * value).toFixed(1) + " %";
  if (!metric.count) return +value.toPrecision(3) + " " + metric.unit;
  const unit = metric.unit === "B" ? "B" : "";
  for (const [factor, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(value) >= factor * 0.9995)
      return (value / factor).toPrecision(3) + " " + prefix + unit;
  return `${value} ${unit}`.trim();
}
function interval(name, i) {
  const low = all.low[name][i], high = all.high[name][i], text = format(name, all.value[name][i]);
  if (low === null || high === null) return [text];
  const unit = each => each.split(" ")[1], ends = [format(name, low), format(name, high)];
  const bare = ends.every(each => unit(each) === unit(text));
  return [text, `[${ends.map(each => bare ? each.split(" ")[0] : each).join(", ")}]`];
}
const hover = i => [`<b>candidate ${all.number[i]}</b> ${all.digest[i]}`]
  .concat(data.metrics.filter(m => all.value[m.name][i] !== null)
    .map(m => escaped([m.name, ...interval(m.name, i)].join(" "))))
  .concat(all.architecture[i].split(" | ").map(escaped)).join("<br>");

// Figures.
function themed(layout) {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"),
    linecolor: colour("--line"), automargin: true };
  return { ...layout, template: null, colorway: undefined,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--text"), family: "system-ui, sans-serif", size: 13 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--quiet"), activecolor: colour("--text") },
    hoverlabel: { align: "left", bgcolor: colour("--card"), bordercolor: colour("--line"),
      font: { color: colour("--text"), size: 12 } },
    xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis } };
}
const config = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"] };
function drawFigure(name, figure) {
  const layout = themed(figure.layout);
  if (name === "parallel") { delete layout.xaxis; delete layout.yaxis; }
  const traces = JSON.stringify(figure.data)  // dark blue cannot be seen on a dark page
    .replace(/#0072B2|#56B4E9/g, c => colour(c === "#0072B2" ? "--blue" : "--sky"));
  Plotly.react("plot-" + name, JSON.parse(traces), layout, config);
}
function drawFigures() {
  for (const [name, figure] of Object.entries(data.figures)) drawFigure(name, figure);
  for (const name of Object.keys(data.choices)) drawChosen[name]();
}

// Menus, and what is seen by what is chosen in them.
const drawChosen = {};
function startChoice(name, options) {
  const select = byId(name);
  select.replaceChildren(...options.map((each, place) => new Option(each.label, place)));
  const chosen = () => options[select.value];
  drawChosen[name] = () => {
    for (const [place, figure] of Object.entries(chosen().figures)) drawFigure(place, figure);
    for (const inner of Object.keys(chosen().inner)) drawChosen[inner]();
  };
  const show = () => {
    for (const each of options) if (each.part) byId(each.part).hidden = each !== chosen();
    if (chosen().note) byId(name + "-note").textContent = chosen().note;
    for (const [inner, rest] of Object.entries(chosen().inner)) startChoice(inner, rest);
  };
  select.onchange = () => { show(); drawChosen[name](); };
  show();
}

// The Pareto plot of two metrics. Measured ones compare only where they were measured alike.
function alike(points, x, y) {
  const where = i => [x, y].map(name => all.where[name]?.[i]).join();
  return [...new Set(points.map(where))].map(
    group => points.filter(i => where(i) === group));
}
function front(points, x, y) {
  const sx = metrics[x].less ? 1 : -1, sy = metrics[y].less ? 1 : -1;
  const rows = points.map(i => [sx * all.value[x][i], sy * all.value[y][i], i]);
  rows.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let best = Infinity, at = null;
  return rows.filter(row => {
    if (row[1] < best) { best = row[1]; at = row[0]; return true; }
    return row[1] === best && row[0] === at;  // ties stay
  }).map(row => row[2]).sort((i, j) => all.value[x][i] - all.value[x][j]);
}
function bars(name, points, color) {
  const ends = { low: all.low[name], high: all.high[name] }, value = all.value[name];
  if (points.every(i => ends.low[i] === null && ends.high[i] === null)) return undefined;
  return { type: "data", symmetric: false, thickness: 1, width: 0, color,
    array: points.map(i => ends.high[i] === null ? 0 : ends.high[i] - value[i]),
    arrayminus: points.map(i => ends.low[i] === null ? 0 : value[i] - ends.low[i]) };
}
function drawPairs() {
  const x = byId("x").value, y = byId("y").value;
  const points = all.number.map((_, i) => i).filter(i => all.status[i] === "complete"
    && all.value[x][i] !== null && all.value[y][i] !== null);
  const groups = alike(points, x, y), best = groups.flatMap(each => front(each, x, y));
  const chosen = new Set(best);
  const trace = (name, group, style) => ({ name, x: group.map(i => all.value[x][i]),
    y: group.map(i => all.value[y][i]),
    error_x: bars(x, group, style.bar), error_y: bars(y, group, style.bar),
    hovertext: group.map(hover), hoverinfo: "text", mode: "markers", ...style, bar: undefined,
    type: group.length > 3000 ? "scattergl" : "scatter" });
  const blue = colour("--blue"), bar = colour("--bar"), many = points.length > 500;
  const rest = points.filter(i => !chosen.has(i));
  const traces = [
    trace("dominated", rest.filter(i => !all.front[i]),
      { bar: many ? "transparent" : bar,
        marker: { color: blue, symbol: "circle-open", size: many ? 5 : 8, opacity: 0.8 } }),
    trace("on the front of all objectives", rest.filter(i => all.front[i]),
      { bar, marker: { color: blue, symbol: "circle", size: 9 } }),
    trace("front of these two", best,
      { mode: groups.length > 1 ? "markers" : "lines+markers",
        marker: { color: VERMILLION, symbol: "diamond", size: 11 },
        line: { color: VERMILLION, width: 1.5, shape: metrics[x].less ? "hv" : "vh" } }),
    ...all.number.map((_, i) => i).filter(i => all.status[i] === "baseline").map((i, n) =>
      trace("baseline " + all.baseline[i],
        [i].filter(i => all.value[x][i] !== null && all.value[y][i] !== null),
        { bar, marker: { color: GREEN, size: 10,
          symbol: ["square", "square-open", "hourglass", "bowtie"][n % 4] } })),
  ].filter(each => each.x.length);
  const end = (name, pick) => points.map(i => all.value[name][i]).reduce((a, b) => pick(a, b), NaN);
  const span = name => end(name, (a, b) => a > b ? a : b) / end(name, (a, b) => a < b ? a : b);
  const axis = (name, log) => ({ title: { text: metrics[name].title }, type: log ? "log" : "linear",
    // Labels at 1, 2, 5 and so on, where that gives neither few nor many.
    dtick: log && span(name) > 5 && span(name) < 300 ? "D2" : undefined,
    tickformat: metrics[name].share ? ".1~%" : metrics[name].count ? "~s" : undefined });
  const layout = themed({ xaxis: axis(x, byId("x-log").checked),
    yaxis: axis(y, byId("y-log").checked), margin: { l: 56, r: 16, t: 16, b: 48 },
    showlegend: true, legend: { orientation: "h", yanchor: "bottom", y: 1, x: 0 } });
  Plotly.react("plot-pairs", traces, layout, config);
  byId("pairs-note").textContent = `${best.length} of ${points.length} candidates are on the front `
    + `of ${x} and ${y}. Intervals are 95 %.` + (groups.length > 1
    ? " Latencies are compared only where they were measured under the same conditions." : "");
}
function startPairs() {
  const names = data.metrics.map(each => each.name);
  const [first, second] = [...data.objectives, ...names.filter(n => !data.objectives.includes(n))];
  for (const [id, preset] of [["x", second], ["y", first]]) {
    const useful = name => metrics[name].count
      && all.value[name].every(value => value === null || value > 0);
    byId(id).append(...names.map(name => new Option(name, name, false, name === preset)));
    byId(id + "-log").checked = useful(byId(id).value);
    byId(id).addEventListener("change", () => {
      byId(id + "-log").checked = useful(byId(id).value);
      drawPairs();
    });
    byId(id + "-log").addEventListener("change", drawPairs);
  }
}

// The table of all candidates.
const columns = [["candidate", i => all.number[i]], ["status", i => all.status[i]],
  ...data.metrics.map(m => [m.name, i => all.value[m.name][i], i => interval(m.name, i)]),
  ["seconds", i => all.seconds[i], i => [all.seconds[i]?.toFixed(1) ?? "-"]],
  ["architecture", i => all.architecture[i], i => all.architecture[i].split(" | ")],
  ["digest", i => all.digest[i]]];
const STEP = 50;
let order = all.number.map((_, i) => i), sorted = 0, rising = true, shown = STEP;
function fillTable() {
  byId("all").tHead.replaceChildren(document.createElement("tr"));
  columns.forEach(([title], place) => {
    const cell = document.createElement("th"), button = document.createElement("button");
    cell.scope = "col";
    if (place === sorted) cell.setAttribute("aria-sort", rising ? "ascending" : "descending");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => { sortBy(place); });
    cell.append(button);
    byId("all").tHead.rows[0].append(cell);
  });
  byId("all").tBodies[0].replaceChildren(...order.slice(0, shown).map(i => {
    const row = document.createElement("tr");
    if (all.front[i]) { row.className = "on-front"; row.title = "on the front"; }
    for (const [, value, lines] of columns) {
      const cell = row.insertCell();
      (lines ? lines(i) : [value(i)]).forEach(line => {
        cell.append(document.createElement("div"));
        cell.lastChild.append(line);
      });
      if (value(i) === all.architecture[i]) cell.className = "architecture";
    }
    return row;
  }));
  byId("more").hidden = shown >= order.length;
  byId("more").textContent = `Show ${Math.min(STEP, order.length - shown)} more of ${order.length}`;
}
function sortBy(place) {
  rising = place === sorted ? !rising : true;
  sorted = place;
  const value = columns[place][1], sign = rising ? 1 : -1;
  order.sort((i, j) => {
    const a = value(i), b = value(j);
    if (a === null || b === null) return (a === null) - (b === null);  // what is missing is last
    return sign * (a < b ? -1 : a > b ? 1 : 0) || i - j;
  });
  fillTable();
  byId("all").tHead.querySelectorAll("button")[place].focus();
}

if (byId("x")) startPairs();
for (const [name, options] of Object.entries(data.choices)) startChoice(name, options);
const draw = () => { drawFigures(); if (byId("x")) drawPairs(); };
draw();
dark.addEventListener("change", draw);
if (byId("all")) {
  byId("more").addEventListener("click", () => { shown += STEP; fillTable(); });
  fillTable();
}
})();
"""
