import gc
import weakref

import numpy as np
import pytest
from conftest import PROJECT, texts
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_figures import unpack
from test_own_data import paper
from test_own_files import encoded, npz, views

from core.own.files import read_views
from pages.ui import cache, components, own_input

SOON = 60
SIDE = 28


@pytest.fixture
def shown(lab, monkeypatch):
    """The header of every buffer that the probe was given, newest last."""
    headers = []
    mount = components._probe

    def remember(**options):
        headers.append(unpack(options["data"])[0])
        return mount(**options)

    monkeypatch.setattr(components, "_probe", remember)
    return headers


def open_page(**query) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
    for key, value in query.items():
        app.query_params[key.replace("_", "-")] = value
    app.run()
    return app.switch_page("pages/your_data.py").run()


def digit(lab, number: int = 3) -> list[int]:
    """A picture of a digit as the pad sends it."""
    row = int(np.flatnonzero(lab.labels == number)[0])
    return np.rint(lab.pictures["noisy_digits"][row, 0] * 255).astype(int).ravel().tolist()


def draw(app: AppTest, values) -> AppTest:
    app.session_state[own_input.DRAWINGS] = {"pad": values}
    return app.run()


def run_attack(app: AppTest) -> AppTest:
    app.button(key="run").click().run()
    assert cache.jobs().join(SOON)
    return app.run()


def choose(app: AppTest, source: str) -> AppTest:
    return app.segmented_control(key="own-source").set_value(source).run()


def upload(app: AppTest, key: str, *files: tuple[str, bytes]) -> AppTest:
    kinds = {"png": "image/png", "jpg": "image/jpeg", "npz": "application/octet-stream"}
    value = [(name, content, kinds[name.rpartition(".")[2]]) for name, content in files]
    uploader = next(widget for widget in app.file_uploader if widget.key == key)
    return uploader.set_value(value if key != "own-arrays" else value[0]).run()


def test_the_page_begins_with_the_models_clusters(shown):
    app = open_page()
    assert not app.exception
    assert shown[-1]["id"] == "clusters"
    assert app.button(key="run").disabled
    assert "kept in no file" in texts(app, "caption")


def test_a_drawing_falls_into_a_cluster_at_once(shown, lab):
    app = draw(open_page(), digit(lab))
    assert not app.exception
    assert shown[-1]["verdicts"][0][0].startswith("It falls into cluster ")
    assert "Not attacked yet" in texts(app, "caption")
    assert not app.button(key="run").disabled


def test_an_attack_on_a_drawing_runs_through_the_queue(shown, lab):
    app = run_attack(draw(open_page(), digit(lab)))
    assert not app.exception
    assert len(shown[-1]["verdicts"]) == 13
    assert "Finished after" in texts(app, "caption")
    assert app.button(key="run").disabled
    app.number_input(key="eps").set_value(0.2).run()
    assert len(shown[-1]["verdicts"]) == 1
    assert not app.button(key="run").disabled


def test_another_drawing_is_another_sample(shown, lab):
    app = run_attack(draw(open_page(), digit(lab, 3)))
    attacked = shown[-1]["identity"]
    draw(app, digit(lab, 0))
    assert shown[-1]["identity"] != attacked
    assert len(shown[-1]["verdicts"]) == 1
    draw(app, [0] * SIDE**2)
    assert shown[-1]["id"] == "clusters"


def test_what_a_pad_should_not_send_is_refused(shown, lab):
    app = draw(open_page(), ["<script>"] * SIDE**2)
    assert "draw it again" in texts(app, "error")
    assert shown[-1]["id"] == "clusters"


def test_pictures_are_clustered_and_said_how(shown, lab):
    ink = np.zeros((90, 90), dtype=np.float32)
    ink[20:70, 30:45] = 1
    app = upload(choose(open_page(), "pictures"), "own-files", ("b.jpg", paper(ink)), ("a.jpg", paper(ink.T)))
    assert not app.exception
    assert shown[-1]["yours"] == ["a.jpg", "b.jpg"]
    assert "inverted (bright border" in texts(app, "caption")
    app = run_attack(app)
    assert "Of all 2, " in shown[-1]["verdicts"][-1][0]


def test_a_rejected_upload_is_one_sentence_and_the_page_goes_on(shown, lab):
    app = upload(choose(open_page(), "pictures"), "own-files", ("<b>x</b>.png", b"no picture"))
    assert not app.exception
    assert len(app.error) == 1
    assert "is no picture" in app.error[0].value
    assert "<" not in app.error[0].value
    assert shown[-1]["id"] == "clusters"
    assert app.button(key="run").disabled
    choose(app, "draw")
    assert not app.error


def test_what_was_refused_is_not_read_again(lab, monkeypatch):
    reads = []
    real = own_input.reading.from_pictures
    monkeypatch.setattr(own_input.reading, "from_pictures", lambda *args: reads.append(1) or real(*args))
    app = upload(choose(open_page(), "pictures"), "own-files", ("x.png", b"no picture"))
    app.run()
    assert "is no picture" in texts(app, "error")
    assert len(reads) == 1


def test_arrays_are_taken_and_the_example_can_be_read(shown, lab):
    app = choose(open_page(), "arrays")
    assert app.get("download_button")
    upload(app, "own-arrays", ("mine.npz", npz(**views(5))))
    assert not app.exception
    assert shown[-1]["yours"] == [f"row {row}" for row in range(5)]
    example = read_views(own_input._example("noisy_digits", "cl_mvc"), ((1, SIDE, SIDE),) * 2)
    assert example[0].shape == (4, 1, SIDE, SIDE)


def test_colour_is_uploaded_and_not_drawn(shown, lab):
    app = open_page(data="synthetic_people")
    assert "draw" not in app.segmented_control(key="own-source").options
    assert "cannot be drawn" in texts(app, "caption")
    upload(app, "own-files", ("a.png", encoded(Image.new("RGB", (40, 80), "red"), "PNG")))
    assert not app.exception
    assert not app.error
    assert shown[-1]["shapes"] == [[3, 64, 32]] * 2


def test_two_sessions_do_not_share_what_they_bring(shown, lab):
    first = run_attack(draw(open_page(), digit(lab)))
    mine = shown[-1]["identity"]
    second = draw(open_page(), digit(lab))
    assert shown[-1]["identity"] != mine
    assert len(shown[-1]["verdicts"]) == 1
    assert "Not attacked yet" in texts(second, "caption")
    first.run()
    assert shown[-1]["identity"] == mine


def test_the_queue_and_the_caches_keep_nothing_of_it(shown, lab):
    app = run_attack(draw(open_page(), digit(lab)))
    work = app.session_state[own_input.WORK]
    job = cache.jobs().get(work.job)
    assert job.state == "done"
    assert isinstance(job.latest, float)
    left = weakref.ref(work.samples)
    draw(app, [0] * SIDE**2)
    del work, app
    gc.collect()
    assert left() is None


def test_an_attack_whose_session_drew_something_else_stops(shown, lab):
    lab.pace = 0.2
    app = draw(open_page(), digit(lab))
    app.button(key="run").click().run()
    assert cache.jobs().active()
    draw(app, digit(lab, 0))
    assert not cache.jobs().active()
    assert cache.jobs().join(SOON)
    assert len(shown[-1]["verdicts"]) == 1


def test_cancel_keeps_what_there_is(shown, lab):
    lab.pace = 0.3
    app = draw(open_page(), digit(lab))
    app.button(key="run").click().run()
    app.button(key="cancel").click().run()
    assert not cache.jobs().active()
    assert "Cancelled after" in texts(app, "caption")
    assert not app.button(key="run").disabled


def test_a_failing_attack_is_said_and_can_be_run_again(shown, lab):
    app = draw(open_page(), digit(lab))
    app.number_input(key="seed").set_value(13).run()
    run_attack(app)
    assert "seed 13 breaks on purpose" in texts(app, "error")
    assert not app.button(key="run").disabled


def test_nothing_is_written(shown, lab, tmp_path, monkeypatch):
    for name in ("XDG_CACHE_HOME", "TMPDIR", "LAB_RUNS"):
        monkeypatch.setenv(name, str(tmp_path))
    folders = (PROJECT / "assets", PROJECT / "checkpoints", PROJECT / "runs")
    before = {path for folder in folders for path in folder.rglob("*")}
    app = run_attack(draw(open_page(), digit(lab)))
    upload(choose(app, "arrays"), "own-arrays", ("mine.npz", npz(**views(2))))
    assert shown[-1]["yours"]
    assert list(tmp_path.rglob("*")) == []
    assert "mine" not in " ".join(path.name for folder in folders for path in folder.rglob("*") if path not in before)


def test_nothing_of_it_is_in_the_address(shown, lab):
    app = run_attack(draw(open_page(), digit(lab)))
    assert set(app.query_params) <= {"data", "model", "attack", "eps", "seed"}
