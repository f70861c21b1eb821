"use strict";
(() => {
// The address holds all that is looked at: links and controls change it, and nothing else.
function go(query) {
  history.pushState(null, "", query);
  window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
}

document.addEventListener("click", event => {
  const link = event.target.closest("a[data-view]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});

// A file is made while the page waits, which says so, and then what came of it.
let making = false;
document.addEventListener("click", async event => {
  const link = event.target.closest("a[data-export]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (making) return;
  making = true;
  link.setAttribute("aria-disabled", "true");
  const name = link.dataset.export, told = document.getElementById("export-told");
  told.className = "";
  told.textContent = `Making ${name} and checking it against the network ...`;
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(await answer.text());
    const file = await answer.blob();
    save(file, /filename="(.*)"/.exec(answer.headers.get("Content-Disposition"))[1]);
    told.textContent = `${name} is made and checked: ${(file.size / 1e6).toFixed(2)} MB.`;
  } catch (error) {
    told.className = "fault";
    told.textContent = `${name} could not be had: ${error.message}`;
  }
  making = false;
  link.removeAttribute("aria-disabled");
});

function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// What the fields of the form say as a filter; empty where they say nothing.
function filterText(form) {
  const column = form.dataset.filter;
  const values = [...form.querySelectorAll("input:checked")].map(box => box.value);
  if (values.length) return `${column}=${values.join("|")}`;
  const ends = [...form.querySelectorAll("input[type=number]")].map(input => input.value);
  return ends.some(end => end !== "") ? `${column}:${ends.join("..")}` : "";
}

function setFilter(params, form) {
  const column = form.dataset.filter, text = filterText(form);
  const others = params.getAll("filter")
    .filter(other => !other.startsWith(`${column}=`) && !other.startsWith(`${column}:`));
  params.delete("filter");
  for (const each of text ? [...others, text] : others) params.append("filter", each);
}

document.addEventListener("change", event => {
  const field = event.target.closest("[data-field]");
  if (!field) return;
  const params = new URLSearchParams(location.search), name = field.dataset.field;
  if (name === "filter") {
    setFilter(params, field.closest("[data-filter]"));
  } else if (field.type === "checkbox") {
    const boxes = [...document.querySelectorAll(`[data-field="${name}"]:checked`)];
    const values = boxes.map(box => box.value);
    params.delete(name);
    for (const value of field.dataset.many ? values : [values.join(",")]) params.append(name, value);
  } else {
    params.set(name, field.value);
  }
  for (const other of [...params.keys()]) {
    if (field.dataset.keeps && other !== name && !field.dataset.keeps.split(" ").includes(other))
      params.delete(other);
  }
  for (const other of (field.dataset.drops || "").split(" ")) params.delete(other);
  params.delete("start");
  go(`?${params}`);
});

// Fills in the texts that have changed, and keeps the focus where it was.
function write(texts) {
  for (const [id, html] of Object.entries(texts)) {
    const place = document.getElementById(id);
    if (!place || place.nasHtml === html) continue;
    const key = place.contains(document.activeElement) && document.activeElement.dataset.key;
    place.nasHtml = html;
    place.innerHTML = html;
    const again = key && place.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (again) again.focus();
  }
}

// Plotly is long to start: it does so when the page has asked what to draw, and waits for that.
let plotly;
function startPlotly() {
  plotly ||= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector("link[rel=preload][as=script]").href;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return plotly;
}
new MutationObserver((_, observer) => {
  if (!document.getElementById("scatter")) return;
  observer.disconnect();
  requestIdleCallback(startPlotly, { timeout: 200 });
}).observe(document, { childList: true, subtree: true });

const CONFIG = { displaylogo: false, showSendToCloud: false, plotlyServerURL: "",
  plotGlPixelRatio: window.devicePixelRatio,  // it would be 2, four times the work
  modeBarButtonsToRemove: ["autoScale2d", "zoomIn2d", "zoomOut2d"] };

// A figure is as wide as its place, whenever that changes.
const widths = new ResizeObserver(entries => {
  for (const { target: plot, contentRect: box } of entries)
    if (plot._fullLayout && box.width && Math.round(box.width) !== plot._fullLayout.width)
      Plotly.Plots.resize(plot);
});

function tell(done) {
  window.dash_clientside.set_props("done", { data: done });
}

function newPlot(place) {
  const plot = place.appendChild(document.createElement("div"));
  plot.style.height = "100%";
  widths.observe(plot);
  return plot;
}

// What is done in a figure is told to the server, which puts it into the address.
function listen(plot, id) {
  if (!["scatter", "parallel"].includes(id)) return;
  plot.on("plotly_selected", event => {
    if (event) tell({ what: id, selected: { range: event.range, lassoPoints: event.lassoPoints } });
  });
  plot.on("plotly_click", event => {
    tell({ what: "click", candidate: event.points[0].customdata });
  });
}

// Figures wait for the ones before them; a newer one takes the place of one that still waits.
const waiting = {};
let drawing = false;
async function draw(figures) {
  Object.assign(waiting, figures);
  if (drawing) return;
  drawing = true;
  try {
    await startPlotly();
    for (let [id] = Object.keys(waiting); id; [id] = Object.keys(waiting)) {
      const figure = waiting[id];
      delete waiting[id];
      await drawOne(id, figure);
    }
  } finally {
    drawing = false;
  }
}

async function drawOne(id, { data, layout }) {
  const place = document.getElementById(id), first = !place.firstChild;
  if (!place.offsetParent) return;  // its page is left, and comes with its figures again
  const plot = place.firstChild || newPlot(place);
  if (layout.height) place.style.height = `${layout.height}px`;
  const same = layout.datarevision && layout.datarevision === plot.layout?.datarevision;
  if (same) {  // a tenth of the time
    const { images, shapes } = layout;
    await Plotly.relayout(plot, { images, shapes, selections: [] });
  } else await Plotly.react(plot, data, { ...layout, height: undefined }, CONFIG);
  if (!first) return;
  listen(plot, id);  // and let it be seen before the next one is made
  await new Promise(seen => requestAnimationFrame(() => setTimeout(seen)));
}

function fill(contents) {
  if (contents) {
    for (const page of document.querySelectorAll("[id^=page-]"))
      page.hidden = page.id !== `page-${contents.page}`;
    document.getElementById("filtering").hidden = contents.page === "candidate";
    write(contents.texts);
    draw(contents.figures);
  }
  return window.dash_clientside.no_update;
}
window.dash_clientside = Object.assign({}, window.dash_clientside, { nas: { fill } });
})();
