import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import PROJECT

CHROMIUM = os.environ.get("LAB_CHROMIUM", "/usr/bin/chromium")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_AN_EPSILON = 0.25  # a file of tests that watches nothing grow says less: PACE
PATIENCE = 120_000  # milliseconds; only a starved machine comes near it
REST = 700  # milliseconds after which the app takes a hand to rest
SEEN = 3000  # characters of a page, and of its server's log, that a failed test reports


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as reply:
            return reply.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server_log(tmp_path_factory):
    """Where the server of a file of tests writes what went wrong on its side."""
    return tmp_path_factory.mktemp("server") / "log.txt"


@pytest.fixture(scope="module")
def server(request, server_log):
    """The app in a process of its own; what one file of tests runs, no other finds done.

    With the fake lab, or as it is for a file of tests that says ``REAL_LAB = True``.
    """
    port = free_port()
    fake = [Path(__file__).parent / "serve_fake.py", port, getattr(request.module, "PACE", SECONDS_AN_EPSILON)]
    real = ["-m", "streamlit", "run", PROJECT / "app.py", "--server.port", port, "--server.headless", "true"]
    wanted = [*real, "--server.fileWatcherType", "none"] if getattr(request.module, "REAL_LAB", False) else fake
    with server_log.open("w") as out:
        command = [sys.executable, *map(str, wanted)]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=PROJECT)
    try:
        deadline = time.monotonic() + PATIENCE / 1000
        while not answers(f"http://localhost:{port}/_stcore/health"):
            assert process.poll() is None, server_log.read_text()
            assert time.monotonic() < deadline, server_log.read_text()
            time.sleep(0.2)
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def chromium():
    if not shutil.which(CHROMIUM):
        pytest.skip(f"There is no Chromium at {CHROMIUM}; name one in LAB_CHROMIUM.")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium):
    """One visitor for all tests of a file, so that the browser reads and compiles the app's scripts once."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    context.add_init_script("localStorage.setItem('lab-tour-seen', '1');")
    yield context
    context.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


def what_was_seen(page) -> str:
    """For the report of a test that failed: where the page was, whether its script ran, and what it said."""
    state = page.locator("[data-test-script-state]").first.get_attribute("data-test-script-state")
    return f"{page.url}\n{state}\n{page.locator('body').inner_text()[:SEEN]}"


@contextmanager
def opening(context, server, server_log, request):
    """Opens the app at a query, in a new session, and checks afterwards that nothing went wrong unseen."""
    pages, complaints = [], []

    def go(
        query: str = "",
        *,
        width: int = 1440,
        height: int = 900,
        scheme: str = "light",
        wait: str = ".stage[data-frames]",
        script: str = "",
    ):
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.add_init_script(script)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(f"{m.text} {m.location['url']}") if is_complaint(m) else None)
        page.on("request", lambda r: complaints.append(r.url) if is_foreign(r.url, server) else None)
        page.goto(f"{server}/{query}")
        page.wait_for_selector(wait)
        return page

    yield go
    for page in pages:
        if request.node.stash.get(FAILED, False):
            request.node.add_report_section("teardown", "page", what_was_seen(page))
            request.node.add_report_section("teardown", "server", server_log.read_text()[-SEEN:])
        page.close()
    assert complaints == []


@pytest.fixture
def open_page(context, server, server_log, request):
    """A page for one test."""
    with opening(context, server, server_log, request) as go:
        yield go


@pytest.fixture(scope="module")
def open_shared_page(context, server, server_log, request):
    """A page for tests that leave it as they found it."""
    with opening(context, server, server_log, request) as go:
        yield go


def watch_sending(page) -> None:
    """Count in ``window.sent`` what the page tells Python from now on.

    A hand rests later than it does for people: a busy machine may be slow between two keys.
    """
    page.evaluate(
        f"""() => {{
            window.sent = 0;
            const send = WebSocket.prototype.send, later = window.setTimeout;
            WebSocket.prototype.send = function (...data) {{ window.sent += 1; return send.apply(this, data); }};
            window.setTimeout = (f, ms, ...rest) => later(f, ms === {REST} ? {4 * REST} : ms, ...rest);
        }}"""
    )


def resize(page, width: int) -> None:
    """Give the window a width in pixels and let the page settle in it."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(700)


def follow(page, name: str) -> None:
    """Follow a link of the sidebar at one blow: a press and its release miss a link that is drawn anew between them."""
    page.get_by_role("link", name=name).dispatch_event("click")


def is_complaint(message) -> bool:
    """An error, but not that Streamlit has looked for its server below the page's own address first."""
    return message.type == "error" and "/_stcore/" not in message.location["url"]


def is_foreign(url: str, server: str) -> bool:
    return not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))
