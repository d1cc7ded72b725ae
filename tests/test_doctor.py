import os
from types import SimpleNamespace

import pytest
import torch

from core import doctor
from core.lab import Lab


@pytest.fixture
def examined(tmp_path):
    """What the doctor finds, by subject, in an empty place whose data folder is ``tmp_path``."""

    def examine(**changes):
        lab = Lab(checkpoints=tmp_path / "checkpoints", runs=tmp_path / "runs", device="cpu")
        lab = SimpleNamespace(
            library=lab.library, cards=lab.cards, problems=lab.problems, **({"device": lab.device} | changes)
        )
        return {finding.subject: finding for finding in doctor.examine(lab, tmp_path)}

    return examine


def test_without_a_checkpoint_the_doctor_says_how_to_make_one(examined):
    finding = examined()["trial attack"]
    assert finding.state == "missing"
    assert finding.remedy == "python -m core train noisy_digits/cl_mvc"


def test_a_package_that_is_not_there_is_said_to_be_needed(examined, monkeypatch):
    monkeypatch.setitem(doctor.PACKAGES, "no-such-package", "the moon")
    finding = examined()["no-such-package"]
    assert (finding.state, finding.detail) == ("missing", "needed for the moon")


def test_a_folder_that_cannot_be_written_is_told(examined, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "is read-only" in examined()["checkpoint folder"].detail


def test_data_that_are_here_are_found_and_others_are_not(examined, tmp_path):
    for folder in ("RegDB/Visible", "RegDB/Thermal", "RegDB/idx", "MNIST/raw"):
        (tmp_path / folder).mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / "MNIST" / "raw" / f"{part}-{kind}-ubyte").touch()
    found = examined()
    states = {
        name: found[name].state for name in ("digits", "regdb", "mnist", "fashion_mnist", "cifar10", "svhn", "reuters")
    }
    assert states == {
        "digits": "good",
        "regdb": "good",
        "mnist": "good",
        "fashion_mnist": "missing",
        "cifar10": "missing",
        "svhn": "missing",
        "reuters": "missing",
    }
    assert "downloaded on first use" in found["svhn"].remedy
    assert "python -m core features reuters" in found["reuters"].remedy


def test_a_gpu_is_called_by_its_name(examined, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A large card")
    assert examined(device="cuda:0")["device"].detail == "cuda:0: A large card"
