"""A figure in the page: one HTML fragment with its description, style and script."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from gan_edu.explore.marks import english

__all__ = ["fragment", "laboratory_fragment", "laboratory_script", "script", "style"]

# Several figures on one page each bring the script; the first one defines it.
_WRAPPER = """(function () {{
"use strict";
if (window.{0}) {{ window.{0}.mountAll(); return; }}
{1}
}})();"""


def fragment(spec: Mapping[str, Any]) -> str:
    """Return the HTML of a compiled description. The same description gives the same bytes."""
    return _figure(spec, "gan-figure", style(), f"<script>{script()}</script>")


def laboratory_fragment(spec: Mapping[str, Any]) -> str:
    """Return the HTML of a laboratory's description, which brings the script of figures and its own."""
    scripts = f"<script>{script()}</script><script>{laboratory_script()}</script>"
    return _figure(spec, "gan-figure gan-laboratory", style() + "\n" + _packaged("laboratory.css"), scripts)


def _figure(spec: Mapping[str, Any], name: str, look: str, scripts: str) -> str:
    tidy: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    description = json.dumps(spec, default=lambda array: array.tolist(), **tidy)
    description = description.replace("</", "<\\/").replace("<!--", "<\\u0021--")
    alt, caption = (html.escape(english(spec[k])) for k in ("alt", "caption"))
    return (
        f'<figure class="{name}"><style>{look}</style><div class="gan-body"><p>{alt}</p></div>'
        f'<figcaption>{caption}</figcaption><script type="application/json">{description}</script>{scripts}</figure>'
    )


def script() -> str:
    """Return exactly the script text that every figure carries: ours without comment lines and indents."""
    return _WRAPPER.format("ganExplore", "\n".join(map(_packaged, ("formulas.js", "ground.js", "explore.js"))))


def laboratory_script() -> str:
    """Return exactly the script text that every laboratory carries beside that of figures."""
    return _WRAPPER.format("ganLaboratory", "\n".join(map(_packaged, ("trainer.js", "runs.js", "laboratory.js"))))


def style() -> str:
    """Return exactly the style text that every figure carries."""
    return _packaged("explore.css")


def _packaged(name: str) -> str:
    lines = resources.files("gan_edu.explore").joinpath(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(s for s in map(str.strip, lines) if s and not s.startswith(("//", "/*")))
