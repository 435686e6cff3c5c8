// What every page shares. Pages work without it.
"use strict";

/** The token that changes of this session carry. */
const csrf = () => document.querySelector('meta[name="csrf"]').content;

/** Say something to whoever listens to the page rather than looks at it. */
const say = (text) => { document.getElementById("live").textContent = text; };

/** What an address answers; nothing where the server is away for a moment or the page is being left: a later event asks again. */
const textOf = async (address, accept) => {
  try {
    const answer = await fetch(address, { headers: { Accept: accept } });
    return answer.ok ? await answer.text() : "";
  } catch { return ""; }
};

// A running run: progress as it comes; when it ends the page is loaded again with what came of it.
for (const box of document.querySelectorAll('[data-run][data-state="running"]')) {
  const events = new EventSource(`/runs/${box.dataset.run}/events`);
  const reload = () => { events.close(); location.reload(); };
  events.onmessage = (event) => {
    const run = JSON.parse(event.data);
    if (run.state !== "running") { reload(); return; }
    const bar = box.querySelector("progress");
    if (run.total) { bar.max = run.total; bar.value = run.done; }
    box.querySelector("[data-run-count]").textContent = run.total ? `${run.done} / ${run.total}` : run.done;
    box.querySelector("[data-run-message]").textContent = run.message;
  };
  // It may have ended between the page and this stream.
  events.onopen = async () => {
    const text = await textOf(`/runs/${box.dataset.run}.json`, "application/json");
    if (text && JSON.parse(text).run.state !== "running") reload();
  };
}
