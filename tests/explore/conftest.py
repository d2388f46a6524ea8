"""The page in which a figure is looked at."""

from __future__ import annotations

import pytest


@pytest.fixture
def show(browser):
    """Open HTML in a page; when the test ends there must have been no request and no word on the console."""
    opened = []

    def go(body: str, *, theme="light", width=1280, lang="en", ready=True, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda request: said.append(request.url) if request.url[:5] not in ("about", "data:") else None
        )
        opened.append((context, said))
        page.set_content(f'<!doctype html><html lang="{lang}"{theme and f" data-theme={theme}"}><body>{body}')
        if ready:
            page.wait_for_selector("figure[data-ready='1']")
        return page

    yield go
    for context, said in opened:
        context.close()
        assert said == []
