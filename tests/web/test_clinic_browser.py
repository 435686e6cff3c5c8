"""The duckling view in a browser: keys, commit and reveal, undo, a lost connection, back and reload; accessible, dark and small."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest_clinic import Reader
from conftest_web import Serve, axe
from playwright.sync_api import expect

from cygnet.models.registry import DEFAULT
from cygnet.web import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def url(serve: Serve, clinic_dir: Path) -> str:
    return serve(Settings(clinic_dir, port=0, demo=True))


def current(page: Page) -> str:
    """The name of the lesion in focus."""
    return page.locator("#focus-h").inner_text().split()[0]


def step(page: Page, key: str) -> str:
    before = current(page)
    page.keyboard.press(key)
    page.wait_for_function(
        "name => !document.querySelector('#focus-h').textContent.trim().startsWith(name + ' ')", arg=before
    )
    return current(page)


def test_commit_reveal_undo_by_keyboard(url: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{url}/patients/1")
    first = current(page)
    assert page.locator(".said").count() == 0
    second = step(page, "j")
    assert step(page, "k") == first
    assert page.locator("[name=choice]:checked").count() == 0  # moving never gives a verdict
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    page.locator(".said").wait_for()
    assert current(page) == first
    assert re.search(r"Rank \d+ of 12", page.locator(".said").inner_text())
    assert "biopsy stored" in page.locator("#live").inner_text()
    assert "biopsy" in page.locator(f"#gallery [aria-label^='{first},']").get_attribute("aria-label")
    page.keyboard.press("u")
    page.locator("[data-undo]").wait_for(state="detached")
    assert page.locator(".said").count() == 1  # what was seen stays seen
    assert step(page, "j") == second
    page.locator("#note").fill("jk123 bct?")
    assert current(page) == second
    assert page.locator("#note").input_value() == "jk123 bct?"
    assert page.locator("[name=choice]:checked").count() == 0


def test_compare_table_map_help_reveal(url: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{url}/patients/1")
    page.keyboard.press("c")
    page.locator(".side li").wait_for()
    step(page, "j")
    page.keyboard.press("c")
    page.locator(".side li").nth(1).wait_for()
    page.locator(".side [data-zoom]").first.hover()
    page.mouse.wheel(0, -200)
    page.wait_for_function(  # the wheel is not waited for
        "() => [...document.querySelectorAll('.side img')].every(i => i.style.transform.includes('scale(1.25)'))"
    )
    zoomed = page.locator(".side img").evaluate_all("all => all.map(i => i.style.transform)")
    assert len(set(zoomed)) == 1
    page.keyboard.press("m")
    assert page.evaluate("document.activeElement.closest('#map') !== null")
    page.keyboard.press("t")
    assert page.locator("#lesion-table").get_attribute("open") is not None
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Lesions by rank, in families").wait_for()
    assert (
        page.locator("#gallery .mole").first.get_attribute("aria-label").endswith("Rank 1 of 12")
        or "rank 1" in page.locator("#gallery .moles").first.inner_text()
    )


def test_blink_and_outline(url: str, new_page: Callable[..., Page]) -> None:
    page = new_page(reduced_motion="reduce")
    Reader(url).commit_all()
    page.goto(f"{url}/patients/1?lesion=1")
    picture = page.locator("#focus .large")
    now = picture.get_attribute("src")
    page.keyboard.press("b")
    assert picture.get_attribute("src") == picture.get_attribute("data-prior")
    page.wait_for_timeout(900)
    assert picture.get_attribute("src") != now  # with reduced motion nothing changes by itself
    page.keyboard.press("b")
    assert picture.get_attribute("src") == now
    assert not page.locator(".drawn").first.is_visible()
    page.keyboard.press("o")
    assert page.locator(".drawn").first.is_visible()


def test_a_lost_connection_keeps_the_verdict(url: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{url}/patients/1")
    page.keyboard.press("2")
    page.evaluate("() => { window.realFetch = fetch; window.fetch = () => Promise.reject(new TypeError('offline')); }")
    page.keyboard.press("Enter")
    page.locator("form [data-lost]").wait_for()
    assert "Not stored" in page.locator("form [data-lost]").inner_text()
    assert page.locator("[name=choice]:checked").get_attribute("value") == "monitor"
    key = page.locator("form.verdict [name=key]").get_attribute("value")
    # the first answer is lost on its way back: the verdict is stored, and sending it again counts once
    page.evaluate(
        "() => { window.sent = 0; window.fetch = async (...a) => { await realFetch(...a); sent += 1; throw new TypeError('offline'); }; }"
    )
    page.keyboard.press("Enter")
    page.wait_for_function("() => sent === 1 && !document.querySelector('form.verdict button').disabled")
    assert page.locator("form.verdict [name=key]").get_attribute("value") == key
    page.evaluate("() => { window.fetch = realFetch; }")
    page.keyboard.press("Enter")
    page.locator(".said").wait_for()
    assert page.locator("form.verdict [name=version]").get_attribute("value") == "1"


def test_back_and_reload(url: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{url}/patients/1")
    first = current(page)
    second = step(page, "j")
    page.reload()
    assert current(page) == second
    third = step(page, "ArrowRight")
    page.go_back()
    page.wait_for_function(
        "name => document.querySelector('#focus-h').textContent.trim().startsWith(name + ' ')", arg=second
    )
    page.go_back()
    page.wait_for_function(
        "name => document.querySelector('#focus-h').textContent.trim().startsWith(name + ' ')", arg=first
    )
    page.go_forward()
    page.wait_for_function(
        "name => document.querySelector('#focus-h').textContent.trim().startsWith(name + ' ')", arg=second
    )
    assert third not in (first, second)


def test_the_other_readers_verdict_in_the_browser(url: str, chromium: Browser) -> None:
    context = chromium.new_context(locale="en")  # not by new_page: browsers log an answer of 409 as an error
    page = context.new_page()
    page.goto(f"{url}/patients/1?lesion=1")
    Reader(url).commit(1, "benign")
    page.keyboard.press("3")
    browser_errors = page.locator(".conflict")
    page.keyboard.press("Enter")
    browser_errors.wait_for()
    assert "benign" in browser_errors.inner_text() and "biopsy" in browser_errors.inner_text()
    page.get_by_role("button", name="Store mine").click()
    page.locator(".said").wait_for()
    assert page.locator("form.verdict [name=version]").get_attribute("value") == "2"
    context.close()


PAGES = ("/patients", "/patients/1", "/patients/1?lesion=12&compare=1,2", "/patients/new", "/lesions/1", "/settings", "/audit", "/study", "/help/patients", f"/models/{DEFAULT}", "/patients/1/erase", "/patients/1/export")  # fmt: skip


@pytest.mark.parametrize("revealed", [False, True])
def test_axe_finds_nothing(url: str, new_page: Callable[..., Page], revealed: bool) -> None:
    if revealed:
        Reader(url).commit_all()
    page = new_page(color_scheme="dark" if revealed else "light")
    for path in (*PAGES, *(["/patients/1/report"] if revealed else [])):
        page.goto(url + path)
        if "/patients/1?" in path:
            page.keyboard.press("t")
        assert axe(page) == [], path


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180)])
def test_phone_and_tablet_do_not_scroll_sideways(
    url: str, new_page: Callable[..., Page], width: int, height: int
) -> None:
    Reader(url).commit_all()
    page = new_page(viewport={"width": width, "height": height}, has_touch=True)
    for path in (*PAGES, "/patients/1/report"):
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.goto(f"{url}/patients/1")
    assert axe(page) == []


def test_without_javascript(url: str, new_page: Callable[..., Page]) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(f"{url}/patients/1?lesion=1")
    page.locator("label", has_text="unsure").first.click()
    page.locator("form.verdict button").click()
    assert "Rank" in page.locator(".said").inner_text()
    page.locator("#gallery .mole").nth(2).click()
    page.get_by_role("link", name=re.compile("^Compare")).click()
    expect(page.locator(".side li")).to_have_count(1)
    assert not page.locator("[data-keys]").is_visible()


def test_a_folder_is_chosen_and_becomes_a_patient(url: str, browser_page: Page, photos: Path) -> None:
    page = browser_page
    page.goto(f"{url}/patients/new")
    page.locator("#files").set_input_files([str(p) for p in sorted(photos.glob("*.jpg"))])
    page.locator("[name=label]").fill("Drop test")
    page.get_by_role("button", name="Add and assess").first.click()
    page.wait_for_url(re.compile(r"/runs/"))
    page.wait_for_url(re.compile(r"/patients/\d+"))  # by itself, when the run has ended
    page.locator("#gallery .mole").nth(8).wait_for()
    assert "Drop test" in page.locator("h1").inner_text()
