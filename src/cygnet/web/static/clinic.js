// The duckling view and the drop of a folder. Everything here also works without this file.
"use strict";

document.documentElement.classList.add("scripted");
const $ = (pick, root = document) => root.querySelector(pick);
const $$ = (pick, root = document) => [...root.querySelectorAll(pick)];
const desk = $(".duckling");
const still = matchMedia("(prefers-reduced-motion: reduce)");

// Parts of the page are fetched for an address and put in their places; the address is the whole state.
const part = async (address, want) => {
  const url = new URL(address, location.href);
  url.searchParams.set("want", want.join(","));
  const answer = await fetch(`/patients/${desk.dataset.patient}/parts?${url.searchParams}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
};

const put = (parts) => {
  const inner = $("#gallery .inner");
  const height = inner ? inner.scrollTop : 0;
  const open = $("#lesion-table") && $("#lesion-table").open;
  for (const [name, html] of Object.entries(parts)) {
    const place = document.getElementById(name);
    if (place) place.innerHTML = html;
  }
  if (parts.gallery && $("#gallery .inner")) $("#gallery .inner").scrollTop = height;
  if (parts.table && open) $("#lesion-table").open = true;
  unblink();
};

const mark = (number) => {
  for (const one of $$("#map [data-lesion], #gallery [data-lesion]")) {
    if (one.dataset.lesion === String(number)) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
  const shown = $(`#gallery [data-lesion="${number}"]`);
  if (shown) shown.scrollIntoView({ block: "nearest" });
};

let asked = 0;
const go = async (address, want = ["focus"], push = true) => {
  const mine = ++asked;
  try {
    const got = await part(address, want);
    if (mine !== asked) return;
    put(got.parts);
    if (push) history.pushState(null, "", address);
    if (got.lesion) mark(got.lesion);
    relink();
    const heading = $("#focus-h");
    if (heading && want.length === 1) say(heading.textContent.trim());
  } catch { location.assign(address); }
};

// Links elsewhere on the page follow what is in focus and in the tray now.
const relink = () => {
  const now = new URLSearchParams(location.search);
  for (const one of $$("[data-lesion]")) {
    const url = new URL(one.getAttribute("href"), location.href);
    if (now.get("compare")) url.searchParams.set("compare", now.get("compare")); else url.searchParams.delete("compare");
    one.setAttribute("href", url.pathname + url.search);
  }
};

const everything = ["head", "map", "gallery", "focus", "tray", "table"];

// Verdicts: kept here until they are stored; sent again with the same key they count once.
const send = async (form) => {
  const lost = $("[data-lost]", form);
  const button = $("button.main", form) || $("button");
  const lesion = $("#focus [data-compare]").dataset.compare;
  if (!form.reportValidity()) return;
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "X-CSRF-Token": csrf(), Accept: "application/json" } });
    if (answer.status === 409) {
      const both = await answer.json();
      $("#focus").insertAdjacentHTML("afterbegin", both.html);
      say($(".conflict h2").textContent);
      $(".conflict button, .conflict a").focus();
      return;
    }
    if (!answer.ok) throw new Error((await answer.json()).message);
    const here = new URL(location.href); // an address without a lesion would go on to the next that waits
    here.searchParams.set("lesion", lesion);
    history.replaceState(null, "", here);
    const got = await part(here, everything);
    put(got.parts);
    if (got.lesion) mark(got.lesion);
    const rank = $("#focus .rank");
    say([$("#focus-h").textContent, $("#focus .send .fine") ? $("#focus .send .fine").textContent : "", rank ? rank.textContent : ""].join(". "));
    $("#focus").focus({ preventScroll: true });
  } catch (error) {
    const words = error instanceof TypeError ? desk.dataset.lost : error.message;
    if (lost) { lost.textContent = words; lost.hidden = false; }
    say(words);
  } finally { button.disabled = false; }
};

// Blink: the picture of the visit before, laid on this one. With reduced motion each press changes it once.
let blinking = 0;
const unblink = () => { clearInterval(blinking); blinking = 0; };
const swap = () => {
  const picture = $("#focus .large");
  if (!picture || !picture.dataset.prior) return unblink();
  const before = picture.dataset.now === undefined;
  if (before) { picture.dataset.now = picture.getAttribute("src"); picture.src = picture.dataset.prior; }
  else { picture.src = picture.dataset.now; delete picture.dataset.now; }
  const caption = $("#focus figcaption");
  if (caption) caption.textContent = before ? picture.dataset.saysPrior : picture.dataset.saysNow;
};
const blink = () => {
  const button = $("[data-blink]");
  if (!button) return;
  const picture = $("#focus .large");
  if (still.matches) { swap(); say($("#focus figcaption").textContent); }
  else if (blinking) { unblink(); if (picture.dataset.now !== undefined) swap(); }
  else { swap(); blinking = setInterval(swap, 700); }
  button.setAttribute("aria-pressed", String(Boolean(blinking || picture.dataset.now !== undefined)));
};

// Zoom: wheel, + and -, dragging; lenses of a tray move together.
const zooms = new WeakMap();
const group = (lens) => (lens.dataset.zoom === "together" ? $$('[data-zoom="together"]') : [lens]);
const apply = (lens, zoom) => {
  zooms.set(lens, zoom);
  lens.classList.toggle("zoomed", zoom.s > 1);
  for (const one of $$("img, .drawn, .scale", lens)) one.style.transform = zoom.s > 1 ? `translate(${zoom.x * 100}%, ${zoom.y * 100}%) scale(${zoom.s})` : "";
};
const zoomBy = (lens, factor, cx = .5, cy = .5) => {
  const old = zooms.get(lens) || { s: 1, x: 0, y: 0 };
  const s = Math.min(8, Math.max(1, old.s * factor));
  const x = Math.min(0, Math.max(1 - s, cx - (cx - old.x) * s / old.s));
  const y = Math.min(0, Math.max(1 - s, cy - (cy - old.y) * s / old.s));
  for (const one of group(lens)) apply(one, { s, x, y });
};
document.addEventListener("wheel", (event) => {
  const lens = event.target.closest("[data-zoom]");
  if (!lens || event.ctrlKey) return;
  event.preventDefault();
  const box = lens.getBoundingClientRect();
  zoomBy(lens, event.deltaY < 0 ? 1.25 : .8, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}, { passive: false });
let dragged = null;
document.addEventListener("pointerdown", (event) => {
  const lens = event.target.closest("[data-zoom]");
  if (lens) { dragged = { lens, x: event.clientX, y: event.clientY, moved: false }; event.preventDefault(); }
});
document.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  const zoom = zooms.get(dragged.lens);
  if (!zoom || zoom.s === 1) return;
  const box = dragged.lens.getBoundingClientRect();
  const [dx, dy] = [(event.clientX - dragged.x) / box.width, (event.clientY - dragged.y) / box.height];
  if (Math.abs(dx) + Math.abs(dy) > .01) dragged.moved = true;
  Object.assign(dragged, { x: event.clientX, y: event.clientY });
  const x = Math.min(0, Math.max(1 - zoom.s, zoom.x + dx));
  const y = Math.min(0, Math.max(1 - zoom.s, zoom.y + dy));
  for (const one of group(dragged.lens)) apply(one, { s: zoom.s, x, y });
});
let moved = false;
document.addEventListener("pointerup", () => { moved = Boolean(dragged && dragged.moved); dragged = null; });

document.addEventListener("click", (event) => {
  const link = event.target.closest("a, button");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const does = (work) => { event.preventDefault(); work(); };
  if (link.dataset.zoom !== undefined) does(() => { if (!moved) { const z = zooms.get(link); const box = link.getBoundingClientRect(); zoomBy(link, z && z.s > 1 ? .01 : 2.5, event.detail ? (event.clientX - box.left) / box.width : .5, event.detail ? (event.clientY - box.top) / box.height : .5); } });
  else if (!desk) return;
  else if (link.dataset.compare) does(() => go(link.getAttribute("href"), ["focus", "tray"]));
  else if (link.dataset.lesion) does(() => go(link.getAttribute("href")));
  else if (link.dataset.blink !== undefined) does(blink);
  else if (link.dataset.outline !== undefined) does(outline);
  else if (link.dataset.keys !== undefined) does(() => $("#keys").showModal());
});
const outline = () => {
  const button = $("[data-outline]");
  if (button) button.setAttribute("aria-pressed", String($("#focus").classList.toggle("outlined")));
};

if (desk) {
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-verdict], [data-undo]")) { event.preventDefault(); send(event.target); }
  });
  addEventListener("popstate", () => go(location.href, everything, false));
  addEventListener("pageshow", (event) => { if (event.persisted) go(location.href, everything, false); });

  const press = (pick) => { const one = $(pick); if (one) one.click(); return Boolean(one); };
  const keys = {
    j: () => press('[data-step="1"]'), k: () => press('[data-step="-1"]'), arrowright: () => press('[data-step="1"]'), arrowleft: () => press('[data-step="-1"]'),
    arrowdown: () => press('[data-step="1"]'), arrowup: () => press('[data-step="-1"]'),
    c: () => press("#focus [data-compare]"), b: () => press("[data-blink]"), o: () => press("[data-outline]"),
    u: () => { const form = $("[data-undo]"); if (form) send(form); },
    m: () => { const one = $("#map [aria-current]") || $("#map [data-lesion]"); if (one) one.focus(); },
    t: () => { const table = $("#lesion-table"); table.open = !table.open; if (table.open) { $("summary", table).focus(); table.scrollIntoView({ block: "start" }); } },
    r: () => { const box = $(".rest"); if (box) { box.open = true; $("#rest-choice").focus(); } },
    "+": () => zoomBy($("#focus [data-zoom]"), 1.5), "=": () => zoomBy($("#focus [data-zoom]"), 1.5), "-": () => zoomBy($("#focus [data-zoom]"), .66),
    "?": () => $("#keys").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    const at = event.target;
    if (event.key === "Escape" && $(".rest[open]")) { $(".rest").open = false; $(".rest summary").focus(); return; }
    const typing = at.matches("input:not([type=radio]), textarea, select");
    if (typing) return;
    if (/^[1-4]$/.test(event.key)) {
      const radio = $$('[data-verdict] [name="choice"][type="radio"]')[Number(event.key) - 1];
      if (radio) { radio.checked = true; radio.focus({ preventScroll: true }); event.preventDefault(); }
      return;
    }
    if (event.key === "Enter") {
      if (at.matches("a, button, summary")) return;
      const form = $("form.verdict");
      if (form && $(":checked", form)) { event.preventDefault(); send(form); }
      return;
    }
    if (at.matches("#gallery .inner") && event.key.startsWith("Arrow") && /Up|Down/.test(event.key)) return;
    const work = keys[event.key.toLowerCase()];
    if (work) { event.preventDefault(); work(); }
  });
}

// While a demonstration fills, the worklist is asked again now and then; not while somebody types.
if ($(".filling")) setInterval(() => { if (!document.activeElement.matches("input")) location.reload(); }, 5000);

// The drop of a folder: entries are walked, sent with progress, then the run's page takes over.
const drop = $("[data-drop]");
if (drop) {
  const box = $(".drop", drop);
  const walk = async (entry) => {
    if (entry.isFile) return [await new Promise((yes, no) => entry.file(yes, no))].map((file) => [file, entry.fullPath.slice(1)]);
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((yes, no) => reader.readEntries(yes, no));
      if (!some.length) break;
      for (const one of some) if (!one.name.startsWith(".")) found.push(...await walk(one));
    }
    return found;
  };
  const upload = (files) => {
    const data = new FormData();
    for (const name of ["label", "day"]) data.append(name, drop.elements[name].value);
    for (const [file, path] of files) data.append("files", file, path);
    const line = $("[data-progress]", drop);
    line.hidden = false;
    $("span", line).textContent = drop.dataset.sending;
    const request = new XMLHttpRequest();
    request.open("POST", drop.action);
    request.setRequestHeader("X-CSRF-Token", csrf());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => { if (event.lengthComputable) $("progress", line).value = event.loaded / event.total; };
    request.onload = () => {
      const answer = JSON.parse(request.responseText);
      if (request.status === 202) {
        sessionStorage.setItem("leads", answer.address); // the run's page is loaded again when it ends, which changes its referrer
        location.assign(answer.address);
      } else { $("span", line).textContent = answer.message; say(answer.message); }
    };
    request.onerror = () => { $("span", line).textContent = drop.dataset.lost; say(drop.dataset.lost); };
    request.send(data);
  };
  for (const name of ["dragover", "dragenter"]) box.addEventListener(name, (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", async (event) => {
    event.preventDefault();
    box.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    upload((await Promise.all(entries.map(walk))).flat());
  });
  drop.addEventListener("submit", (event) => {
    event.preventDefault();
    upload([...drop.elements.files.files].map((file) => [file, file.webkitRelativePath || file.name]));
  });
}

// A run that has become a patient leads there by itself.
const goto = $$("[data-goto]");
if (goto.length === 1 && sessionStorage.getItem("leads") === location.pathname) {
  sessionStorage.removeItem("leads"); // once: who comes back wants to see the run
  location.replace(goto[0].href);
}
