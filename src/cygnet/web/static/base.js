// What every page shares. Pages work without it.
"use strict";

/** The token that changes of this session carry. */
const csrf = () => document.querySelector('meta[name="csrf"]').content;

/** Say something to whoever listens to the page rather than looks at it. */
const say = (text) => { document.getElementById("live").textContent = text; };

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
    const answer = await fetch(`/runs/${box.dataset.run}.json`);
    if (answer.ok && (await answer.json()).run.state !== "running") reload();
  };
}
