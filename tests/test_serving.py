"""How the lab is served: safe unless somebody asks otherwise, and as the documents say."""

import re
import subprocess
import tomllib

import pytest
from conftest import texts
from streamlit import config
from streamlit.testing.v1 import AppTest

from core import processes
from core.errors import LabError
from core.jobs import MOST_OF_ONE, MOST_WAITING
from core.own.files import LARGEST_ARCHIVE, MOST_PIXELS, MOST_SAMPLES, MOST_SCANS
from core.own.reading import LARGEST_PICTURE
from core.processes import check_password
from core.store import MEGABYTES, SIZE
from pages.ui import pickers
from tests.conftest import PROJECT

SAFE = {
    "server": {
        "address": "localhost",
        "enableCORS": True,
        "enableXsrfProtection": True,
        "enableAgentApi": False,
        "enableStaticServing": False,
        "maxUploadSize": 10,
        "maxWidgetStateSize": 1,
    },
    "client": {"showErrorDetails": "none", "toolbarMode": "viewer", "allowedOrigins": []},
    "browser": {"gatherUsageStats": False},
}


def text(name):
    return (PROJECT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("section", "option"), [(s, o) for s, options in SAFE.items() for o in options])
def test_what_is_set_is_safe_and_known_to_streamlit(section, option):
    settings = tomllib.loads(text(".streamlit/config.toml"))
    assert settings[section][option] == SAFE[section][option]
    assert f"{section}.{option}" in config.get_config_options(force_reparse=False)


def test_the_container_has_no_rights_and_says_whether_it_is_healthy():
    lines = text("Dockerfile").splitlines()
    user = lines.index("USER lab")
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert not any(line.startswith("USER root") for line in lines)
    assert any(line.startswith("CMD") for line in lines[user:])
    assert any("LAB_TRAINING=off" in line for line in lines)


def test_the_container_takes_nothing_along_that_is_not_the_labs():
    allowed = set(re.findall(r"^!(\S+)", text(".dockerignore"), re.MULTILINE))
    copied = {
        word for line in text("Dockerfile").splitlines() if line.startswith("COPY") for word in line.split()[1:-1]
    }
    assert text(".dockerignore").startswith("*\n")
    assert {name.removesuffix("/config.toml") for name in allowed} == {c for c in copied if not c.startswith("--")}


def test_serve_says_how_to_share_and_shares_nothing_by_itself():
    said = subprocess.run(["make", "-n", "serve"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert "ADDRESS=0.0.0.0" in said
    assert "--server.address=localhost" in said
    assert "LAB_TRAINING=off" in said


def test_the_documents_tell_the_limits_that_there_are():
    security, deployment = text("SECURITY.md"), text("DEPLOYMENT.md")
    assert f"at most {MOST_OF_ONE} waiting jobs a session and {MOST_WAITING} in all" in security
    assert f"at most {MOST_PIXELS // 10**6} megapixels\n  and {MOST_SCANS} scans" in security
    assert f"at most {MOST_SAMPLES} samples" in security
    assert f"{LARGEST_PICTURE // 2**20} MB a picture and {LARGEST_ARCHIVE // 2**20} MB an archive" in security
    assert f"| `{SIZE}` |" in deployment
    assert f"| {MEGABYTES} |" in deployment


def test_a_link_asks_for_no_more_than_the_controls_do():
    from core.figures import pins

    assert (max(pickers.SAMPLES), pickers.STEPS, pickers.SEEDS) == (
        pins.MOST_SAMPLES,
        pins.MOST_STEPS,
        pins.LARGEST_SEED,
    )


@pytest.mark.parametrize("given", ["", "wrong", "secret-enougH", "secret-enough ", "é" * 50])
def test_only_the_password_is_the_password(monkeypatch, given):
    monkeypatch.setattr(processes, "PAUSE", 0)
    monkeypatch.setenv("LAB_TRAINING_PASSWORD", "secret-enough")
    check_password("secret-enough")
    with pytest.raises(LabError, match="not the password"):
        check_password(given)


def test_many_guess_no_faster_than_one(monkeypatch):
    said = []

    def another_tries(seconds):
        assert seconds == processes.PAUSE
        with pytest.raises(LabError, match="try again") as refused:
            check_password("secret-enough")
        said.append(refused)

    monkeypatch.setenv("LAB_TRAINING_PASSWORD", "secret-enough")
    monkeypatch.setattr(processes.time, "sleep", another_tries)
    with pytest.raises(LabError, match="not the password"):
        check_password("wrong")
    assert len(said) == 1
    check_password("secret-enough")


def test_a_short_password_opens_nothing(monkeypatch):
    monkeypatch.setenv("LAB_TRAINING_PASSWORD", "short")
    with pytest.raises(LabError, match="shorter than 8"):
        check_password("short")


def test_with_a_password_only_those_who_know_it_can_train(lab, monkeypatch):
    monkeypatch.setattr(processes, "PAUSE", 0)
    monkeypatch.setenv("LAB_TRAINING_PASSWORD", "secret-enough")

    def open_train() -> AppTest:
        app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=20)
        app.run()
        return app.switch_page("pages/train.py").run()

    app = open_train()
    assert "needs its password" in texts(app, "info")
    assert app.button(key="tr_start").disabled is True
    app.text_input(key="tr_password").input("guess").run()
    assert texts(app, "error") == "That is not the password."
    assert app.button(key="tr_start").disabled is True
    app.text_input(key="tr_password").input("secret-enough").run()
    assert app.button(key="tr_start").disabled is False
    assert not app.exception
    assert open_train().button(key="tr_start").disabled is True  # for this session only


def test_components_write_no_html_from_data():
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "assets").rglob("*.js"))
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", scripts)
