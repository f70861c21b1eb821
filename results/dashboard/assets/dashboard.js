"use strict";
(() => {
// The address holds all that is looked at: links and controls change it, and nothing else.
function go(query) {
  history.pushState(null, "", query);
  window.dispatchEvent(new PopStateEvent("popstate")); // as the browser does on the way back
}

document.addEventListener("click", event => {
  const link = event.target.closest("a[data-view]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});

// A file is made while the page waits: which file, how long already, and then what came of it.
let making = "";
document.addEventListener("click", async event => {
  const link = event.target.closest("a[data-export]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (making || link.ariaDisabled === "true") return;
  making = link.dataset.export;
  const told = document.getElementById("export-told"), start = performance.now();
  const tellTime = () => {
    const seconds = Math.floor((performance.now() - start) / 1000);
    document.getElementById("export-time").textContent = seconds ? `${seconds} s` : "";
  };
  told.className = "";
  told.textContent = `Making ${making} and checking it against the network ...`;
  document.body.classList.add("exporting");
  const clock = setInterval(tellTime, 1000);
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(await answer.text());
    const file = await answer.blob();
    const name = /filename="(.*)"/.exec(answer.headers.get("Content-Disposition"))[1];
    save(file, name);
    told.textContent = `${making} is made and checked: ${(file.size / 1e6).toFixed(2)} MB, `
      + `saved by the browser as ${name}.`;
  } catch (error) {
    told.className = "fault";
    told.textContent = `${making} could not be had: ${error.message}`;
  }
  clearInterval(clock);
  document.getElementById("export-time").textContent = "";
  document.body.classList.remove("exporting");
  making = "";
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
    for (const value of "many" in field.dataset ? values : [values.join(",")]) params.append(name, value);
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
  modeBarButtonsToRemove: ["autoScale2d", "zoomIn2d", "zoomOut2d"] };

// A figure is as wide as its place, whenever that changes.
const widths = new ResizeObserver(entries => {
  for (const { target: plot, contentRect: box } of entries)
    if (plot._fullLayout && box.width && Math.round(box.width) !== plot._fullLayout.width)
      Plotly.Plots.resize(plot);
});

function tell(done) {
  window.dash_clientside.set_props("done", { data: { ...done, shown } });
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
  plot.on("plotly_click", event => choose(event.points[0].customdata));
  if (id === "scatter") hover(plot);
}

const choose = candidate => {
  if (candidate !== undefined) tell({ what: "click", candidate });
};

// What a candidate is shows beside the mouse, and a click chooses it, be it an element of the
// figure or a point on the canvas.
function hover(plot) {
  let over = null, pressed = null;  // what plotly says the mouse is over, and where it went down
  plot.on("plotly_hover", ({ event, points: [{ customdata }] }) => {
    over = customdata ?? null;
    if (over !== null) showTip(over, event);
  });
  plot.on("plotly_unhover", () => { over = null; hideTip(); });
  plot.on("plotly_afterplot", () => nasPoints.draw(plot));
  plot.on("plotly_relayouting", () => nasPoints.draw(plot));
  plot.on("plotly_restyle", () => nasPoints.draw(plot));
  const found = event => over === null && event.target.closest(".draglayer")
    ? nasPoints.nearest(plot, event) : null;
  plot.addEventListener("mousemove", event => {
    if (over !== null || event.buttons) return;
    const number = found(event);
    if (number === null) hideTip();
    else showTip(number, event);
  });
  plot.addEventListener("mouseleave", hideTip);
  plot.addEventListener("pointerdown", event => { pressed = event; }, true);
  window.addEventListener("pointerup", event => {
    const near = pressed && Math.hypot(event.clientX - pressed.clientX,
      event.clientY - pressed.clientY) < 5;
    const number = near ? found(pressed) : null;
    pressed = null;
    if (number !== null) choose(number);
  }, true);
}

const tips = new Map();  // what is told of candidates, until something changes
let tipped = null;
async function showTip(number, { clientX, clientY }) {
  const tip = document.getElementById("tip"), again = tipped === number;
  tipped = number;
  moveTip(tip, clientX, clientY);
  if (again && !tip.hidden) return;
  const params = new URLSearchParams(location.search);
  params.set("candidate", number);
  const address = `tip?${params}`;
  if (!tips.has(address)) {
    tip.textContent = `Candidate ${number}`;
    const answer = await fetch(address).catch(() => null);
    if (answer?.ok) tips.set(address, await answer.text());
  }
  if (tipped !== number) return;
  tip.innerHTML = tips.get(address) || tip.innerHTML;
  moveTip(tip, clientX, clientY);
}

function moveTip(tip, x, y) {
  tip.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = x + 14 + width < innerWidth ? x + 14 : Math.max(4, x - 14 - width);
  tip.style.left = `${Math.min(left, innerWidth - width - 4)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - height - 4))}px`;
}

function hideTip() {
  tipped = null;
  document.getElementById("tip").hidden = true;
}
window.addEventListener("scroll", hideTip, { passive: true });

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
  if (layout.meta?.axes) place.style.minWidth = `${8.5 * layout.meta.axes}rem`;
  const short = layout.xaxis;  // no room for 1, 2, 5 on a phone
  if (place.clientWidth < 480 && short?.dtick === "D2") short.dtick = 1;
  plot.nasLayers = nasPoints.read(layout.meta?.points);
  const same = layout.datarevision && layout.datarevision === plot.layout?.datarevision;
  if (same) {  // a tenth of the time
    const { images, shapes } = layout;
    await Plotly.relayout(plot, { images, shapes, selections: [] });
  } else await Plotly.react(plot, data, { ...layout, height: undefined }, CONFIG);
  nasPoints.draw(plot);
  if (!first) return;
  listen(plot, id);  // and let it be seen before the next one is made
  await new Promise(seen => requestAnimationFrame(() => setTimeout(seen)));
}

// New candidates are looked for again and again, each time when the last answer has come. What is
// new is asked for once, and again if it has not come after half a minute.
let shown = null, asked = null, askedAt = 0;
async function look() {
  const answer = await fetch(`version${location.search}`).catch(() => null);
  const version = answer?.ok ? await answer.text() : shown, now = performance.now();
  if (version !== shown && (version !== asked || now - askedAt > 30_000)) {
    [asked, askedAt] = [version, now];
    window.dash_clientside.set_props("version", { data: version });
  }
  lookLater();
}

function lookLater() {
  setTimeout(look, 1000 * document.getElementById("status").dataset.seconds);
}

function fill(contents) {
  if (contents) {
    if (shown === null) lookLater();
    shown = contents.version;
    tips.clear();
    hideTip();
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
