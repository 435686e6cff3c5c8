// The archive's pages: drag and drop with progress, and review by keyboard. Both work without it, by forms.
"use strict";

// --- Ingest -------------------------------------------------------------------------------------------------------------
for (const form of document.querySelectorAll("[data-upload]")) {
  const drop = form.querySelector("[data-drop]");
  const files = form.querySelector("#files");
  const table = form.querySelector("#table");
  const list = form.querySelector("[data-drop-list]");
  const problem = form.querySelector("[data-upload-problem]");
  form.querySelector("[data-drop-hint]").hidden = false;

  const show = () => { list.textContent = files.files.length ? form.dataset.chosen.replace("{n}", files.files.length) : ""; };
  files.addEventListener("change", show);
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    const images = new DataTransfer();
    for (const file of files.files) images.items.add(file);
    for (const file of event.dataTransfer.files) {
      if (/\.(csv|tsv|parquet)$/i.test(file.name)) {
        const one = new DataTransfer();
        one.items.add(file);
        table.files = one.files;
      } else {
        images.items.add(file);
      }
    }
    files.files = images.files;
    show();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    const bar = form.querySelector("[data-upload-progress]");
    const request = new XMLHttpRequest();
    const fail = (text) => { bar.hidden = true; problem.hidden = false; problem.textContent = text; };
    problem.hidden = true;
    bar.hidden = false;
    say(form.dataset.sending);
    request.upload.onprogress = (step) => {
      const progress = bar.querySelector("progress");
      progress.max = step.total;
      progress.value = step.loaded;
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not ours */ }
      if (request.status === 202) location.assign(answer.address);
      else fail(answer.message || `${request.status} ${request.statusText}`);
    };
    request.onerror = () => fail("?");
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", csrf());
    request.send(data);
  });
}

// --- Review: J/K or arrows move, A accepts, 1 to 5 reject; moving never decides -------------------------------------------
for (const list of document.querySelectorAll("[data-review]")) {
  const cards = () => [...list.querySelectorAll(".card")];
  const here = () => document.activeElement.closest(".card");
  const go = (step) => {
    const all = cards();
    const at = all.indexOf(here());
    const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  for (const keys of document.querySelectorAll("[data-keys]")) keys.hidden = false;

  const decide = async (card, button) => {
    const form = button.form;
    const data = new FormData(form, button);
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(data),
      headers: { Accept: "application/json", "X-CSRF-Token": csrf() },
    });
    if (!answer.ok) { form.requestSubmit(button); return; }
    const { isic_id: id, state } = await answer.json();
    const next = card.nextElementSibling || card.previousElementSibling;
    card.remove();
    say(list.dataset.said.replace("{id}", id).replace("{state}", state));
    if (next) next.focus();
    else location.reload();
  };

  list.addEventListener("submit", (event) => {
    if (!event.target.matches(".verdict") || !event.submitter || event.target.dataset.plain) return;
    event.preventDefault();
    event.target.dataset.plain = "1"; // a second attempt goes the plain way, so that an error shows itself
    decide(event.target.closest(".card"), event.submitter);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const key = event.key.toLowerCase();
    if (key === "j" || key === "arrowdown") { event.preventDefault(); go(1); return; }
    if (key === "k" || key === "arrowup") { event.preventDefault(); go(-1); return; }
    const form = here()?.querySelector(".verdict");
    if (!form || event.repeat) return;
    const buttons = form.querySelectorAll("button");
    const button = key === "a" ? buttons[0] : /^[1-5]$/.test(key) ? buttons[Number(key)] : null;
    if (button) { event.preventDefault(); form.requestSubmit(button); }
  });
}
