import errno
import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from core.checkpoints import card_path, find_cards, load_card, load_into, load_weights, save_checkpoint, weights_path
from core.errors import LabError
from core.files import read_limited, write_atomically, write_together
from core.lab import Lab
from core.records import CheckpointCard
from tests.conftest import N_CLASSES, SIDE, make_model

as_root = hasattr(os, "geteuid") and os.geteuid() == 0


def make_card(**changes):
    values = {
        "dataset": "noisy_digits",
        "model": "simvc",
        "name": "simvc",
        "kind": "model",
        "protocol": "lab",
        "seed": 0,
        "view_shapes": ((1, SIDE, SIDE),) * 2,
        "n_clusters": N_CLASSES,
        "samples": 160,
        "held_out_samples": 80,
        "recipe": {"model_options": {}},
        "scores": {
            "train": {"accuracy": 1.0, "nmi": 1.0, "ari": 1.0},
            "held_out": {"accuracy": 0.9, "nmi": 1, "ari": 1},
        },
        "runs": [{"seed": 0, "loss": 1.0, "accuracy": 0.9, "nmi": 1, "ari": 1}],
        "bits": 32,
        "command": "python -m core train noisy_digits/simvc",
        "training_seconds": 1.5,
        "device": "cpu",
        "torch": torch.__version__,
        "created": "2026-01-01T00:00:00+00:00",
        "sha256": "",
    }
    return CheckpointCard(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    """A folder of checkpoints with a good one in it."""
    save_checkpoint(tmp_path, make_card(), make_model("simvc", seed=1).state_dict())
    return tmp_path


@pytest.fixture
def place(folder):
    return folder / "noisy_digits" / "simvc"


def reload(folder):
    card = load_card(folder, "noisy_digits", "simvc")
    return card, load_weights(folder, card)


def is_a_sentence(error):
    text = str(error.value)
    return text[0].isupper() or text[0] == "'", text.endswith("."), "\n" not in text


def test_a_checkpoint_comes_back_as_it_was_saved(folder):
    card, weights = reload(folder)
    expected = make_model("simvc", seed=1).state_dict()
    assert card == make_card(sha256=card.sha256)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert all(weights[name].dtype == tensor.dtype for name, tensor in expected.items())


def test_loaded_weights_give_the_same_clusters(folder, blobs):
    model, other = make_model("simvc", seed=1).eval(), make_model("simvc", seed=2).eval()
    load_into(other, folder, load_card(folder, "noisy_digits", "simvc"))
    views = tuple(view[:5] for view in blobs.views)
    with torch.no_grad():
        assert torch.equal(model.encode(views).probs, other.encode(views).probs)


def test_a_checkpoint_is_two_files_and_nothing_else(folder):
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["noisy_digits/simvc.json", "noisy_digits/simvc.safetensors"]


def test_a_name_with_dots_keeps_them(tmp_path):
    save_checkpoint(tmp_path, make_card(name="simvc.released"), {"a": torch.zeros(1)})
    assert load_card(tmp_path, "noisy_digits", "simvc.released").name == "simvc.released"
    assert weights_path(tmp_path / "noisy_digits" / "simvc.released").is_file()


def test_every_byte_of_the_weights_counts(place, folder):
    path = weights_path(place)
    content = path.read_bytes()
    for position in (0, 8, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(LabError, match="damaged") as error:
            reload(folder)
        assert all(is_a_sentence(error))


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(share, place, folder):
    path = weights_path(place)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(LabError, match="damaged") as error:
        reload(folder)
    assert all(is_a_sentence(error))


def test_missing_weights_are_named_with_the_command_that_makes_them(place, folder):
    weights_path(place).unlink()
    with pytest.raises(LabError, match=r"missing.*python -m core train noisy_digits/simvc"):
        reload(folder)


def test_weights_that_are_not_safetensors_are_refused_though_their_digest_fits(folder):
    for content in (b"", b"\x80\x04N.", b"\xff" * 64):
        weights_path(folder / "noisy_digits" / "simvc").write_bytes(content)
        card = make_card(sha256=sha256(content).hexdigest())
        with pytest.raises(LabError, match="not safetensors"):
            load_weights(folder, card)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"head.logits.bias": torch.zeros(N_CLASSES)},
        {**make_model("simvc").state_dict(), "extra": torch.zeros(1)},
        {**make_model("simvc").state_dict(), "head.logits.bias": torch.zeros(N_CLASSES + 1)},
    ],
    ids=["none", "too few", "too many", "another shape"],
)
def test_weights_of_another_network_are_refused_and_change_nothing(tensors, tmp_path):
    card = save_checkpoint(tmp_path, make_card(), tensors)
    model = make_model("simvc", seed=3)
    with pytest.raises(LabError, match="do not fit") as error:
        load_into(model, tmp_path, card)
    assert all(is_a_sentence(error))


def test_a_card_that_is_not_there_is_named(folder):
    with pytest.raises(LabError, match="no checkpoint noisy_digits/comvc"):
        load_card(folder, "noisy_digits", "comvc")


@pytest.mark.parametrize("name", ["../simvc", "a/b", "", ".", "..", "SIMVC", "a b", "simvc\n", "/etc/passwd"])
def test_a_name_cannot_leave_the_folder(name, folder):
    with pytest.raises(LabError):
        load_card(folder, "noisy_digits", name)
    with pytest.raises(LabError):
        load_card(folder, name, "simvc")


WRONG_CARDS = {
    "empty": b"",
    "not JSON": b"{half",
    "not text": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"7",
    "nothing": b"{}",
    "too deep": b"[" * 200_000,
}
WRONG_VALUES = {
    "another kind": {"kind": "pickle"},
    "a text for clusters": {"n_clusters": "10"},
    "one cluster": {"n_clusters": 1},
    "very many clusters": {"n_clusters": 10**9},
    "no views": {"view_shapes": []},
    "flat views": {"view_shapes": [28, 28]},
    "two-dimensional views": {"view_shapes": [[28, 28]]},
    "a negative side": {"view_shapes": [[1, -28, 28]]},
    "a huge side": {"view_shapes": [[1, 28, 10**7]]},
    "an infinite side": {"view_shapes": [[1, 28, 1e400]]},
    "a recipe of text": {"recipe": "none"},
    "a recipe without options": {"recipe": {}},
    "options of text": {"recipe": {"model_options": "none"}},
    "scores of text": {"scores": "good"},
    "no scores": {"scores": {}},
    "a score of text": {"scores": {"held_out": {"accuracy": "good", "nmi": "good", "ari": "good"}}},
    "a text for seconds": {"training_seconds": "long"},
    "a text for samples": {"samples": "many"},
    "no digest": {"sha256": None},
    "a model of number": {"model": 3},
    "a missing field": {"seed": ...},
    "an unknown field": {"colour": "red"},
    "another data set": {"dataset": "patched_digits"},
    "another name": {"name": "comvc"},
}


def write_values(place, changes):
    values = json.loads(card_path(place).read_bytes()) | changes
    card_path(place).write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))


@pytest.mark.parametrize("content", WRONG_CARDS.values(), ids=WRONG_CARDS)
def test_a_card_that_is_no_card_is_refused(content, place, folder):
    card_path(place).write_bytes(content)
    with pytest.raises(LabError, match="damaged") as error:
        load_card(folder, "noisy_digits", "simvc")
    assert all(is_a_sentence(error))


@pytest.mark.parametrize("changes", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_card_with_a_wrong_value_is_refused(changes, place, folder):
    write_values(place, changes)
    with pytest.raises(LabError, match="damaged") as error:
        load_card(folder, "noisy_digits", "simvc")
    assert all(is_a_sentence(error))


@pytest.mark.parametrize(
    "changes", [{"recipe": {}}, {"recipe": {"epsilon": "0.3"}}, {"scores": {}}, {"target_sha256": None}], ids=str
)
def test_an_attackers_card_with_a_wrong_value_is_refused(changes, tmp_path):
    scores = {state: {"accuracy": 0.5, "nmi": 0.5, "ari": 0.5} for state in ("clean", "gan_frozen", "noise_frozen")}
    attacker = {"name": "simvc.gan", "kind": "attacker", "recipe": {"epsilon": 0.3}, "target_sha256": "0" * 64}
    save_checkpoint(tmp_path, make_card(**attacker, scores=scores), {"a": torch.zeros(1)})
    assert load_card(tmp_path, "noisy_digits", "simvc.gan").kind == "attacker"
    write_values(tmp_path / "noisy_digits" / "simvc.gan", changes)
    with pytest.raises(LabError, match="damaged"):
        load_card(tmp_path, "noisy_digits", "simvc.gan")


def test_a_damaged_card_is_listed_as_a_problem_beside_the_good_ones(place, folder):
    save_checkpoint(folder, make_card(name="comvc", model="comvc"), {"a": torch.zeros(1)})
    card_path(place).write_bytes(b"{half")
    cards, problems = find_cards(folder)
    assert [card.name for card in cards] == ["comvc"]
    assert len(problems) == 1
    assert "simvc.json" in problems[0]


def test_a_folder_without_checkpoints_is_empty_and_no_error(tmp_path):
    assert find_cards(tmp_path / "nowhere") == ((), ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "nonsense"}, "no model called"),
        ({"recipe": {"model_options": {"colour": "red"}}}, "noisy_digits/simvc"),
    ],
    ids=["model", "option"],
)
def test_a_card_of_a_network_that_cannot_be_made_is_refused_in_a_sentence(changes, said, place, folder):
    write_values(place, changes)
    lab = Lab(checkpoints=folder, device="cpu")
    with pytest.raises(LabError, match=said):
        lab.library.model(lab.library.card("noisy_digits", "simvc"))


class FullDisk:
    """Refuses to rename onto a path of the given suffix, as a full or failing disk would."""

    def __init__(self, monkeypatch, suffix):
        rename = Path.replace

        def replace(path, target):
            if str(target).endswith(suffix):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return rename(path, target)

        monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_failure_in_the_middle_leaves_the_checkpoint_that_was_there(suffix, folder, monkeypatch):
    before_card, before = reload(folder)
    with monkeypatch.context() as patch:
        FullDisk(patch, suffix)
        with pytest.raises(LabError, match="no space left"):
            save_checkpoint(folder, make_card(seed=9), make_model("simvc", seed=9).state_dict())
    after_card, after = reload(folder)
    assert after_card == before_card
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())


def test_of_two_new_files_none_is_left_where_one_is_refused(tmp_path, monkeypatch):
    FullDisk(monkeypatch, ".second")
    with pytest.raises(LabError, match="no space left"):
        write_together({tmp_path / "a.first": b"new", tmp_path / "a.second": b"new"})
    assert list(tmp_path.iterdir()) == []


def test_two_files_are_replaced_together_where_no_links_can_be_made(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    paths = [tmp_path / "a", tmp_path / "b"]
    write_together(dict.fromkeys(paths, b"old"))
    monkeypatch.setattr(os, "link", refuse)
    write_together(dict.fromkeys(paths, b"new"))
    assert [path.read_bytes() for path in paths] == [b"new"] * 2
    assert sorted(tmp_path.iterdir()) == paths


def test_a_failure_leaves_no_temporary_file(tmp_path, monkeypatch):
    FullDisk(monkeypatch, "")
    with pytest.raises(LabError):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_write_cut_short_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def broken(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(LabError, match="Nothing was changed"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "noisy_digits").write_text("a file, not a folder")
    with pytest.raises(LabError, match="noisy_digits") as error:
        save_checkpoint(tmp_path, make_card(), {"a": torch.zeros(1)})
    assert all(is_a_sentence(error))


@pytest.mark.skipif(as_root, reason="root may write into a read-only folder")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(LabError, match="permission denied"):
        save_checkpoint(tmp_path, make_card(), {"a": torch.zeros(1)})


def test_a_file_over_the_limit_is_not_read(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(LabError, match="5 bytes, more than the 4"):
        read_limited(path, 4)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LabError, match="absent"):
        read_limited(tmp_path / "absent", 5)
