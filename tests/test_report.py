import re
import tomllib
from base64 import b64decode

import pytest
from conftest import PROJECT

from core.figures import report


@pytest.fixture(scope="module")
def page():
    script = "export default function mount() {}"
    return report.page(b"abc</script>", name="stage", script=script, style=".x {}", title="<b>A & B", leads=["1 < 2"])


def test_the_file_holds_its_data_and_its_script(page):
    (data,) = re.findall(r'<script id="data" type="text/plain">(.*?)</script>', page)
    assert b64decode(data) == b"abc</script>"
    assert "export default function mount() {}" in page
    assert '<div class="lab stage"></div>' in page


def test_words_cannot_become_tags(page):
    assert "<b>" not in page
    assert "&lt;b&gt;A &amp; B" in page
    assert "1 &lt; 2" in page


def test_the_file_asks_for_nothing_from_elsewhere(page):
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_file_looks_like_the_app(page, name):
    theme = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["theme"][name]
    wanted = {"text-color": "textColor", "background-color": "backgroundColor", "border-color": "borderColor"}
    wanted |= {"primary-color": "primaryColor", "link-color": "linkColor"}
    wanted |= {"secondary-background-color": "secondaryBackgroundColor"}
    for variable, setting in wanted.items():
        assert f"--st-{variable}: {theme[setting]};" in page
