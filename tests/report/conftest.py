"""Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.report.browser import DESKTOP, Open, Watched


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no program 'chromium' (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Open:
    def open_page(text: str) -> Watched:
        file = tmp_path_factory.mktemp("page") / "report.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
        context.add_init_script(
            "addEventListener('securitypolicyviolation', event => console.error(`policy: ${event.blockedURI}`))"
        )
        watched = Watched(context.new_page())
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.on("console", lambda message: watched.complaints.append(message.text))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("dialog", lambda dialog: (watched.complaints.append(dialog.message), dialog.dismiss()))
        watched.page.goto(file.as_uri())
        return watched

    return open_page
