"""The browser of the tests: Debian's Chromium or, with `PAGE_BROWSER=firefox`, Debian's Firefox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHROMIUM = Path('/usr/bin/chromium')
FIREFOX = Path('/usr/bin/firefox-esr')
CHOSEN = os.environ.get('PAGE_BROWSER', 'chromium')
PATIENCE_MS = 60_000
"""How long a condition is waited for; a busy machine takes long, and a test that passes never waits so long."""


class Browser:
    """The browser of many tests; one that has died meanwhile is started again, so that its death fails one test."""

    def __init__(self, playwright):
        """
        Raises:
            pytest.skip.Exception: the browser that is chosen is not there, or cannot be driven.
        """
        self._playwright = playwright
        self._browser = None
        if CHOSEN not in ('chromium', 'firefox'):
            raise ValueError(f'PAGE_BROWSER={CHOSEN} is neither chromium nor firefox')
        path = FIREFOX if CHOSEN == 'firefox' else CHROMIUM
        if not path.exists():
            pytest.skip(f'{path} is not there')
        if CHOSEN == 'firefox':
            self._try_firefox()

    def new_context(self, **settings):
        if self._browser is None or not self._browser.is_connected():
            self._browser = self._launch()
        context = self._browser.new_context(**settings)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def close(self):
        if self._browser is not None:
            self._browser.close()

    def _launch(self):
        if CHOSEN == 'firefox':  # by WebDriver BiDi, for which Firefox needs no changes
            return self._playwright.firefox.launch(channel='moz-firefox', executable_path=FIREFOX, timeout=PATIENCE_MS)
        return self._playwright.chromium.launch(executable_path=CHROMIUM, timeout=PATIENCE_MS)

    def _try_firefox(self) -> None:
        """Playwright may ask a Firefox for what it does not know yet: 1.65 does so with 153, 1.58 does not."""
        from playwright.sync_api import Error

        try:
            self.new_context().close()
        except Error as error:
            self.close()
            pytest.skip(f'this Playwright cannot drive this Firefox: {error.message.splitlines()[0]}')


def needs_media(page, query: str) -> None:
    """Skip a test of a page that the driver cannot show so: in Firefox it has neither dark mode nor forced colours."""
    if page.evaluate('query => matchMedia(query).matches', query):
        return
    assert CHOSEN == 'firefox', f'{query} is not what the page has'
    pytest.skip(f'Playwright cannot have Firefox show {query}')
