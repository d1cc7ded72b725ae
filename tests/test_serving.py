"""How the lab is served: safe unless somebody asks otherwise, and as the documents say."""

import re
import subprocess
import tomllib
from types import SimpleNamespace

import pytest
from conftest import texts
from streamlit import config, git_util
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette import starlette_websocket

from core import processes
from core.errors import LabError
from core.jobs import MOST_OF_ONE, MOST_WAITING
from core.own import reading
from core.own.files import LARGEST_ARCHIVE, MOST_PIXELS, MOST_SAMPLES
from core.own.parts import MOST_SCANS
from core.own.reading import LARGEST_PICTURE
from core.processes import check_password
from core.store import MEGABYTES, SIZE
from pages.ui import cache, pickers, strangers
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
        "allowedHosts": ["localhost", "127.0.0.1", "::1"],
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


def test_a_page_from_elsewhere_cannot_point_its_own_name_at_the_lab(monkeypatch):
    allowed = tomllib.loads(text(".streamlit/config.toml"))["server"]["allowedHosts"]
    monkeypatch.setattr(config, "get_option", {"server.allowedHosts": allowed}.__getitem__)
    for host in ("localhost:8501", "127.0.0.1:8501", "[::1]:8501"):
        assert starlette_websocket._is_origin_allowed(f"http://{host}", host)
    for host in ("evil.test:8501", "localhost.evil.test", "127.0.0.1.evil.test", "localhost@evil.test", ""):
        assert not starlette_websocket._is_origin_allowed(f"http://{host}", host)


@pytest.mark.parametrize(("address", "is_shared"), [("localhost", False), ("127.0.0.1", False), ("0.0.0.0", True)])
def test_only_a_lab_that_is_shared_is_called_by_any_name(address, is_shared):
    said = subprocess.run(
        ["make", "-n", "serve", f"ADDRESS={address}"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert ("'--server.allowedHosts=*'" in said) == is_shared


@pytest.fixture
def asked():
    """A stand-in for a session of Streamlit's, and what it told its browser."""
    told = []
    session = SimpleNamespace(
        id="session",
        _script_data=SimpleNamespace(main_script_path=str(PROJECT / "app.py")),
        _enqueue_forward_msg=told.append,
        _uploaded_file_mgr=MemoryUploadedFileManager("/upload"),
    )
    return session, told


def test_nobody_is_told_of_the_folders_git(asked, monkeypatch):
    session, told = asked
    answers = {"--git-dir": b".", "--show-toplevel": bytes(PROJECT), "get-url": b"https://github.com/a/b"}

    def git(args, *, cwd):
        known = {"--version": b"git version 2.40.0", "@{upstream}": b"origin/main", "--others": b"marks.csv\0"}
        return next((answer for word, answer in (known | answers).items() if word in args), b"main")

    monkeypatch.setattr(git_util, "_run_git", git)
    monkeypatch.setattr(git_util, "GitRepo", git_util.GitRepo)
    strangers.refuse()
    AppSession._handle_git_information_request(session)
    assert told == []


def test_nobody_gets_places_for_uploads_without_end(asked, monkeypatch):
    session, told = asked
    monkeypatch.setattr(MemoryUploadedFileManager, "get_upload_urls", MemoryUploadedFileManager.get_upload_urls)
    strangers.refuse()
    for names, places in ((["a.png"] * 3, 3), ([""] * 10_000, strangers.MOST_FILES)):
        AppSession._handle_file_urls_request(session, SimpleNamespace(request_id="x", file_names=names))
        assert len(told.pop().file_urls_response.file_urls) == places
    assert reading.MOST_PICTURES < strangers.MOST_FILES


def test_the_app_refuses_strangers_before_it_draws():
    lines = text("app.py").splitlines()
    drawing = [n for n, line in enumerate(lines) if line.startswith(("st.", "page", "shell."))]
    assert lines.index("strangers.refuse()") < min(drawing)


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


@pytest.mark.parametrize(
    ("word", "is_on"),
    [("", True), ("on", True), (" ON ", True), ("1", True), ("off", False), ("Off", False), ("disabled", False)]
    + [("none", False), ("of", False), ("n", False)],
)
def test_a_word_that_is_not_on_switches_training_off(monkeypatch, word, is_on):
    monkeypatch.setenv("LAB_TRAINING", word)
    assert processes.training_allowed() == is_on


def test_an_empty_password_opens_nothing(monkeypatch):
    monkeypatch.setenv("LAB_TRAINING_PASSWORD", "")
    assert processes.password_needed()
    with pytest.raises(LabError, match="shorter than 8"):
        check_password("")


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


def test_clean_samples_are_kept_by_their_size_and_come_with_a_fitted_map(monkeypatch):
    made, fitted = [], []

    def sweep(spec):
        made.append(spec)
        yield SimpleNamespace(spec=spec, nbytes=cache.CLEAN // 2)

    def fit(report, method):
        fitted.append((report.spec, method))

    monkeypatch.setattr(cache, "_the_only", {"lab": SimpleNamespace(sweep=sweep, map=fit)})
    for spec in ("a", "b", "a", "c", "b"):
        assert cache.clean(spec).spec == spec
    assert made == ["a", "b", "c", "b"]  # of the three, two fit
    assert fitted == [(spec, "pca") for spec in made]
