"""How the clinic feels: first paint, next lesion, worklist, from drop to ranked view. Writes docs/benchmarks-clinic.md.

    python benchmarks/clinic.py [--out docs/benchmarks-clinic.md]

Needs Chromium and the extra ``[dev]``. All patients are simulated. About two minutes on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygnet.archive import Archive
from cygnet.clinic import Clinic, assess, demo
from cygnet.clinic.admit import admit
from cygnet.clinic.incoming import Incoming
from cygnet.simulate import write_patients
from cygnet.version import VERSION
from cygnet.web import Settings, create_app
from cygnet.web.server import Server
from cygnet.workers import cores

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENTS = 1000
RUNS = 7


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The app on a free port."""
    ready, at = threading.Event(), [0]

    def started(port: int) -> None:
        at[0] = port
        ready.set()

    server = Server(create_app(Settings(folder, port=0, demo=True)), "127.0.0.1", 0, started)
    thread = threading.Thread(target=server.run)
    thread.start()
    ready.wait(30)
    yield f"http://127.0.0.1:{at[0]}"
    server.leave()
    thread.join()


def hundred(folder: Path) -> None:
    """A patient of 100 lesions, and 1,000 more patients of two lesions each that are not assessed."""
    Archive.init(folder).close()
    with Clinic(folder / "site") as clinic:
        spec = demo.Spec(5, 100, "II", size=(400, 300))
        drawn = list(demo.items(spec))
        admit(clinic, "benchmark", drawn, demo.SOURCE, simulated=True)
        for number in assess.waiting(clinic):
            assess.run(clinic, number)
        many = (copy(item, f"SIM-B{n:04d}") for n in range(PATIENTS - 1) for item in drawn[n % 50 : n % 50 + 2])
        admit(clinic, "benchmark", many, demo.SOURCE, simulated=True)
        with clinic.write() as connection:
            connection.exec_driver_sql(
                "UPDATE assessment SET state = 'failed', message = 'benchmark' WHERE state = 'waiting'"
            )


def copy(item: Incoming, patient: str) -> Incoming:
    """The same picture for another patient."""
    from dataclasses import replace

    return replace(item, patient=patient)


def paint(page: Page, url: str) -> float:
    """Milliseconds from the request to the first contentful paint."""
    page.goto("about:blank")
    page.goto(url)
    script = "() => new Promise(done => new PerformanceObserver(l => done(l.getEntriesByName('first-contentful-paint')[0].startTime)).observe({type: 'paint', buffered: true}))"
    return float(page.evaluate(script))


def next_lesion(page: Page) -> float:
    """Milliseconds from the key to the other lesion in focus, drawn."""
    script = """() => new Promise(done => {
      const start = performance.now();
      new MutationObserver((_, o) => { o.disconnect(); requestAnimationFrame(() => done(performance.now() - start)); })
        .observe(document.querySelector('#focus'), {childList: true});
      document.querySelector('[data-step="1"]').click();
    })"""
    return float(page.evaluate(script))


def drop(page: Page, url: str, files: list[Path]) -> float:
    """Seconds from choosing 37 pictures to the patient's page, everything judged at once and in order of rank."""
    page.goto(f"{url}/patients/new")
    page.locator("#files").set_input_files([str(f) for f in files])
    page.locator("[name=label]").fill("SIM-drop")
    start = time.perf_counter()
    page.locator("[data-drop] button.main").click()
    page.wait_for_url("**/runs/**", timeout=120_000)
    link = page.locator("[data-goto]").or_(page.locator(".duckling"))
    link.first.wait_for(timeout=120_000)
    if page.locator("[data-goto]").count():
        page.locator("[data-goto]").click()
    page.locator(".rest summary").click()
    page.locator(".rest button.main").click()
    page.get_by_text("Lesions by rank, in families").wait_for()
    return time.perf_counter() - start


def measure(folder: Path) -> list[tuple[str, str, str]]:
    """What was measured: name, aim, median with range."""
    from playwright.sync_api import sync_playwright

    made = write_patients(folder / "drop", n_patients=1, seed=3, n_lesions=37)
    files = sorted((made / "images").glob("*.jpg"))
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    rows = []
    with serving(folder / "archive") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        address = f"{url}/patients/1"
        paint(page, address)
        rows.append(
            row("100 lesions, first paint", "under 1,000 ms", [paint(page, address) for _ in range(RUNS)], "ms")
        )
        rows.append(row("100 lesions, next lesion", "under 100 ms", [next_lesion(page) for _ in range(3 * RUNS)], "ms"))
        worklist = f"{url}/patients"
        paint(page, worklist)
        rows.append(row("1,000 patients, worklist", "under 300 ms", [paint(page, worklist) for _ in range(RUNS)], "ms"))
        rows.append(row("37 lesions, from drop to ranked view", "under 10 s", [drop(page, url, files)], "s"))
        browser.close()
    return rows


def row(name: str, aim: str, values: list[float], unit: str) -> tuple[str, str, str]:
    """One line of the table."""
    digits = 0 if unit == "ms" else 1
    middle = f"{statistics.median(values):.{digits}f} {unit}"
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    print(f"{name}: {middle}{spread}")
    return name, aim, middle + spread


def page_of(rows: list[tuple[str, str, str]], seconds: float, load: float) -> str:
    """The page as Markdown."""
    lines = [
        "# How the clinic's pages feel",
        "",
        "Written by `python benchmarks/clinic.py`: a real server on loopback and Chromium without a head, simulated patients.",
        "The median and the range of the runs. First paint is Chromium's first contentful paint, counted from the request; the next lesion from",
        "the key to the frame that shows it; the drop from the button to the gallery by rank, with one verdict for all lesions.",
        "",
        "| what | aim | measured |",
        "|---|---|---|",
        *(f"| {name} | {aim} | {value} |" for name, aim, value in rows),
        "",
        f"Cygnet {VERSION}, {cores()} cores, of which other work kept {load:.1f} busy when this began; the whole took {seconds:.0f} s.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks-clinic.md"))
    out: Any = parser.parse_args().out
    start, load = time.perf_counter(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        hundred(Path(scratch) / "archive")
        rows = measure(Path(scratch))
    out.write_text(page_of(rows, time.perf_counter() - start, load), encoding="utf-8")


if __name__ == "__main__":
    main()
