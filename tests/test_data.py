import gzip
import hashlib
import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csr_matrix

from core.data import (
    DATASET_FACTS,
    DATASETS,
    UNLABELLED,
    archives,
    colours,
    noisy,
    patched,
    photographs,
    pictures,
    regdb,
    sources,
    vectors,
)
from core.data.at_hand import missing_data
from core.data.people import PEOPLE, synthetic_people
from core.errors import LabError

EMBEDDED = [name for name, facts in DATASET_FACTS.items() if facts.origin == "embedded"]
needs_files = pytest.mark.skipif(not os.environ.get("LAB_DATA"), reason="LAB_DATA names no folder with real files")


@pytest.fixture(scope="module", params=EMBEDDED)
def embedded(request):
    return DATASETS.make(request.param)


def test_every_data_set_has_facts():
    assert set(DATASETS) == set(DATASET_FACTS)


def test_facts_agree_with_what_is_built(embedded):
    facts = DATASET_FACTS[embedded.name]
    assert len(embedded) == facts.samples
    assert embedded.class_names == facts.class_names
    assert embedded.view_shapes == facts.view_shapes


@pytest.mark.parametrize("name", DATASET_FACTS)
def test_facts_are_complete(name):
    facts = DATASET_FACTS[name]
    assert facts.title
    assert facts.sentence.endswith(".")
    assert facts.source
    assert 0 < facts.epsilon <= 1
    assert len(facts.view_names) == len(facts.view_shapes)
    assert len(set(facts.class_names)) == len(facts.class_names)


def test_pixels_are_finite_float32_in_the_unit_range(embedded):
    for view in embedded.views:
        assert view.dtype == torch.float32
        assert view.is_contiguous()
        assert torch.isfinite(view).all()
        assert view.min() >= 0
        assert view.max() <= 1


def test_every_class_occurs_and_labels_are_whole(embedded):
    assert embedded.labels.dtype == torch.int64
    assert (embedded.labels.bincount(minlength=embedded.n_clusters) > 0).all()


def test_building_twice_gives_the_same(embedded):
    again = DATASETS.make(embedded.name, root=Path("/nowhere"))
    assert all(torch.equal(a, b) for a, b in zip(embedded.views, again.views, strict=True))
    assert torch.equal(embedded.labels, again.labels)


def test_importing_the_data_sets_loads_nothing_heavy():
    heavy = ["torchvision", "sklearn", "streamlit", "plotly", "umap", "PIL"]
    code = f"import sys, core.data; print([name for name in {heavy} if name in sys.modules])"
    root = Path(__file__).parents[1]
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


# Noisy pictures


def small_pictures(samples=60):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
    pixels[0, 0, :2] = 0, 255
    return pixels, generator.integers(0, 10, samples)


def literal_noisy_views(pixels, labels):
    """Facts, section 1.1, step by step with everything in memory at once."""
    signed = (pixels[:, None].astype(np.float32) / 255 - 0.5) / 0.5
    generator = np.random.default_rng(7)
    second = np.empty_like(signed)
    for label in range(10):
        rows = [i for i in range(len(labels)) if labels[i] == label]
        for row, partner in zip(rows, generator.permutation(rows), strict=True):
            second[row] = signed[int(partner)]
    second += generator.normal(0, 0.2, second.shape)
    return [(view - view.min()) / (view.max() - view.min()) for view in (signed, second)]


def test_noisy_views_follow_the_released_construction(monkeypatch):
    pixels, labels = small_pictures()
    monkeypatch.setattr(noisy, "idx_pictures", lambda *_: (pixels, labels))
    monkeypatch.setattr(noisy, "CHUNK", 7)
    built = noisy.noisy_mnist()
    for view, expected in zip(built.views, literal_noisy_views(pixels, labels), strict=True):
        np.testing.assert_allclose(view.numpy(), expected, atol=2e-7)  # one rounding of float32


def test_first_noisy_view_is_exactly_the_picture(monkeypatch):
    pixels, labels = small_pictures()
    monkeypatch.setattr(noisy, "idx_pictures", lambda *_: (pixels, labels))
    np.testing.assert_array_equal(noisy.noisy_mnist().views[0][:, 0].numpy(), pixels / np.float32(255))


def test_second_noisy_view_spans_the_unit_range():
    for view in noisy.noisy_digits().views:
        assert (view.min(), view.max()) == (0, 1)


def test_pairing_is_a_permutation_within_each_class():
    _, labels = small_pictures()
    partners = noisy.pairing(labels, 10, np.random.default_rng(7))
    assert sorted(partners) == list(range(len(labels)))
    np.testing.assert_array_equal(labels[partners], labels)
    assert (partners != np.arange(len(labels))).any()


GOLDEN = {  # facts, section 1.1, measured there on the released export
    "noisy_mnist": {
        "source": "MNIST",
        "moments": [(0.13093, 0.30845), (0.33420, 0.16071)],
        "extremes": (-2.08667, 1.94832),
        "self_pairs": 15,
        "leak": 0.502,
    },
    "noisy_fashion": {
        "source": "FashionMNIST",
        "moments": [(0.28616, 0.35294), (0.41182, 0.18213)],
        "extremes": (-2.08667, 1.94159),
        "self_pairs": 5,
        "leak": 0.503,
    },
}


@needs_files
@pytest.mark.parametrize("name", GOLDEN)
def test_real_noisy_data_have_the_released_numbers(name):
    data, golden = DATASETS.make(name), GOLDEN[name]
    moments = [(v.numpy().mean(dtype=np.float64), v.numpy().std(dtype=np.float64)) for v in data.views]
    np.testing.assert_allclose(moments, golden["moments"], atol=6e-6)  # the facts give five decimals
    pixels, labels = sources.idx_pictures(golden["source"])
    generator = np.random.default_rng(7)
    partners = noisy.pairing(labels, 10, generator)
    view = noisy.noisy_view(pixels, partners, generator)
    np.testing.assert_allclose((view.min(), view.max()), golden["extremes"], atol=6e-6)
    assert (partners == np.arange(len(labels))).sum() == golden["self_pairs"]
    train, held_out = (part.index.numpy() for part in data.split())
    assert np.isin(partners[held_out], train).mean() == pytest.approx(golden["leak"], abs=6e-4)


@needs_files
def test_real_train_half_has_the_released_class_counts():
    train, held_out = DATASETS.make("noisy_mnist").split()
    assert len(train) == len(held_out) == 35_000
    assert train.labels.bincount().tolist() == [3437, 3914, 3494, 3549, 3416, 3193, 3454, 3673, 3374, 3496]


# Patches


def test_enlarging_equals_mirrored_linear_interpolation():
    picture = np.random.default_rng(0).random((28, 28), dtype=np.float32)
    expected = scipy.ndimage.zoom(picture.astype(np.float64), 4, order=1, mode="mirror", grid_mode=True)
    np.testing.assert_allclose(pictures.resize(picture, 112, 112), expected, atol=5e-7)  # float32 against float64


def test_enlarging_equals_torch_but_for_the_two_outermost_pixels():
    picture = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    bilinear = torch.nn.functional.interpolate(picture, size=(112, 112), mode="bilinear", align_corners=False)
    difference = np.abs(pictures.resize(picture.numpy(), 112, 112) - bilinear.numpy())[0, 0]
    assert difference[2:-2, 2:-2].max() < 1e-6
    assert difference[:2].max() > 0.01


@pytest.mark.parametrize(("source", "target"), [(28, 112), (8, 28), (1, 5), (2, 7), (9, 4)])
def test_interpolation_keeps_a_flat_picture_flat(source, target):
    np.testing.assert_allclose(pictures.interpolation(source, target).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("cell", range(12))
def test_a_patch_is_its_cell_of_the_enlarged_picture(cell):
    picture = np.random.default_rng(0).random((2, 28, 28), dtype=np.float32)
    row, column = patched.CELLS[cell]
    whole = pictures.resize(picture, 112, 112)
    expected = whole[:, 28 * row : 28 * (row + 1), 28 * column : 28 * (column + 1)]
    np.testing.assert_allclose(patched.patch(picture, cell), expected, atol=1e-6)


def test_the_twelve_cells_are_the_grid_without_its_corners():
    corners = {(0, 0), (0, 3), (3, 0), (3, 3)}
    grid = [(row, column) for row in range(4) for column in range(4)]
    assert list(patched.CELLS) == [cell for cell in grid if cell not in corners]


def test_patched_views_are_cells_0_1_and_3():
    digits, labels = sources.digits()
    kept = digits[labels < 3]
    data = patched.patched_digits()
    for view, cell in zip(data.views, (0, 1, 3), strict=True):
        raw = patched.patch(kept, cell)
        expected = (raw - raw.min()) / (raw.max() - raw.min())
        np.testing.assert_allclose(view[:, 0].numpy(), expected, atol=1e-6)


@needs_files
def test_real_patches_have_the_released_numbers():
    data = DATASETS.make("patched_mnist")
    assert data.labels.bincount().tolist() == [6903, 7877, 6990]
    assert [len(half) for half in data.split()] == [10_885, 10_885]
    digits, labels = sources.idx_pictures("MNIST")
    kept, kept_labels = pictures.to_unit(digits[labels < 3]), labels[labels < 3]
    blank = np.array([patched.patch(kept, cell).reshape(len(kept), -1).max(axis=1) == 0 for cell in range(12)])
    published = [0.167, 0.009, 0.584, 0.003, 0.000, 0.425, 0.422, 0.000, 0.000, 0.387, 0.015, 0.072]
    np.testing.assert_allclose(blank.mean(axis=1), published, atol=6e-4)
    by_digit = [[blank[cell][kept_labels == digit].mean() for digit in range(3)] for cell in (0, 1, 3)]
    np.testing.assert_allclose(by_digit, [[0.04, 0.40, 0.03], [0.01, 0.00, 0.02], [0.00, 0.00, 0.01]], atol=6e-3)
    assert not blank[[0, 1, 3]].all(axis=0).any()


# People


@pytest.fixture(scope="module")
def people():
    return synthetic_people()


def test_each_person_has_eighty_samples(people):
    assert people.labels.bincount().tolist() == [80] * len(PEOPLE)


def test_thermal_pictures_are_gray(people):
    thermal = people.views[1]
    assert torch.equal(thermal[:, 0], thermal[:, 1])
    assert torch.equal(thermal[:, 0], thermal[:, 2])


def test_no_two_samples_are_alike(people):
    for view in people.views:
        assert len(torch.unique(view.flatten(1), dim=0)) == len(people)


def test_bodies_are_warmer_than_their_surroundings(people):
    thermal = people.views[1][:, 0]
    border = torch.cat([thermal[:, :4].flatten(1), thermal[:, :, :2].flatten(1)], dim=1).mean(dim=1)
    trunk = thermal[:, 20:30, 14:18].flatten(1).mean(dim=1)
    assert (trunk > border + 0.1).float().mean() > 0.99


@pytest.mark.parametrize(("view", "least"), [(0, 0.95), (1, 0.65)])
def test_people_can_be_told_apart(people, view, least):
    flat = people.views[view].flatten(1)
    train, test = (half.index for half in people.split())
    nearest = torch.cdist(flat[test], flat[train]).argmin(dim=1)
    share = (people.labels[train][nearest] == people.labels[test]).float().mean()
    assert share > least


def test_pairs_share_the_pose(people):
    # The outlines agree: where the visible view leaves its wall, and where the thermal one is warm.
    visible, thermal = people.views[0], people.views[1]
    wall = visible[:, :, :, :1]
    drawn = (visible - wall).abs().amax(dim=1)[:, 8:56] > 0.2
    warm = thermal[:, 0, 8:56] > 0.4
    own = (drawn & warm).flatten(1).sum(dim=1) / (drawn | warm).flatten(1).sum(dim=1)
    other = warm.roll(len(PEOPLE), dims=0)  # the same person at another moment
    mixed = (drawn & other).flatten(1).sum(dim=1) / (drawn | other).flatten(1).sum(dim=1)
    assert own.mean() > mixed.mean() + 0.05


# Where files come from


@pytest.mark.parametrize(
    ("root", "lab_data", "cache", "expected"),
    [
        ("given", "named", "cached", "given"),
        (None, "named", "cached", "named"),
        (None, None, "cached", "cached/adversarial-clustering-lab/data"),
        (None, None, None, "home/.cache/adversarial-clustering-lab/data"),
    ],
)
def test_data_folder_takes_the_first_that_is_named(monkeypatch, root, lab_data, cache, expected):
    monkeypatch.setenv("HOME", "home")
    for name, value in (("LAB_DATA", lab_data), ("XDG_CACHE_HOME", cache)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    assert sources.data_folder(Path(root) if root else None) == Path(expected)


SMALL_PARTS = {"train": 6, "t10k": 4}


def idx_bytes(magic, array):
    return np.array([magic, *array.shape], dtype=">u4").tobytes() + array.tobytes()


def small_mnist_files():
    generator = np.random.default_rng(0)
    files = {}
    for part, count in SMALL_PARTS.items():
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(
            2051, generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        )
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(2049, generator.integers(0, 10, count, dtype=np.uint8))
    return files


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "PARTS", SMALL_PARTS)
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in small_mnist_files().items():
        (raw / name).write_bytes(content)
    return raw


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.served.append(self.path)
        super().do_GET()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    folder = tmp_path / "mirror"
    folder.mkdir()
    resources = []
    for name, content in small_mnist_files().items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    server = HTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    server.served = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(sources, "PARTS", SMALL_PARTS)
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setenv("no_proxy", "*")
    yield SimpleNamespace(folder=folder, served=server.served)
    server.shutdown()
    server.server_close()


def test_train_part_comes_before_test_part(small_mnist):
    pixels, labels = sources.idx_pictures("MNIST", small_mnist.parents[1])
    files = small_mnist_files()
    assert pixels.tobytes() == files["train-images-idx3-ubyte"][16:] + files["t10k-images-idx3-ubyte"][16:]
    assert bytes(labels.tolist()) == files["train-labels-idx1-ubyte"][8:] + files["t10k-labels-idx1-ubyte"][8:]


def test_missing_files_are_downloaded_and_read(mirror, tmp_path):
    pixels, _ = sources.idx_pictures("MNIST", tmp_path / "new" / "data")
    assert pixels.shape == (10, 28, 28)
    left = [path.name for path in (tmp_path / "new" / "data").rglob("*")]
    assert sorted(left) == sorted(["MNIST", "raw", *small_mnist_files()])


def test_two_threads_download_once(mirror, tmp_path):
    sources.idx_pictures("MNIST", tmp_path / "alone")
    alone = len(mirror.served)
    threads = [threading.Thread(target=sources.idx_pictures, args=("MNIST", tmp_path / "data")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mirror.served) == 2 * alone


def assert_names_the_ways(message):
    for way in ("retry", "LAB_DATA", "--data", "noisy_digits"):
        assert way in message
    assert message.count("\n") == 0


def test_a_download_with_a_wrong_checksum_leaves_nothing(mirror, tmp_path):
    (mirror.folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"not what was published")
    with pytest.raises(LabError) as caught:
        sources.idx_pictures("MNIST", tmp_path / "data")
    assert_names_the_ways(str(caught.value))
    assert list((tmp_path / "data").iterdir()) == []


def test_without_a_network_the_message_names_the_ways(tmp_path, monkeypatch):
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])  # nothing listens on the discard port
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(LabError) as caught:
        DATASETS.make("noisy_fashion", root=tmp_path)
    assert_names_the_ways(str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(LabError, match="cannot be put there") as caught:
        DATASETS.make("noisy_mnist", root=blocked)
    assert_names_the_ways(str(caught.value))


@pytest.mark.parametrize("name", sorted(small_mnist_files()))
def test_a_truncated_file_is_named(small_mnist, name):
    path = small_mnist / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LabError, match=name):
        sources.idx_pictures("MNIST", small_mnist.parents[1])


def test_a_file_with_a_wrong_header_is_named(small_mnist):
    path = small_mnist / "train-images-idx3-ubyte"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.raises(LabError, match=path.name):
        sources.idx_pictures("MNIST", small_mnist.parents[1])


def test_labels_beyond_nine_are_refused(small_mnist):
    path = small_mnist / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0a")
    with pytest.raises(LabError, match="reach 10"):
        sources.idx_pictures("MNIST", small_mnist.parents[1])


# RegDB


def draw_regdb(folder, identities=4, pairs=10):
    """A tree in RegDB's public layout, half of the people in the train lists; pixel (0, 0) tells who and when."""
    lines = {}
    for identity in range(1, identities + 1):
        part = "train" if identity % 2 else "test"
        for modality, blue in (("Visible", 40), ("Thermal", 200)):
            for moment in range(pairs):
                name = f"{modality}/{identity}/{modality[0].lower()}_{moment:03d}.bmp"
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 64), (20 * identity, 20 * moment, blue)).save(path)
                lines.setdefault(f"{part}_{modality.lower()}_1.txt", []).append(f"{name} {identity // 2}")
    (folder / "idx").mkdir()
    for name, content in lines.items():
        (folder / "idx" / name).write_text("\n".join(content) + "\n")
    return folder


@pytest.fixture
def regdb_folder(tmp_path):
    return draw_regdb(tmp_path / "RegDB")


@pytest.mark.parametrize("inside", [False, True])
def test_regdb_is_found_in_the_folder_or_below_it(regdb_folder, inside):
    root = regdb_folder if inside else regdb_folder.parent
    data = regdb.regdb(root, identities=3)
    assert data.view_shapes == ((3, 128, 64), (3, 128, 64))
    assert data.labels.bincount().tolist() == [100, 100, 100]
    assert all(view.dtype == torch.float32 and view.min() >= 0 and view.max() <= 1 for view in data.views)


def test_regdb_takes_its_people_from_both_lists_of_a_trial(regdb_folder):
    assert sorted(regdb.read_lists(regdb_folder, 1)) == [1, 2, 3, 4]


def test_regdb_samples_begin_with_the_pairs_as_they_are(regdb_folder):
    data = regdb.regdb(regdb_folder, identities=4)
    for view, blue in zip(data.views, (40, 200), strict=True):
        corner = (view[:, :, 0, 0] * 255).round().int().reshape(4, 100, 3)[:, :10]
        expected = [[[20 * who, 20 * when, blue] for when in range(10)] for who in (1, 2, 3, 4)]
        assert corner.tolist() == expected


def test_regdb_changes_both_views_of_a_pair_alike(regdb_folder):
    data = regdb.regdb(regdb_folder, identities=1)
    recipe = regdb.copies(10)
    assert len(recipe) == 100
    for view in data.views:
        for sample, (pair, operation) in enumerate(recipe):
            picture, plain = view[sample], view[pair]
            if operation == "gray":
                assert torch.equal(picture[0], picture[2])
                assert picture[0, 0, 0] == pytest.approx((0.299, 0.587, 0.114) @ plain[:, 0, 0].numpy(), abs=1e-6)
            elif operation == "inversion":
                assert torch.equal(picture, 1 - plain)
            elif operation == "noise":
                inner = (plain > 0.3) & (plain < 0.7)  # where clipping does not show
                spread = (picture - plain)[inner]
                assert len(spread) == 0 or spread.std() == pytest.approx(0.1, abs=0.01)
                assert not torch.equal(picture, plain)


def test_regdb_uses_the_three_operations_equally():
    operations = [operation for _, operation in regdb.copies(10) if operation]
    assert {name: operations.count(name) for name in regdb.OPERATIONS} == dict.fromkeys(regdb.OPERATIONS, 30)


def test_regdb_takes_pairs_and_operations_in_turn():
    recipe = regdb.copies(10)
    assert recipe[:10] == [(pair, None) for pair in range(10)]
    assert recipe[10:14] == [(0, "gray"), (1, "noise"), (2, "inversion"), (3, "gray")]
    assert np.bincount([pair for pair, _ in recipe]).tolist() == [10] * 10


def test_regdb_chooses_people_by_its_seed(regdb_folder):
    first, again = (regdb.regdb(regdb_folder, identities=2) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.views, again.views, strict=True))


def test_missing_regdb_is_explained(tmp_path):
    with pytest.raises(LabError, match=r"RegDB is not in .* synthetic_people"):
        DATASETS.make("regdb", root=tmp_path)


def test_too_few_people_are_counted(regdb_folder):
    with pytest.raises(LabError, match="lists 4 people, but 50"):
        DATASETS.make("regdb", root=regdb_folder)


def test_a_missing_list_is_named(regdb_folder):
    (regdb_folder / "idx" / "test_thermal_1.txt").unlink()
    with pytest.raises(LabError, match="test_thermal_1"):
        regdb.regdb(regdb_folder, identities=2)


NO_IDENTITY = f"Visible/{'1' * 5000}/x.bmp 0"  # Python reads no number of so many digits


@pytest.mark.parametrize(
    "line", ["../../etc/1/passwd 0", "Visible/1/.. 0", "Thermal/1/x.bmp 0", "Visible/one/x.bmp 0", NO_IDENTITY]
)
def test_a_list_line_that_leads_elsewhere_is_refused(regdb_folder, line):
    path = regdb_folder / "idx" / "train_visible_1.txt"
    path.write_text(line + "\n" + path.read_text())
    with pytest.raises(LabError, match=r"Line 1 of .*train_visible_1"):
        regdb.regdb(regdb_folder, identities=2)


def test_unpaired_pictures_are_refused(regdb_folder):
    path = regdb_folder / "idx" / "train_visible_1.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(LabError, match="9 visible and 10 thermal"):
        regdb.regdb(regdb_folder, identities=2)


@pytest.mark.parametrize(("content", "reason"), [(None, "missing"), (b"BM no picture", "damaged"), (b"", "damaged")])
def test_a_missing_or_damaged_picture_is_named(regdb_folder, content, reason):
    path = regdb_folder / "Thermal" / "3" / "t_004.bmp"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError, match=rf"t_004\.bmp is {reason}"):
        regdb.regdb(regdb_folder, identities=4)


def test_a_truncated_picture_is_named(regdb_folder):
    path = regdb_folder / "Visible" / "2" / "v_000.bmp"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LabError, match=r"v_000\.bmp is damaged"):
        regdb.regdb(regdb_folder, identities=4)


def test_a_huge_picture_is_refused_before_it_is_decoded(regdb_folder):
    path = regdb_folder / "Visible" / "1" / "v_000.bmp"
    Image.new("1", (regdb.LARGEST_SIDE + 1, 1)).save(path)
    with pytest.raises(LabError, match="larger than 4096"):
        regdb.regdb(regdb_folder, identities=4)


def write_cifar(folder, name, monkeypatch, count=3):
    """The makers' binary files, of a few random pictures."""
    files = dict.fromkeys(colours.FILES[name], count)
    monkeypatch.setitem(colours.FILES, name, files)
    inside = folder / colours.ARCHIVES[name][2]
    inside.mkdir()
    rng, rows = np.random.default_rng(0), []
    for file in files:
        row = rng.integers(0, 256, (count, colours.LABEL_BYTES[name] + colours.PIXELS), dtype=np.uint8)
        row[:, : colours.LABEL_BYTES[name]] %= 10
        row.tofile(inside / file)
        rows.append(row)
    return np.concatenate(rows), inside


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_photographs_are_read_from_their_makers_bytes(name, tmp_path, monkeypatch):
    rows, _ = write_cifar(tmp_path, name, monkeypatch)
    data = DATASETS.make(name, root=tmp_path)
    skipped = colours.LABEL_BYTES[name]
    assert data.views[0].shape == (len(rows), 3, 32, 32)
    assert data.labels.tolist() == rows[:, skipped - 1].tolist()
    red = torch.from_numpy(rows[:, skipped : skipped + 1024].reshape(-1, 32, 32) / np.float32(255))
    torch.testing.assert_close(data.views[0][:, 0], red)
    assert missing_data(name, tmp_path) == ("", True)


def test_a_file_of_photographs_of_another_size_is_refused(tmp_path, monkeypatch):
    _, inside = write_cifar(tmp_path, "cifar10", monkeypatch)
    (inside / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(LabError, match="delete it"):
        DATASETS.make("cifar10", root=tmp_path)


def test_photographs_that_cannot_be_had_say_what_would_work(tmp_path, monkeypatch):
    def fail(*args, **words):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", fail)
    with pytest.raises(LabError, match="connect to the internet once"):
        DATASETS.make("cifar10", root=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "162 MB" in missing_data("cifar10", tmp_path)[0]


def write_svhn(folder, monkeypatch, count=4, **changes):
    """torchvision's two files of SVHN, of a few random pictures; ``changes`` are other arrays for the test part."""
    rng, parts = np.random.default_rng(0), []
    for name in photographs.SVHN_FILES:
        monkeypatch.setitem(photographs.SVHN_FILES, name, (count, ""))
        arrays = {
            "X": rng.integers(0, 256, (32, 32, 3, count), dtype=np.uint8),
            "y": rng.integers(1, 11, (count, 1)).astype(np.uint8),
        }
        savemat(folder / name, arrays | (changes if "test" in name else {}), do_compression=True)
        parts.append(arrays)
    return {key: np.concatenate([part[key] for part in parts], axis=-1 if key == "X" else 0) for key in "Xy"}


def test_house_numbers_are_read_from_matlabs_files_and_their_ten_is_a_zero(tmp_path, monkeypatch):
    written = write_svhn(tmp_path, monkeypatch)
    data = DATASETS.make("svhn", root=tmp_path)
    assert data.labels.tolist() == [int(label) % 10 for label in written["y"].ravel()]
    pixel = data.views[0][5, 2, 7, 11]  # of sample 5, blue, row 7, column 11
    assert pixel == written["X"][7, 11, 2, 5] / np.float32(255)
    assert missing_data("svhn", tmp_path) == ("", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"X": np.zeros((32, 32, 3, 5), dtype=np.uint8)},
        {"X": np.zeros((32, 32, 3, 4))},
        {"X": np.array([[{"reduce": "system"}]], dtype=object)},
        {"y": np.array([["one"], ["two"], ["three"], ["four"]], dtype=object)},
        {"y": np.ones((3, 1), dtype=np.uint8)},
    ],
    ids=["more pictures", "other numbers", "an object", "words", "fewer labels"],
)
def test_a_matlab_file_that_holds_something_else_is_refused(tmp_path, monkeypatch, changes):
    write_svhn(tmp_path, monkeypatch, **changes)
    with pytest.raises(LabError, match=r"test_32x32\.mat is not the file of SVHN that it should be: delete it"):
        DATASETS.make("svhn", root=tmp_path)


@pytest.mark.parametrize("place", [127, 130, 200, 1000])
def test_a_damaged_matlab_file_is_one_sentence(tmp_path, monkeypatch, place):
    write_svhn(tmp_path, monkeypatch)
    path = tmp_path / "test_32x32.mat"
    content = bytearray(path.read_bytes())
    content[place : place + 20] = b"\xff" * 20
    for broken in (content, content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(LabError, match="is not the file of SVHN"):
            DATASETS.make("svhn", root=tmp_path)


def write_stl10(folder, monkeypatch, counts=(2, 3), unlabelled=4):
    """torchvision's files of STL-10, of a few random pictures."""
    monkeypatch.setattr(photographs, "STL10_PARTS", dict(zip(("train", "test"), counts, strict=True)))
    monkeypatch.setattr(photographs, "STL10_UNLABELLED", unlabelled)
    inside = folder / photographs.STL10_FOLDER
    inside.mkdir()
    rng, pixels, labels = np.random.default_rng(0), [], []
    for part, count in photographs.STL10_PARTS.items():
        pixels.append(rng.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8))
        labels.append(rng.integers(1, 11, count).astype(np.uint8))
        pixels[-1].tofile(inside / f"{part}_X.bin")
        labels[-1].tofile(inside / f"{part}_y.bin")
    rng.integers(0, 256, (unlabelled, 3, 96, 96), dtype=np.uint8).tofile(inside / "unlabeled_X.bin")
    return np.concatenate(pixels), np.concatenate(labels), inside


def test_photographs_of_96_pixels_are_read_column_by_column(tmp_path, monkeypatch):
    pixels, labels, _ = write_stl10(tmp_path, monkeypatch)
    data = DATASETS.make("stl10", root=tmp_path)
    assert data.views[0].shape == (5, 3, 96, 96)
    assert data.labels.tolist() == (labels.astype(int) - 1).tolist()
    assert data.views[0][3, 1, 10, 20] == pixels[3, 1, 20, 10] / np.float32(255)
    assert missing_data("stl10", tmp_path) == ("", True)


def test_photographs_without_a_label_come_only_when_they_are_asked_for(tmp_path, monkeypatch):
    _, _, inside = write_stl10(tmp_path, monkeypatch)
    assert UNLABELLED["stl10"](tmp_path)[0].shape == (4, 3, 96, 96)
    (inside / "unlabeled_X.bin").unlink()
    assert len(DATASETS.make("stl10", root=tmp_path)) == 5
    with pytest.raises(LabError, match="pre-training uses its photographs"):
        UNLABELLED["stl10"](tmp_path)


def test_files_of_stl10_of_another_size_and_with_other_labels_are_refused(tmp_path, monkeypatch):
    _, _, inside = write_stl10(tmp_path, monkeypatch)
    (inside / "train_y.bin").write_bytes(b"\x00\x0b")
    with pytest.raises(LabError, match="a label outside its classes"):
        DATASETS.make("stl10", root=tmp_path)
    (inside / "train_y.bin").write_bytes(b"\x01")
    with pytest.raises(LabError, match=r"train_y\.bin has not the 2 bytes that are expected"):
        DATASETS.make("stl10", root=tmp_path)


@pytest.mark.parametrize(("name", "said"), [("svhn", "247 MB"), ("stl10", "2,640 MB")])
def test_more_photographs_that_cannot_be_had_say_what_would_work(tmp_path, monkeypatch, name, said):
    def fail(*args, **words):
        raise OSError("no network")

    for function in ("download_and_extract_archive", "download_url"):
        monkeypatch.setattr(f"torchvision.datasets.utils.{function}", fail)
    with pytest.raises(LabError, match=r"connect to the internet once and retry, or put torchvision's files there"):
        DATASETS.make(name, root=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert said in missing_data(name, tmp_path)[0]


def test_files_that_arrive_are_moved_into_their_place(tmp_path, monkeypatch):
    def arrive(address, folder, md5):
        Path(folder, address.rsplit("/", 1)[1]).write_bytes(md5.encode())

    monkeypatch.setattr("torchvision.datasets.utils.download_url", arrive)
    archives.fetch({"http://a/one.mat": "1", "http://a/two.mat": "2"}, ["one.mat", "two.mat"], tmp_path, "no")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one.mat": "1", "two.mat": "2"}


def write_vectors(folder, monkeypatch, name="reuters", size=6, **changes):
    """A file of a few made-up vectors; ``changes`` are other arrays."""
    facts = replace(DATASET_FACTS[name], view_shapes=((1, 1, size),))
    monkeypatch.setitem(DATASET_FACTS, name, facts)
    rng = np.random.default_rng(0)
    arrays = {"features": rng.random((9, size)), "labels": rng.integers(0, 4, 9)} | changes
    np.savez(folder / f"{name}.npz", **{key: value for key, value in arrays.items() if value is not None})
    return arrays


@pytest.mark.parametrize("name", vectors.NAMES)
def test_vectors_are_lines_of_length_one(tmp_path, monkeypatch, name):
    arrays = write_vectors(tmp_path, monkeypatch, name)
    data = DATASETS.make(name, root=tmp_path)
    assert data.view_shapes == ((1, 1, 6),)
    assert data.labels.tolist() == arrays["labels"].tolist()
    expected = arrays["features"][3] / np.linalg.norm(arrays["features"][3])
    np.testing.assert_allclose(data.views[0][3, 0, 0].numpy(), expected, rtol=1e-6)
    assert missing_data(name, tmp_path) == ("", True) or missing_data(name, tmp_path)[0] == ""
    assert not DATASET_FACTS[name].has_pictures


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": np.ones((9, 7))}, r"features \(9, 7\) and labels \(9,\): \(N, 6\) and \(N,\) fit"),
        ({"labels": np.zeros(8, dtype=int)}, "fit"),
        ({"features": -np.ones((9, 6))}, "negative or infinite"),
        ({"features": np.full((9, 6), np.nan)}, "negative or infinite"),
        ({"labels": np.full(9, 4)}, "labels from 4 to 4: 0 to 3"),
        ({"labels": np.zeros(9)}, "no whole numbers"),
        ({"features": np.array([[object()] * 6] * 9)}, "is damaged, or no .npz file"),
        ({"labels": None}, "other arrays than features and labels"),
        ({"more": np.zeros(2)}, "other arrays than features and labels"),
    ],
)
def test_a_file_of_other_vectors_is_refused(tmp_path, monkeypatch, changes, said):
    write_vectors(tmp_path, monkeypatch, **changes)
    with pytest.raises(LabError, match=said):
        DATASETS.make("reuters", root=tmp_path)


def test_a_file_of_vectors_that_would_unpack_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    write_vectors(tmp_path, monkeypatch)
    monkeypatch.setattr(vectors, "MOST_BYTES", 100)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(LabError, match="or more than 100 bytes"):
        DATASETS.make("reuters", root=tmp_path)


def test_vectors_that_are_not_here_say_how_they_are_made(tmp_path):
    with pytest.raises(LabError, match="python -m core features reuters"):
        DATASETS.make("reuters", root=tmp_path)
    assert missing_data("reuters", tmp_path)[1] is False


def test_stl10s_features_are_what_the_network_says_of_its_photographs(tmp_path, monkeypatch):
    write_stl10(tmp_path, monkeypatch)
    facts = replace(DATASET_FACTS["stl10_features"], view_shapes=((1, 1, 3),))
    monkeypatch.setitem(DATASET_FACTS, "stl10_features", facts)
    monkeypatch.setattr(vectors, "CHUNK", 2)
    seen = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.ReLU())
    monkeypatch.setattr(vectors, "_resnet", lambda: seen)
    shares = list(vectors.make_file("stl10_features", tmp_path))
    assert shares[-1] == 1
    assert shares == sorted(shares)
    data, pictures = DATASETS.make("stl10_features", root=tmp_path), DATASETS.make("stl10", root=tmp_path)
    assert torch.equal(data.labels, pictures.labels)
    large = torch.nn.functional.interpolate(pictures.views[0], size=(224, 224), mode="bilinear", align_corners=False)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    rows = ((large.mean(dim=(2, 3)) - mean) / deviation).relu()
    torch.testing.assert_close(data.views[0].flatten(1), rows / rows.norm(dim=1, keepdim=True), rtol=1e-3, atol=1e-4)


def test_news_keep_their_most_frequent_words_and_one_category(tmp_path, monkeypatch):
    facts = replace(DATASET_FACTS["reuters"], view_shapes=((1, 1, 2),), samples=3)
    monkeypatch.setitem(DATASET_FACTS, "reuters", facts)
    words = np.array([[0.5, 0, 0.1, 0], [0, 0, 0.2, 0.3], [0.4, 0, 0.3, 0], [0.1, 0.2, 0.4, 0], [0, 0, 0.5, 0.1]])
    names = np.array(["GCAT", "C1", "CCAT", "ECAT", "MCAT"])
    topics = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]])
    homes = []

    def fetch(data_home, shuffle):
        homes.append(Path(data_home))
        return SimpleNamespace(data=csr_matrix(words), target=csr_matrix(topics), target_names=names)

    monkeypatch.setattr("sklearn.datasets.fetch_rcv1", fetch)
    list(vectors.make_file("reuters", tmp_path))
    data = DATASETS.make("reuters", root=tmp_path)
    with np.load(tmp_path / "reuters.npz", allow_pickle=False) as found:
        rows = {tuple(row): int(label) for row, label in zip(found["features"], found["labels"], strict=True)}
    assert rows == {tuple(words[row, [0, 2]].astype(np.float32)): label for row, label in ((0, 2), (1, 0), (3, 3))}
    assert data.n_clusters == 4
    assert not homes[0].exists()
    assert [path.name for path in tmp_path.iterdir()] == ["reuters.npz"]


def test_features_are_made_of_nothing_else(tmp_path):
    with pytest.raises(LabError, match="Features are made of stl10_features and reuters, not of 'mnist'"):
        list(vectors.make_file("mnist", tmp_path))
