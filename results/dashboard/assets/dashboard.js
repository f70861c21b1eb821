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

// Fills in what has changed, and keeps the focus where it was.
function fill(contents) {
  for (const [id, html] of Object.entries(contents || {})) {
    const place = document.getElementById(id);
    if (!place || place.nasHtml === html) continue;
    const key = place.contains(document.activeElement) && document.activeElement.dataset.key;
    place.nasHtml = html;
    place.innerHTML = html;
    const again = key && place.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (again) again.focus();
  }
  return window.dash_clientside.no_update;
}
window.dash_clientside = Object.assign({}, window.dash_clientside, { nas: { fill } });
})();
