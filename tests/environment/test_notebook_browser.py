"""A browser at the end of bin/notebook's tunnel: the page asks for the token, takes it, and runs a cell."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from rehearsal import settings
from tests.environment.conftest import Host
from tests.environment.notebook import Notebook

PATIENCE = 120
"""Seconds until a page is given up; generous, because nothing here measures speed."""

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address with the token that `bin/notebook --print` prints; its tunnel is open until the tests have ended."""
    notebook = Notebook(host, tmp_path_factory.mktemp("browser"))
    notebook.install()
    notebook.play().ok()
    temporary = tmp_path_factory.mktemp("tunnel")
    process = subprocess.Popen(
        [settings.ROOT / "bin/notebook", "-F", host.state / "ssh_config", "--print"],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/\?token={notebook.token}", url), url
        yield url
    finally:
        # What a terminal's Ctrl-C does.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 130
        process.stdout.close()
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        assert list(temporary.iterdir()) == []


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    """Chromium without a window, with a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "Chromium is missing: run bin/setup."
    assert driver, "Chromium's driver is missing: run bin/setup."
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    # A root without a sandbox of its own, as in CI; /dev/shm is small in containers.
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1400,1000",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    environment = os.environ | {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver, env=environment))
    try:
        yield found
    finally:
        found.quit()


def wait(browser: WebDriver, condition: Callable[[WebDriver], object]) -> None:
    """Wait until the page is so; a failure shows its text."""
    WebDriverWait(browser, PATIENCE, poll_frequency=0.5, ignored_exceptions=[Exception]).until(condition)


def test_without_the_token_the_page_asks_for_it(browser: WebDriver, address: str) -> None:
    plain, token = address.split("?token=")
    browser.get(plain)
    field = browser.find_element(By.NAME, "password")
    assert "Jupyter" in browser.title
    assert browser.current_url.startswith(f"{plain}login?next=")
    field.send_keys("0" * len(token), Keys.ENTER)
    wait(browser, lambda page: "Invalid credentials" in page.page_source)
    browser.find_element(By.NAME, "password").send_keys(token, Keys.ENTER)
    wait(browser, lambda page: page.current_url.startswith(f"{plain}lab"))


def test_a_cell_runs_and_shows_its_output(browser: WebDriver, address: str, host: Host) -> None:
    browser.get(address)
    wait(browser, lambda page: page.find_element(By.CSS_SELECTOR, '.jp-LauncherCard[data-category="Notebook"]'))
    assert "token" not in browser.current_url
    browser.find_element(By.CSS_SELECTOR, '.jp-LauncherCard[data-category="Notebook"]').click()
    wait(
        browser, lambda page: page.find_element(By.CSS_SELECTOR, ".jp-Notebook .jp-CodeCell .cm-content").is_displayed()
    )
    browser.find_element(By.CSS_SELECTOR, ".jp-Notebook .jp-CodeCell .cm-content").click()
    # What is run before there is a kernel is not run at all.
    idle = "//*[contains(@class, 'jp-StatusBar-TextItem') and contains(., '| Idle')]"
    wait(browser, lambda page: page.find_element(By.XPATH, idle))
    code = "import os; print(6 * 7, os.getcwd())"
    ActionChains(browser).send_keys(code).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    wait(browser, lambda page: page.find_element(By.CSS_SELECTOR, ".jp-OutputArea-output pre").text.strip())
    output = browser.find_element(By.CSS_SELECTOR, ".jp-OutputArea-output pre").text.strip()
    assert output == "42 /home/ubuntu/notebooks"
    assert "Untitled.ipynb" in host.sh("ls ~/notebooks").split()
