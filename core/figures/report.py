"""A screen to take home: one HTML file with its data, its script and its looks, that opens without a network."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

# What Streamlit's theme says to the components (.streamlit/config.toml), for a file that has no Streamlit around it.
_SHARED = {"font": "system-ui, sans-serif", "code-font": "ui-monospace, monospace"}
_LIGHT = {
    "text-color": "#1a1f29",
    "background-color": "#ffffff",
    "secondary-background-color": "#f2f4f7",
    "border-color": "#cfd6df",
    "primary-color": "#0b5f8f",
    "link-color": "#0072B2",
    "code-background-color": "#f2f4f7",
    "code-text-color": "#1a1f29",
}
_DARK = {
    "text-color": "#edf0f4",
    "background-color": "#11151c",
    "secondary-background-color": "#1c222c",
    "border-color": "#3a4352",
    "primary-color": "#2f84b8",
    "link-color": "#5AB2EA",
    "code-background-color": "#1c222c",
    "code-text-color": "#edf0f4",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
 style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
:root {{ {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
body {{ margin: 0 auto; max-width: 1360px; padding: 20px 24px 40px; font-family: var(--st-font);
  background: var(--st-background-color); color: var(--st-text-color); }}
h1 {{ font-size: 24px; margin: 0 0 4px; }}
.lead {{ margin: 0 0 6px; font-size: 15px; }}
.watch {{ display: none; }}
{style}
.lab .bar {{ top: 0; }}
</style>
</head>
<body>
<h1>{title}</h1>
{leads}
<div class="lab {name}"></div>
<script id="data" type="text/plain">{data}</script>
<script type="module">
{script}
const text = document.getElementById("data").textContent;
const data = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
mount({{ data, parentElement: document.body, setStateValue() {{}}, setTriggerValue() {{}} }});
</script>
</body>
</html>
"""


def page(buffer: bytes, *, name: str, script: str, style: str, title: str, leads: Sequence[str]) -> str:
    """The file of the component ``name``: its ``buffer``, ``script`` and ``style``, under a title and some lines.

    The file allows itself nothing from elsewhere, by a Content-Security-Policy of its own. It is as light or dark as
    the machine it is opened on.
    """
    return _PAGE.format(
        title=escape(title),
        leads="\n".join(f'<p class="lead">{escape(lead)}</p>' for lead in leads),
        name=name,
        light=_variables({**_SHARED, **_LIGHT}),
        dark=_variables(_DARK),
        style=style,
        data=b64encode(buffer).decode(),
        script=script,
    )


def _variables(values: dict[str, str]) -> str:
    return " ".join(f"--st-{name}: {value};" for name, value in values.items())
