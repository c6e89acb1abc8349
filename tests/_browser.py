"""A real browser without a window, from the system's packages, for pages that people look at."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_HINT = "Chromium and its driver are missing: apt-get install chromium chromium-driver"
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Browser:
    """Opens pages from files, and says what they show."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, width: int = 1280, scripts: bool = True, **media: str) -> None:
        """Open a file in a window of so many pixels; media features such as ``prefers_color_scheme="dark"``."""
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.tell("Emulation.setEmulatedMedia", media="", features=features)
        self.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 600}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        self.driver.get(path.as_uri())

    def tell(self, command: str, **arguments: Any) -> Any:
        """Send a command of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        """Text of every element that the selector finds."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.toWellFormed())", selector
        )

    def element(self, selector: str) -> Any:
        """The first element that the selector finds."""
        return self.driver.find_element("css selector", selector)

    def choose(self, field: str, text: str) -> None:
        """Choose the option of a list that starts with the text, as a person would."""
        self.element(field).find_element("xpath", f"./option[starts-with(., {text!r})]").click()

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.tell("Page.printToPDF")["data"])

    def complaints(self) -> list[str]:
        """What the console has said since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that pages asked for since it was last asked, without those of the browser's own first page."""
        told = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [event["params"] for event in told if event["method"] == "Network.requestWillBeSent"]
        own = ("chrome:", "chrome-untrusted:")
        return [one["request"]["url"] for one in asked if not one["documentURL"].startswith(own)]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with a new profile folder; skip the test where there is none, unless CI_NEEDS_BROWSER is set."""
    names = ("chromium", "chromium-browser", "google-chrome")
    binary, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if binary is None or driver is None:
        (pytest.fail if os.environ.get("CI_NEEDS_BROWSER") else pytest.skip)(_HINT)
    # Selenium takes a second to load, which is worth it only where there is a browser.
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = binary
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = Chrome(options=options, service=Service(driver))
    try:
        yield Browser(started)
    finally:
        started.quit()
