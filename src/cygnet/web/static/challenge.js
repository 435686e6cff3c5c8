// Boards that follow what is scored, files that are checked as they are dropped. Pages work without it.
"use strict";

const board = document.getElementById("board");
if (board && board.dataset.events) {
  const renew = async () => {
    const text = await textOf(location.href, "text/html");
    const fresh = text && new DOMParser().parseFromString(text, "text/html").getElementById("board");
    if (!fresh || fresh.innerHTML === board.innerHTML) return;
    board.replaceChildren(...fresh.childNodes);
    say(board.dataset.said);
  };
  let soon;
  const events = new EventSource(board.dataset.events);
  events.onmessage = () => { clearTimeout(soon); soon = setTimeout(renew, 200); };
  events.onopen = renew; // something may have been scored between the page and this stream
}

// A run that is being scored: the page is loaded again when it is done.
for (const line of document.querySelectorAll("[data-scoring]")) {
  const address = line.dataset.scoring;
  const events = new EventSource(`${address}/events`);
  const look = async () => {
    const text = await textOf(`${address}.json`, "application/json");
    if (!text || ["waiting", "scoring"].includes(JSON.parse(text).run.state)) return;
    events.close();
    location.reload();
  };
  events.onmessage = look;
  events.onopen = look;
}

for (const form of document.querySelectorAll("form.submission")) {
  const input = form.querySelector('input[type="file"]');
  const drop = form.querySelector(".drop");
  const verdict = form.querySelector(".verdict");
  const word = verdict.querySelector(".word");
  const list = verdict.querySelector(".scroll");
  let turn = 0;

  const show = (text, bad) => {
    verdict.hidden = false;
    verdict.classList.toggle("bad", bad);
    word.textContent = text;
    say(text);
  };
  const cells = (problem) => [problem.line ?? "", problem.column, problem.value, problem.message, problem.fix];
  const line = (problem) => {
    const row = document.createElement("tr");
    for (const value of cells(problem)) row.insertCell().textContent = value;
    row.cells[0].className = "n";
    return row;
  };

  const check = async () => {
    const mine = ++turn;
    const file = input.files[0];
    list.hidden = true;
    if (!file) { verdict.hidden = true; return; }
    if (file.size > Number(form.dataset.most)) { show(verdict.dataset.large, false); return; }
    show(verdict.dataset.looking, false);
    const body = new FormData();
    body.append("file", file);
    let found;
    try {
      const answer = await fetch(form.dataset.check, {
        method: "POST", body, headers: { "X-CSRF-Token": csrf(), Accept: "application/json" },
      });
      if (!answer.ok) throw new Error(answer.status);
      found = await answer.json();
    } catch {
      if (mine === turn) show(verdict.dataset.failed, true);
      return;
    }
    if (mine !== turn) return;
    show(found.accepted ? verdict.dataset.sound : verdict.dataset.bad.replace("{n}", found.problems.length), !found.accepted);
    list.querySelector("tbody").replaceChildren(...found.problems.map(line));
    list.hidden = found.problems.length === 0;
  };

  input.addEventListener("change", check);
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    check();
  });
}
