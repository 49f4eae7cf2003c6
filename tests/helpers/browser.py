"""Debian's Chromium."""

from __future__ import annotations

from pathlib import Path

CHROMIUM = Path('/usr/bin/chromium')
PATIENCE_MS = 60_000
"""How long a condition is waited for; a busy machine takes long, and a test that passes never waits so long."""


class Chromium:
    """The browser of many tests; one that has died meanwhile is started again, so that its death fails one test."""

    def __init__(self, playwright):
        self._playwright = playwright
        self._browser = None

    def new_context(self, **settings):
        if self._browser is None or not self._browser.is_connected():
            self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, timeout=PATIENCE_MS)
        context = self._browser.new_context(**settings)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def close(self):
        if self._browser is not None:
            self._browser.close()
