import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.__main__ import parser
from core.errors import LabError
from core.figures import neighbours as figures
from core.lab import Lab
from core.neighbours import results, study
from core.neighbours.pursuit_records import PursuitSpec
from core.neighbours.records import MAIN, SEEDS, VARIANTS, NeighbourResult, NeighbourSpec, Proof
from core.neighbours.tables import JUDGES, NOT_OURS, PARTS, claims, make_lines, of_part, spread
from core.recipes import ncp_acl
from core.recipes.base import RepresentationLearning
from core.store import ResultStore
from tests.conftest import PROJECT

SPEC = NeighbourSpec(dataset="digits", variant="ncp_acl", seed=0, samples=None)
RESULT = NeighbourResult(
    spec=SPEC,
    standard=0.9,
    robust=0.5,
    ensemble=0.4,
    standard_by_ensemble=0.9,
    n_used=10,
    grid=(5, 10, 20),
    curve=(0.3, 0.4, 0.2),
    proof=(),
    training_samples=898,
    epsilon=0.1,
    seconds=9.0,
    device="cpu",
    torch="2",
    commit="c",
    created="today",
)
PROOF = Proof(epsilon=0.1, noise_success=0.02, noise_fall=0.03, success=0.5, fall=0.4, to_neighbour=0.9)


def made(robust=None, *, seeds=SEEDS, noise=0.02, without=()):
    """Lines whose RA is given by variant, or by variant and seed; AA is a tenth lower."""
    robust = robust or {}

    def kept(variant, seed):
        if variant in without or seed not in seeds:
            return None
        value = robust.get((variant, seed), robust.get(variant, 0.3))
        return replace(
            RESULT,
            spec=replace(SPEC, variant=variant, seed=seed),
            robust=value,
            ensemble=value - 0.1,
            proof=(replace(PROOF, noise_success=noise),) if variant == "simclr" else (),
        )

    return make_lines("digits", kept)


def judged(lines):
    return dict(zip((*JUDGES, *NOT_OURS), claims(lines), strict=True))


def claim(lines, word):
    (found,) = [claim for text, claim in judged(lines).items() if word in text]
    return found


# Recipes of rows


def test_every_row_is_its_models_recipe_but_for_what_it_changes():
    for variant, row in VARIANTS.items():
        recipe = study.recipe_of(replace(SPEC, variant=variant))
        usual = ncp_acl.recipe("digits", row.model, protocol="lab")
        learning = recipe.defense
        assert isinstance(learning, RepresentationLearning)
        assert (recipe == usual) == (variant == row.model), variant
        for name in ("strategy", "rank", "weight"):
            if getattr(row, name) is not None:
                assert getattr(learning.second, name) == getattr(row, name)
        assert (learning.fine_tuning.inner is not None) == row.adversarial_head
    assert set(MAIN) <= set(VARIANTS)
    assert {row.part for row in VARIANTS.values()} == set(PARTS)


def test_the_matched_deacl_has_ncp_acls_numbers_and_its_own_perturbation():
    ours, matched = (study.recipe_of(replace(SPEC, variant=name)) for name in ("ncp_acl", "deacl_matched"))
    published = study.recipe_of(replace(SPEC, variant="deacl"))
    assert matched.schedule == ours.schedule
    assert matched.defense.second.weight == ours.defense.second.weight == 6.0
    assert matched.model_options == ours.model_options
    assert matched.defense.second.method == "deacl"
    assert published.defense.second.weight == 2.0
    assert published.schedule.epochs * 2 == ours.schedule.epochs
    assert published.model_options["norm_sets"] == 1


def test_the_printed_recipe_is_the_full_setting():
    recipe = ncp_acl.recipe("digits", "ncp_acl", protocol="paper")
    stage = recipe.defense.second
    assert recipe.model_options["network"] == "resnet18"
    assert (recipe.schedule.pretraining_epochs, recipe.schedule.epochs) == (1000, 200)
    assert (stage.inner.epsilon, stage.inner.steps, stage.inner.step_size) == (8 / 255, 5, 2 / 255)
    assert (stage.weight, stage.rank, stage.optimisation.learning_rate) == (6.0, 2, 0.5)
    assert (recipe.defense.first.optimizer, recipe.defense.first.batch_size) == ("lars", 512)


def test_an_unknown_row_or_data_set_is_refused_in_a_sentence():
    with pytest.raises(LabError, match="no row 'ncp'"):
        study.recipe_of(replace(SPEC, variant="ncp"))
    with pytest.raises(LabError, match="not of regdb"):
        study.recipe_of(replace(SPEC, dataset="regdb"))


# Measured, with an epoch of everything


def shorter(monkeypatch):
    recipe = ncp_acl.recipe

    def tiny(dataset, model, *, protocol):
        made = recipe(dataset, model, protocol=protocol)
        learning = made.defense
        learning = replace(learning, fine_tuning=replace(learning.fine_tuning, epochs=2))
        first = 1 if learning.second else 0
        schedule = replace(made.schedule, pretraining_epochs=first, epochs=1)
        options = made.model_options | {"widths": [4, 6, 8], "grid": [3, 4]}
        return replace(made, defense=learning, schedule=schedule, model_options=options)

    def small(dataset, variant, seed):
        words = {"attacked": 24, "by_ensemble": 6, "ensemble_steps": 1}
        return NeighbourSpec(dataset=dataset, variant=variant, seed=seed, samples=256, **words)

    monkeypatch.setattr(ncp_acl, "recipe", tiny)
    monkeypatch.setattr(study, "make_spec", small)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Four rows of a seed in the order in which they came, the same asked for again, and how they are looked up."""
    with pytest.MonkeyPatch.context() as patch:
        shorter(patch)
        store = ResultStore(tmp_path_factory.mktemp("shipped"), tmp_path_factory.mktemp("computed"))
        lab = Lab(device="cpu", store=store, data=tmp_path_factory.mktemp("none"))
        rows = ("simclr", "ncp_acl", "deacl", "ncp_acl_alf")
        steps = list(lab.neighbours.measure("digits", 0, rows, ship=True))
        again = list(lab.neighbours.measure("digits", 0, ("ncp_acl", "simclr"), ship=True))
        lines = lab.neighbours.lines("digits")
    return steps, again, lines, len(list(store.shipped.rglob("*.json")))


def test_rows_come_one_by_one_and_are_kept_at_once(measured):
    steps, again, lines, kept = measured
    found = [step.result for step in steps if step.result is not None]
    assert [result.spec.variant for result in found] == ["simclr", "ncp_acl", "deacl", "ncp_acl_alf"]
    assert (kept, again) == (4, [])
    assert {line.variant: line for line in lines}["ncp_acl"].results == (found[1],)


def test_every_row_of_a_seed_goes_on_from_the_same_simclr(measured, tmp_path, monkeypatch):
    (whole,) = [step.result for step in measured[0] if step.result is not None and step.spec.variant == "ncp_acl"]
    shorter(monkeypatch)
    alone = Lab(device="cpu", store=ResultStore(tmp_path / "a", tmp_path / "b"), data=tmp_path)
    *_, last = alone.neighbours.measure("digits", 0, ("ncp_acl",), ship=True)
    untimed = {"seconds": 0.0, "created": "", "commit": ""}
    assert replace(last.result, **untimed) == replace(whole, **untimed)


def test_the_numbers_of_a_row_are_possible(measured):
    for step in measured[0]:
        result = step.result
        if result is None:
            continue
        assert 0 <= result.ensemble <= result.standard_by_ensemble <= 1
        assert 0 <= result.robust <= result.standard <= 1
        assert result.n_used in result.grid
        assert len(result.grid) == len(result.curve) == 2
        assert bool(result.proof) == (step.spec.variant == "simclr")


# On the disk


def test_a_result_is_read_back_as_it_was_and_a_damaged_one_is_none(tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    result = replace(RESULT, proof=(PROOF,))
    results.save(store, result, {"some": "recipe"}, shipped=False)
    assert results.load(store, SPEC, {"some": "recipe"}) == result
    assert results.load(store, SPEC, {"another": "recipe"}) is None
    (path,) = (tmp_path / "computed").rglob("*.json")
    for change in ({"robust": "high"}, {"curve": [None]}, {"proof": [{}]}):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        assert results.load(store, SPEC, {"some": "recipe"}) is None


def test_every_shipped_result_is_one_that_is_looked_up():
    shipped = list((PROJECT / "assets" / "results" / results.KIND).glob("*.json"))
    lab = Lab(device="cpu")
    found = [r for dataset in ncp_acl.DATASETS for line in lab.neighbours.lines(dataset) for r in line.results]
    assert shipped
    assert len(found) == len(shipped)


def test_the_results_are_told_as_the_command_prints_them(capsys):
    options = parser().parse_args(["neighbours", "--markdown"])
    options.run(options)
    assert capsys.readouterr().out.strip() in (PROJECT / "RESULTS.md").read_text(encoding="utf-8")


# Tables and claims


def test_a_spread_says_mean_deviation_and_how_many():
    assert spread([]) == "–"
    assert spread([0.5]) == "50.0 (1)"
    assert spread([0.4, 0.5, 0.6]) == "50.0 ± 10.0 (3)"


def test_a_table_has_its_own_rows_and_the_proposed_one():
    lines = made()
    assert [line.variant for line in of_part(lines, "strategies")] == ["ncp_acl", "own", "toward"]
    assert [line.variant for line in of_part(made(without=("own", "toward")), "strategies")] == []
    assert "ncp_acl" in {line.variant for line in of_part(lines, "methods")}


def test_the_proof_holds_where_every_seed_turns_many_times_as_many_as_noise():
    assert claim(made(), "Table 1").verdict == "held"
    assert "25.0 times" in claim(made(), "Table 1").numbers
    assert claim(made(noise=0.3), "Table 1").verdict == "not held"


def test_a_lead_must_be_there_on_every_seed():
    assert claim(made({"ncp_acl": 0.5}), "same λ").verdict == "held"
    one = claim(made({"ncp_acl": 0.5, ("deacl_matched", 1): 0.6}), "same λ")
    assert one.verdict == "not held"
    assert "+20.0, -10.0, +20.0" in one.numbers


def test_the_best_strategy_must_be_best_on_every_seed():
    assert claim(made({"ncp_acl": 0.5}), "Table 4").verdict == "held"
    assert claim(made({"ncp_acl": 0.5, ("own", 2): 0.6}), "Table 4").verdict == "not held"


def test_the_contrastive_methods_are_compared_on_the_seeds_that_both_have():
    assert claim(made({"ncp_acl": 0.5}), "contrastive methods").verdict == "held"
    better = claim(made({"ncp_acl": 0.5, ("dynacl", 0): 0.6}), "contrastive methods")
    assert better.verdict == "not held"
    assert "lead RA -10.0, +20.0, +20.0" in better.numbers


def test_a_head_that_adds_much_is_no_robust_representation():
    assert claim(made({"ncp_acl": 0.5, "ncp_acl_alf": 0.51}), "robust head").verdict == "held"
    assert claim(made({"ncp_acl": 0.5, "ncp_acl_alf": 0.55}), "robust head").verdict == "not held"


def test_what_was_not_measured_is_not_judged():
    for text, found in judged(made(seeds=())).items():
        assert found.verdict == "not testable here", text
        assert found.command.startswith("python -m core ")


# On the screen


def test_figures_show_every_seed_and_the_chosen_number_of_clusters():
    lines = made()
    curve = figures.silhouette(lines, None)
    assert [trace.name for trace in curve.data] == [f"SimCLR, seed {seed} (K = 10)" for seed in SEEDS]
    assert list(curve.data[0].marker.size) == [7, 15, 7]
    noise, pushed = figures.proof_of_concept(lines).data
    assert (noise.y[0], pushed.y[0]) == pytest.approx((0.02, 0.5))
    assert len(figures.proof_rows(lines)) == len(SEEDS)


def test_the_papers_numbers_stand_beside_the_rows_they_are_of():
    rows = {row["row"]: row for row in figures.table_rows(made(), "methods")}
    assert rows["NCP-ACL"]["paper RA"] == "54.06"
    assert rows["DeACL, matched"]["paper RA"] == "–"
    assert {row["row"]: row["paper AA"] for row in figures.table_rows(made(), "ranks")}["n = 3"] == "49.93"
    proposed = {part: figures.table_rows(made(), part)[0]["row"] for part in ("strategies", "ranks", "clusters")}
    assert proposed == {"strategies": "(iii) both", "ranks": "n = 2", "clusters": "K by the silhouette"}
    assert figures.csv_text(made()).count("\n") == 2 + len(VARIANTS) * len(SEEDS)


# Pursuits


@pytest.fixture(scope="module")
def lab():
    return Lab(device="cpu")


@pytest.fixture(scope="module")
def sample(lab):
    return int(lab.library.parts("digits")[1].index[0])


def pursue(lab, sample, **changes):
    words = {"dataset": "digits", "model": "simclr", "samples": (sample,), "epsilon": 0.1, "steps": 4}
    return list(lab.neighbours.pursue(PursuitSpec(**words | changes)))


def test_a_pursuit_grows_frame_by_frame_and_nears_the_neighbour(lab, sample):
    reports = pursue(lab, sample)
    assert [len(report.trace.frames) for report in reports] == [1, 2, 3, 4, 5, 6]
    last = reports[-1]
    assert last.progress == 1
    assert last.likeness[-1, 0, 1] > last.likeness[0, 0, 1]
    assert last.likeness[-1, 0, 0] < last.likeness[0, 0, 0]
    assert last.own[0] == last.trace.clusters[0, 0] != last.neighbour[0]
    assert last.map.points.shape == (6, 1, 2)
    assert np.abs(last.trace.frames[-1].views[0] - last.trace.frames[0].views[0]).max() <= 0.1 + 1e-6


@pytest.mark.slow
def test_the_ranks_of_a_sample_are_different_neighbours(lab, sample):
    found = [pursue(lab, sample, rank=rank)[0].neighbour[0] for rank in (2, 3, 4)]
    assert len({int(k) for k in found}) == 3


def test_the_map_has_every_centroid_and_the_words_say_which_way_it_went(lab, sample):
    first, *_, report = pursue(lab, sample, epsilon=0.2)
    figure = figures.representation_map(report)
    (centroids,) = [trace for trace in figure.data if str(trace.name).startswith("centroids")]
    assert len(centroids.x) == len(report.centroids) == len(report.cluster_names)
    said = figures.crossing(report)
    assert report.cluster_names[report.own[0]] in said
    assert report.cluster_names[report.neighbour[0]] in said
    assert "cosine" in said
    assert figures.crossing(first).endswith(f"toward {first.cluster_names[first.neighbour[0]]}.")


def test_an_impossible_pursuit_is_refused_in_a_sentence(lab, sample):
    with pytest.raises(LabError, match="own cluster"):
        pursue(lab, sample, rank=1)
    with pytest.raises(LabError, match="A strategy is one of"):
        pursue(lab, sample, strategy="sideways")
    with pytest.raises(LabError, match="no clusters of a representation"):
        pursue(lab, sample, model="conv_ae")
    with pytest.raises(LabError, match="rank is from 2 to"):
        pursue(lab, sample, rank=99)


def test_shipped_centroids_are_unit_rows_and_as_many_as_the_silhouette_chose(lab):
    model = lab.library.model(lab.library.card("digits", "ncp_acl"))
    centroids = model.centroid_rows()
    torch.testing.assert_close(centroids.norm(dim=1), torch.ones(len(centroids)), rtol=0, atol=0.02)  # 8 or 16 bits
    assert len(centroids) == model.grid[int(model.curve.argmax())]
