import io

import numpy as np
import pytest
from PIL import Image
from test_own_files import encoded, npz, refusal, views

from core.data import DATASETS, own
from core.data.noisy import NOISY_EXTREMES, noisy_view, pairing
from core.data.patched import VIEW_CELLS, patch
from core.data.sources import digits
from core.errors import LabError
from core.own import reading
from core.own.reading import Handling


def blob(height: int = 28, width: int = 28, *, box=(4, 10, 3, 8)) -> np.ndarray:
    """A bright block on black; ``box`` is its first and last row and column."""
    picture = np.zeros((height, width), dtype=np.float32)
    top, bottom, left, right = box
    picture[top : bottom + 1, left : right + 1] = 1
    return picture


def content_box(picture: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero((picture > own.INK).any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def paper(ink: np.ndarray) -> bytes:
    """Dark ink on bright paper with a shade, as a photograph has it."""
    page = 230 - 180 * ink + np.linspace(-10, 10, ink.shape[1])
    return encoded(Image.fromarray(page.clip(0, 255).astype(np.uint8)).convert("RGB"), "JPEG", quality=92)


def test_the_scale_of_the_noise_is_the_data_sets_own():
    pixels, labels = digits()
    generator = np.random.default_rng(7)
    second = noisy_view(pixels, pairing(labels, 10, generator), generator)
    np.testing.assert_allclose((second.min(), second.max()), NOISY_EXTREMES["noisy_digits"], atol=1e-4)


def test_an_own_pictures_second_view_has_the_look_of_the_data_sets():
    held = DATASETS.make("noisy_digits")
    mine = own.views_of("noisy_digits", held.views[0].numpy(), seed=3)[1]
    theirs = held.views[1].numpy()
    assert mine.mean() == pytest.approx(theirs.mean(), abs=2e-3)
    assert mine.std() == pytest.approx(theirs.std(), abs=2e-3)
    assert mine.min() >= 0
    assert mine.max() <= 1


def test_the_seed_draws_the_noise():
    picture = blob()[None, None]
    one, again, other = (own.views_of("noisy_digits", picture, seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_patches_are_cut_as_the_data_set_cuts_them():
    pixels, labels = digits()
    held = DATASETS.make("patched_digits")
    mine = own.views_of("patched_digits", pixels[labels < 3][:, None])
    for view, theirs in zip(mine, held.views, strict=True):
        np.testing.assert_allclose(view, theirs.numpy(), atol=1e-6)
    np.testing.assert_array_equal(mine[1][:, 0], patch(pixels[labels < 3], VIEW_CELLS[1]))


def test_a_person_without_a_thermal_picture_gets_a_grey_one():
    picture = np.random.default_rng(0).random((2, 3, 64, 32), dtype=np.float32)
    first, second = own.views_of("synthetic_people", picture)
    np.testing.assert_array_equal(first, picture)
    assert second.shape == picture.shape
    np.testing.assert_array_equal(second[:, 0], second[:, 2])
    assert "grey" in own.story("synthetic_people", separate=False, seed=0)


@pytest.mark.parametrize("box", [(0, 27, 10, 17), (1, 6, 1, 4), (20, 27, 3, 27)])
@pytest.mark.parametrize("dataset", list(own.FRAMES))
def test_content_is_placed_as_the_data_sets_is(dataset, box):
    placed = own.place(dataset, blob(box=box))
    top, bottom, left, right = content_box(placed)
    sides = bottom - top + 1, right - left + 1
    assert max(sides) == own.FRAMES[dataset].box
    before = (box[1] - box[0] + 1) / (box[3] - box[2] + 1)
    assert sides[0] / sides[1] == pytest.approx(before, rel=0.15)
    assert abs(top + bottom - 27) <= 1
    assert abs(left + right - 27) <= 1


def test_the_frame_is_where_the_data_sets_digits_are():
    pixels, _ = digits()
    heights = [np.ptp(content_box(picture)[:2]) + 1 for picture in pixels]
    assert np.median(heights) == own.FRAMES["noisy_digits"].box


def test_a_drawing_becomes_one_sample_and_says_how():
    samples = reading.from_drawing("noisy_digits", blob(), None, Handling(seed=5))
    assert [view.shape for view in samples.views] == [(1, 1, 28, 28)] * 2
    assert "28 pixels" in samples.notes[0]
    assert "seed 5" in samples.notes[1]


def test_a_second_drawing_is_the_second_view():
    second = blob(box=(2, 25, 12, 15))
    alone = reading.from_drawing("noisy_digits", blob(), None, Handling(fit="inside"))
    both = reading.from_drawing("noisy_digits", blob(), second, Handling(fit="inside"))
    np.testing.assert_array_equal(alone.views[0], both.views[0])
    assert both.views[1][0, 0, 20, 13] > alone.views[1][0, 0, 20, 13] + 0.2


def test_a_drawing_taken_as_drawn_is_not_moved():
    samples = reading.from_drawing("noisy_digits", blob(), None, Handling(fit="inside"))
    np.testing.assert_array_equal(samples.views[0][0, 0], blob())


@pytest.mark.parametrize(
    "values",
    [
        [0] * 783,
        [0.5] * 784,
        [True] * 784,
        [-1] * 784,
        [256] * 784,
        ["0"] * 784,
        [float("nan")] * 784,
        "0" * 784,
        {"0": 0},
        784,
        [[0] * 28] * 28,
    ],
)
def test_a_pad_that_sends_nonsense_is_refused(values):
    assert "draw it again" in refusal(reading.drawing, values)


def test_an_empty_pad_is_no_drawing():
    assert reading.drawing(None) is None
    assert reading.drawing([0] * 784) is None
    assert reading.drawing([*[0] * 783, 255]).shape == (28, 28)


def test_ink_on_paper_is_inverted_and_light_on_dark_is_not():
    ink = blob(240, 200, box=(60, 180, 80, 110))
    dark_on_bright = paper(ink)
    bright_on_dark = encoded(Image.fromarray((ink * 200 + 20).astype(np.uint8)), "PNG")
    samples = reading.from_pictures(
        "noisy_mnist", [("a.jpg", dark_on_bright), ("b.png", bright_on_dark)], [], Handling()
    )
    for picture in samples.views[0][:, 0]:
        assert content_box(picture)[:2] == (4, 23)
        assert picture[14, 14] > 0.9
        assert picture[0, 0] == 0
    assert "1 of 2 inverted" in samples.notes[0]


def test_inverting_can_be_chosen():
    ink = encoded(Image.fromarray((blob(90, 90, box=(20, 70, 30, 50)) * 255).astype(np.uint8)), "PNG")
    as_it_is, inverted = (
        reading.from_pictures("noisy_mnist", [("a", ink)], [], Handling(invert=choice, fit="inside")).views[0]
        if choice == "no"
        else refusal(reading.from_pictures, "noisy_mnist", [("a", ink)], [], Handling(invert=choice))
        for choice in ("no", "yes")
    )
    assert as_it_is.max() > 0.9
    assert "invert" in inverted.lower()


def test_a_whole_picture_has_bars_and_the_middle_has_none():
    ramp = np.tile(np.linspace(0, 255, 120), (40, 1)).astype(np.uint8)
    wide = [("a.png", encoded(Image.fromarray(ramp), "PNG"))]
    whole = reading.from_pictures("noisy_mnist", wide, [], Handling(fit="inside", invert="no")).views[0][0, 0]
    middle = reading.from_pictures("noisy_mnist", wide, [], Handling(fit="fill", invert="no")).views[0][0, 0]
    assert whole[0].max() == whole[-1].max() == 0
    assert middle[0].max() > 0.1


def test_colour_pictures_keep_their_colours_and_their_second_view():
    red, blue = (encoded(Image.new("RGB", (50, 100), colour), "PNG") for colour in ("red", "blue"))
    samples = reading.from_pictures("synthetic_people", [("a", red)], [("b", blue)], Handling())
    assert [view.shape for view in samples.views] == [(1, 3, 64, 32)] * 2
    np.testing.assert_allclose(samples.views[0][0, :, 32, 16], [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(samples.views[1][0, :, 32, 16], [0, 0, 1], atol=0.01)


def test_an_archive_is_taken_as_it_is():
    samples = reading.from_archive("noisy_digits", npz(**views(5)))
    assert samples.names == ("row 0", "row 1", "row 2", "row 3", "row 4")
    assert samples.views[0].max() == 0.5


def test_names_of_files_are_made_plain():
    content = paper(blob(60, 60, box=(10, 50, 20, 40)))
    samples = reading.from_pictures("noisy_digits", [("<b>![x](y)</b>.jpg", content)], [], Handling())
    assert not set(samples.names[0]) & set("<>![]")


@pytest.mark.parametrize(
    ("files", "second", "says"),
    [
        ([("note.png", b"text")], [], "note.png"),
        ([("flat.png", encoded(Image.new("L", (30, 30), 90), "PNG"))], [], "one grey"),
        ([("a.png", bytes(6 * 2**20))], [], "5 MB"),
        ([("a.png", b"text")] * 65, [], "at most 64"),
        ([("a.png", b"text")] * 2, [("b.png", b"text")], "as many"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_a_sentence(files, second, says):
    assert says in refusal(reading.from_pictures, "noisy_digits", files, second, Handling())


def test_all_pictures_together_have_a_limit():
    large = encoded(Image.new("L", (5000, 4000), 90), "PNG")
    assert "megapixels" in refusal(reading.from_pictures, "synthetic_people", [("a.png", large)] * 9, [], Handling())


def test_colour_cannot_be_drawn():
    assert not reading.is_drawable("synthetic_people")
    assert "upload" in refusal(reading.from_drawing, "synthetic_people", blob(), None, Handling())


def test_reading_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    reading.from_pictures("noisy_digits", [("a.jpg", paper(blob(60, 60)))], [], Handling())
    reading.from_archive("noisy_digits", npz(**views()))
    with pytest.raises(LabError):
        reading.from_archive("noisy_digits", io.BytesIO(b"PK").getvalue())
    assert list(tmp_path.rglob("*")) == []
