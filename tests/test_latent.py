from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.__main__ import parser
from core.attacks.latent import LatentObjective, PerturbationNetworks, flat, random_perturbation
from core.defenses import DEFENSES
from core.errors import LabError
from core.figures import latent as figures
from core.figures import stage
from core.lab import Lab
from core.latent import attack as latent_attack
from core.latent import results
from core.latent.results import sweep_spec
from core.latent.tables import BASES, STEPS, LatentSources, claims
from core.losses.latent import attack_loss
from core.models import MODELS
from core.models.initialise import initialise
from core.published.alrdc import LATENTS, PRINTED
from core.recipes import RECIPES, alrdc
from core.records import AttackSpec, MapRecord, SweepSpec, TrainSpec
from core.store import ResultStore
from core.trainers import latent_attacker_training, model_training
from core.training import fit
from core.training_intents import command, model_recipe
from core.types import MultiViewDataset
from tests.conftest import N_CLASSES, PROJECT, SIDE, make_blobs, make_model

CPU = torch.device("cpu")
GAMMAS = (20.0, 40.0)
SMALL = {"latent": 6, "width": 2, "head_widths": (8,)}
SHAPES = ((1, SIDE, SIDE),)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_networks(*, widths=(12, 10), n_views=1):
    networks = PerturbationNetworks(SHAPES * n_views, SMALL["latent"], GAMMAS, widths=widths)
    initialise(networks, seeded(1))
    return networks.eval()


@pytest.fixture(scope="module")
def few():
    return make_blobs(24, n_views=1)


@pytest.fixture
def model():
    return make_model("conv_ae", n_views=1, **SMALL).eval()


def small_recipe(name, **changes):
    recipe = RECIPES.make(f"digits/{name}")
    options = recipe.model_options | SMALL
    return replace(recipe, model_options=options, batch_size=8, **changes)


def test_what_is_stored_of_a_network_is_the_same_map(few):
    networks = make_networks()
    before = networks(few.views)
    networks.leave_training_behind()
    assert sum(p.numel() for p in networks.parameters()) == len(GAMMAS) * (SIDE * SIDE + 1) * SMALL["latent"]
    for a, b in zip(before, networks(few.views), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_the_network_of_one_gamma_is_that_of_all(few):
    networks = make_networks(n_views=2)
    views = few.views * 2
    assert torch.equal(networks.of(40)(views), networks(views)[1])
    with pytest.raises(LabError, match="There are those of γ = 20, 40"):
        networks.of(30)


def test_random_perturbations_are_as_long_as_the_attacks():
    delta = torch.randn(9, 5, generator=seeded())
    random = random_perturbation(delta, seeded(1))
    torch.testing.assert_close(random.norm(dim=1), delta.norm(dim=1))
    assert torch.equal(random, random_perturbation(delta, seeded(1)))
    assert not torch.equal(random, random_perturbation(delta, seeded(2)))


def test_the_objective_is_the_loss_of_every_gamma_with_one_noise_for_both_branches(model, few):
    networks = make_networks()
    objective = LatentObjective(target=model, networks=networks, picture_weight=2.5, size_weight=1.0)
    found = sum(objective.terms(few.views, seeded(3)).values())
    encoding = model.encode(few.views)
    noise = model.draw(encoding, seeded(3))
    assert noise.abs().sum() > 0
    expected = 0
    for gamma, delta in zip(GAMMAS, networks(few.views), strict=True):
        pictures = [flat(model.decode(encoding.fused + moved + noise)) for moved in (0, delta)]
        expected += attack_loss(*pictures, encoding.probs, model.assign(encoding.fused + delta), delta, gamma=gamma)
    torch.testing.assert_close(found, expected)


def test_the_objective_reaches_the_networks_and_leaves_the_target_alone(model, few):
    networks = make_networks()
    objective = LatentObjective(target=model, networks=networks, picture_weight=2.5, size_weight=1.0)
    loss = sum(objective.terms(few.views, seeded()).values())
    gradients = torch.autograd.grad(loss, list(networks.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(RuntimeError, match="unused"):
        torch.autograd.grad(sum(objective.terms(few.views, seeded()).values()), list(model.head.parameters()))


@pytest.mark.parametrize("name", list(alrdc.HARDENED))
def test_the_defense_adds_both_discriminations_and_trains_model_and_judge(name, model, few):
    judge = model.judge((6, 6))
    initialise(judge, seeded(2))
    words = {"network": make_networks().of(40).requires_grad_(False), "discriminator": judge}
    terms = DEFENSES.make(name, model=model, information_weight=2.5, **words)(few.views, seeded())
    assert set(terms) == {"reconstruction", "gaussian", "category", "perturbed_latent", "clean_latent"}
    parameters = [*judge.parameters(), *model.encoders.parameters(), *model.decoders.parameters()]
    gradients = torch.autograd.grad(terms["perturbed_latent"] + terms["clean_latent"], parameters)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    silent = DEFENSES.make(name, model=model, information_weight=0.0, **words)(few.views, seeded())
    assert silent["perturbed_latent"].item() == silent["clean_latent"].item() == 0


@pytest.mark.parametrize(("variant", "term"), [("mie", "information"), ("graph", "graph")])
def test_a_variant_adds_its_term(variant, term, few):
    plain = make_model("conv_ae", n_views=1, **SMALL)
    other = make_model("conv_ae", n_views=1, variant=variant, variant_weight=1.0, **SMALL)
    terms = other.loss_terms(few.views, other.encode(few.views), seeded())
    assert set(terms) - set(plain.loss_terms(few.views, plain.encode(few.views), seeded())) == {term}
    assert terms[term] > 0


def test_released_sizes_are_those_of_the_code():
    model = make_model("conv_ae", n_views=1)
    assert [layer.out_channels for layer in model.encoders[0] if hasattr(layer, "out_channels")] == [32, 32, 64, 64]
    assert [layer.out_features for layer in model.head if hasattr(layer, "out_features")] == [
        1024,
        1024,
        512,
        N_CLASSES,
    ]
    assert (model.decode(torch.zeros(2, 64))[0].shape[1:], model.mean.out_features) == (SHAPES[0], 64)
    judge = model.judge((64, 64))
    assert judge[0].in_features == 64 + SIDE * SIDE + N_CLASSES


def test_vectors_go_through_layers_and_come_back_without_a_sigmoid():
    recipe = RECIPES.make("reuters/conv_ae.paper")
    made = MODELS.make("conv_ae", view_shapes=((1, 1, 2000),), n_clusters=4, **recipe.model_options)
    initialise(made, seeded())
    encoder, decoder = ([m.weight.shape for m in part.modules() if isinstance(m, nn.Linear)] for part in
                        (made.encoders[0], made.decoders[0]))  # fmt: skip
    assert encoder == [(500, 2000), (500, 500), (2000, 500)]
    assert decoder == [(2000, 64), (500, 2000), (500, 500), (2000, 500)]
    assert made.mean.weight.shape == (64, 2000)
    decoded = made.decode(10 * torch.randn(5, 64, generator=seeded()))[0]
    assert decoded.shape == (5, 1, 1, 2000)
    assert decoded.min() < 0
    assert recipe.attacker.picture_weight == recipe.model_options["reconstruction_weight"] == 250


def test_vectors_are_clustered_and_their_latent_is_attacked():
    labels = torch.arange(24) % 3
    rows = torch.rand(3, 20, generator=seeded())[labels] + 0.1 * torch.rand(24, 20, generator=seeded(1))
    few = MultiViewDataset("reuters", (rows[:, None, None],), labels, ("a", "b", "c"))
    recipe = RECIPES.make("reuters/conv_ae")
    options = recipe.model_options | {"latent": 4, "head_widths": [8]}
    recipe = replace(recipe, model_options=options, batch_size=8, schedule=replace(recipe.schedule, epochs=1))
    training = model_training(recipe, few.view_shapes, 3, seed=0, device=CPU)
    logs = [*fit([replace(p, epochs=1) for p in training.phases], few, batch_size=8, generator=training.generator)]
    assert {log.phase for log in logs} == {"pre-training", "head", "clustering"}
    attacking = latent_attacker_training(replace(recipe.attacker, epochs=1), training.result, seed=0, device=CPU)
    [*_] = fit(attacking.phases, few, batch_size=8, generator=attacking.generator)
    assert attacking.result.of(40.0)(few.views).shape == (24, 4)


@pytest.mark.parametrize(
    ("shapes", "options", "said"),
    [
        (((1, 18, 24),), {}, "multiples of 4"),
        (SHAPES, {"variant": "other"}, "plain, mie or graph"),
        (SHAPES, {"latent": 0}, "at least 1 dimension"),
        (SHAPES, {"network": "trees"}, "convolutions or layers, got 'trees'"),
    ],
)
def test_impossible_autoencoders_are_refused(shapes, options, said):
    with pytest.raises(LabError, match=said):
        MODELS.make("conv_ae", view_shapes=shapes, n_clusters=4, **options)


def test_training_goes_from_the_autoencoder_over_the_head_to_both(few):
    recipe = small_recipe("conv_ae")
    schedule = replace(recipe.schedule, pretraining_epochs=7, epochs=1)
    training = model_training(replace(recipe, schedule=schedule), SHAPES, N_CLASSES, seed=0, device=CPU)
    logs = list(fit(training.phases, few, batch_size=8, generator=training.generator))
    assert [log.phase for log in logs] == ["pre-training"] * 2 + ["head"] * 5 + ["clustering"]
    assert logs[6].terms["assignment"] < logs[2].terms["assignment"]


def test_a_hardened_model_begins_where_the_attacked_one_ended(model, few):
    recipe = small_recipe("alrdc_mie")
    networks = make_networks(widths=())
    training = model_training(recipe, SHAPES, N_CLASSES, seed=5, device=CPU, hardened=(model, networks))
    assert torch.equal(training.result.mean.weight, model.mean.weight)
    before = {name: tensor.clone() for name, tensor in networks.state_dict().items()}
    (phase,) = training.phases
    list(fit([replace(phase, epochs=1)], few, batch_size=8, generator=training.generator))
    assert not torch.equal(training.result.mean.weight, model.mean.weight)
    assert all(torch.equal(tensor, before[name]) for name, tensor in networks.state_dict().items())


def test_trained_networks_move_more_samples_than_random_directions(few):
    recipe = small_recipe("conv_ae")
    recipe = replace(recipe, schedule=replace(recipe.schedule, pretraining_epochs=30, epochs=10))
    training = model_training(recipe, SHAPES, N_CLASSES, seed=0, device=CPU)
    list(fit(training.phases, few, batch_size=8, generator=training.generator))
    model = training.result.eval()
    attacker = replace(recipe.attacker, epochs=40, batch_size=8, widths=(32,))
    training = latent_attacker_training(attacker, model, seed=0, device=CPU)
    list(fit(training.phases, few, batch_size=8, generator=training.generator))
    subject, clean = latent_attack.start(model, few, N_CLASSES, "")
    frame = latent_attack.frame(model, few, subject, clean, training.result.of(80.0), 80.0, seed=0)
    assert frame.scores.changed > frame.controls["random_direction"].changed
    assert frame.scores.linf[0] == frame.scores.l2[0] == 0  # no pixel is changed
    assert frame.scores.linf[1] > 0
    np.testing.assert_array_equal(frame.views[0], few.views[0].numpy())


# What ships


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return Lab(device="cpu", store=ResultStore(folder / "shipped", folder / "computed"))


def spec_of(lab, model="conv_ae", attack="latent", samples=64):
    card = lab.library.card("digits", model)
    return sweep_spec(card, lab.latents.attacker("digits", model, attack), attack, samples=samples)


@pytest.fixture(scope="module")
def report(lab):
    *_, last = lab.sweep(spec_of(lab))
    return last


def test_a_sweep_goes_along_gamma_and_changes_no_pixel(report):
    assert [frame.epsilon for frame in report.frames] == [0, 20, 40, 60, 80]
    assert report.finished
    for frame in report.frames:
        np.testing.assert_array_equal(frame.views[0], report.frames[0].views[0])
    moved = [frame.scores.changed for frame in report.frames]
    assert moved[0] == 0
    assert moved == sorted(moved)


def test_the_attack_that_ships_moves_a_quarter_while_decoded_pictures_hardly_change(lab):
    result = lab.latents.result(spec_of(lab, samples=512))
    assert result.gamma == 40
    assert result.flips >= 0.25
    assert result.control_flips < 0.05
    assert result.moved < 0.25 * result.error


def test_a_measured_row_is_kept_for_these_weights_alone(lab, report):
    spec = report.spec
    measured = lab.latents.result(spec)
    weights, networks = measured.card_digest, measured.attacker_digest
    assert results.load(lab._store, spec, weights, networks) == measured
    assert results.load(lab._store, spec, "0" * 64, networks) is None
    assert results.load(lab._store, replace(spec, points=3), weights, networks) is None


@pytest.mark.parametrize("damage", [{"flips": "many"}, {"clean": None}, {"gamma": True}])
def test_a_damaged_row_counts_as_absent(lab, tmp_path, damage):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    measured = lab.latents.result(spec_of(lab))
    results.save(store, measured)
    (path,) = [path for path in (tmp_path / "computed").rglob("*") if path.is_file()]
    values = store.load_values(results.KIND, path.name.partition(".")[0])
    store.save_values(results.KIND, path.name.partition(".")[0], {**values, **damage})
    found = results.load(store, measured.spec, measured.card_digest, measured.attacker_digest)
    assert found is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epsilon": 50.0}, "No perturbation network was trained for γ = 12.5"),
        ({"norm": "linf", "epsilon": 0.3}, "go with the norm gamma"),
        ({"attack": "pgd"}, "go with the norm gamma"),
        ({"attack": "earlier_latent"}, "was not hardened"),
        ({"dataset": "noisy_digits", "model": "cl_mvc"}, "no latent to attack"),
        ({"epsilon": -1.0}, "γ must be a finite number"),
    ],
)
def test_impossible_attacks_on_a_latent_are_refused_in_a_sentence(lab, changes, said):
    spec = spec_of(lab)

    def run():
        return list(lab.sweep(replace(spec, attack=replace(spec.attack, **changes))))

    with pytest.raises(LabError, match=said):
        run()


def test_the_stage_speaks_of_gamma_and_of_decoded_pictures(report):
    points = np.zeros((5, 64, 2), np.float32)
    record = MapRecord(method="pca", points=points, reference=points[0], reference_clusters=np.zeros(64, np.int64))
    buffer = stage.pack(report, record, view_names=("original", "decoded"))
    text = buffer[: buffer.index(b"}]}") if b"}]}" in buffer else None].decode("utf-8", errors="ignore")
    assert '"symbol": "γ"' in text or '"symbol":"γ"' in text or "\\u03b3" in text
    assert "no pixel is changed" in text
    assert "with z" in text


def test_figure_1_is_a_picture_with_a_row_for_the_originals_and_each_gamma(report):
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(figures.figure_1(report, count=4)))
    assert image.height == 6 * (28 * figures.ZOOM + figures.NAME + figures.GAP)
    assert image.width == figures.CAPTION + 4 * (28 * figures.ZOOM + figures.GAP)


def test_figure_1_names_a_cluster_without_a_label_as_the_stage_does(report, monkeypatch):
    written = []
    write = figures.lettering.write
    monkeypatch.setattr(figures.lettering, "write", lambda *words: (written.append(words[2]), write(*words))[1])
    subject = replace(report.subject, matching=np.full_like(report.subject.matching, -1))
    figures.figure_1(replace(report, subject=subject), count=4)
    names = [text for text in written if text != "original" and not text.startswith(("decoded", "γ"))]
    assert names
    assert all(name.startswith("∅") for name in names)


# The tables and the claims


def test_what_the_paper_prints_is_whole():
    assert len(PRINTED) == 2 * 3 * 3
    for (step, _, _), printed in PRINTED.items():
        assert (printed.shift is None) == (step == "defense")
        assert (printed.clean_accuracy is None) == (printed.clean_nmi is None) == (step == "reattack")
        rows = [printed.accuracy, printed.nmi, printed.clean_accuracy, printed.clean_nmi]
        assert all(len(row) == len(LATENTS) and all(30 < value < 100 for value in row) for row in rows if row)
    assert PRINTED["attack", "stl10", "conv_ae"].shift == (2.77, 2.48, 0.74, 0.40)
    assert len(figures.printed_rows()) == 18 * 4


def test_without_checkpoints_every_row_says_which_command_makes_it():
    lines = LatentSources(models=(), attackers=(), stored=lambda *key: None).lines("digits")
    assert [(line.base, line.step) for line in lines] == [(base, step) for base in BASES for step in STEPS]
    assert lines[0].remedy == "python -m core train digits/conv_ae"
    assert {claim.verdict for claim in claims(lines)} == {"not testable here"}
    assert figures.rows(lines)[0]["made by"] == lines[0].remedy


def judged(lab, **changes):
    """The verdicts when attack, defense and re-attack have these numbers."""
    usual = replace(lab.latents.result(spec_of(lab)), flips=0.4, moved=1.0, error=4.0, relative_shift=10.0)
    clean, bad = replace(usual.clean, accuracy=0.8), replace(usual.attacked, accuracy=0.5)
    usual = replace(usual, clean=clean, attacked=bad)
    of = {step: replace(usual, **changes.get(step, {})) for step in STEPS}
    lines = LatentSources(models=(), attackers=(), stored=lambda *key: None).lines("digits")
    filled = [replace(line, result=of[line.step]) for line in lines]
    return [claim.verdict for claim in claims(filled)]


def test_claims_are_judged_by_the_rows(lab):
    none = judged(lab)
    assert none[:5] == ["held", "not held", "not held", "not held", "not held"]
    assert none[5:] == ["not held", "not testable here", "not testable here"]
    result = lab.latents.result(spec_of(lab))
    good = replace(result.clean, accuracy=0.9)
    defense = {"clean": good, "attacked": good}
    again = {"clean": good, "attacked": replace(good, accuracy=0.85), "relative_shift": 20.0}
    assert judged(lab, defense=defense, reattack=again)[:6] == ["held"] * 6
    assert judged(lab, attack={"flips": 0.24})[0] == "not held"
    assert judged(lab, attack={"moved": 4.1})[0] == "not held"


@pytest.mark.parametrize(("larger", "verdict"), [(5.0, "held"), (12.0, "not held")])
def test_the_claim_of_sizes_is_judged_by_two_of_them(lab, larger, verdict):
    result = lab.latents.result(spec_of(lab))
    lines = LatentSources(models=(), attackers=(), stored=lambda *key: None).lines("digits")
    first = replace(lines[0], result=replace(result, relative_shift=10.0))
    second = replace(first, latent=128, result=replace(result, relative_shift=larger))
    (claim,) = (claim for claim in claims([first, second]) if claim.text.startswith("The larger the latent"))
    assert claim.verdict == verdict
    assert claim.numbers.endswith(f"10.0 % at 64, {larger:.1f} % at 128")


def test_numbers_are_taken_at_a_gamma_of_the_sweep_alone(report):
    with pytest.raises(LabError, match="has γ = 0, 20, 40, 60, 80, and not 30"):
        results.result_of(report, 30.0, "")


def test_a_grid_of_gamma_with_gaps_is_refused(lab):
    card = lab.library.card("digits", "conv_ae")
    networks = lab.latents.attacker("digits", "conv_ae")
    uneven = replace(networks, recipe=networks.recipe | {"gammas": [20.0, 30.0, 80.0]})
    with pytest.raises(LabError, match="not evenly spaced"):
        sweep_spec(card, uneven, "latent", samples=64)


def test_networks_that_are_gone_are_named_with_the_command_that_makes_them(lab, monkeypatch):
    spec = spec_of(lab)
    monkeypatch.setattr(lab.library, "latent_attacker", lambda card: None)
    with pytest.raises(LabError, match=r"core train digits/conv_ae\.latent"):
        list(lab.sweep(spec))
    with pytest.raises(LabError, match=r"core train digits/conv_ae\.latent"):
        lab.latents.result(spec)


# What is written down of it


def test_every_shipped_row_is_one_that_is_looked_up():
    shipped = list((PROJECT / "assets" / "results" / results.KIND).glob("*.json"))
    rows = Lab(device="cpu").latents
    found = [line for dataset in rows.datasets() for line in rows.lines(dataset) if line.result is not None]
    assert shipped
    assert len(found) == len(shipped)


def test_the_results_are_told_as_the_command_prints_them(capsys):
    options = parser().parse_args(["latent", "--markdown"])
    options.run(options)
    assert capsys.readouterr().out.strip() in (PROJECT / "RESULTS.md").read_text(encoding="utf-8")


# Training it all


def test_a_latent_of_another_size_has_a_name_and_a_command_of_its_own():
    spec = TrainSpec(dataset="digits", model="alrdc", latent=128)
    assert spec.name == "alrdc.latent128"
    assert command(spec) == "python -m core train digits/alrdc --latent 128"
    recipe = model_recipe(spec)
    assert recipe.model_options["latent"] == 128
    assert recipe.defense.widths == (128, 128)
    with pytest.raises(LabError, match="leave --latent out"):
        model_recipe(TrainSpec(dataset="noisy_digits", model="cl_mvc", latent=128))


def test_a_model_goes_on_the_data_sets_of_its_paper():
    with pytest.raises(LabError, match="cl_mvc goes on noisy_mnist"):
        model_recipe(TrainSpec(dataset="digits", model="cl_mvc"))


def test_a_defense_without_what_it_hardens_names_the_command(tmp_path):
    lab = Lab(checkpoints=tmp_path / "checkpoints", runs=tmp_path / "runs", device="cpu")
    with pytest.raises(LabError, match="core train digits/conv_ae --latent 128"):
        next(lab.train(TrainSpec(dataset="digits", model="alrdc", latent=128)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"kind": "latent", "epsilon": 0.2}, "has no ε"),
        ({"kind": "latent", "latent": 64}, "takes its target's latent"),
        ({"kind": "latent", "runs": 2}, "trained once"),
        ({"kind": "other"}, "a latent attacker"),
        ({"latent": 0}, "at least 1"),
    ],
)
def test_impossible_trainings_of_latents_are_refused(words, said):
    with pytest.raises(LabError, match=said):
        TrainSpec(dataset="digits", model="conv_ae", **words)


def test_each_model_has_its_own_kind_of_attacker(lab):
    with pytest.raises(LabError, match=r"core train digits/conv_ae\.latent"):
        lab.training_plan(TrainSpec(dataset="digits", model="conv_ae", kind="attacker"))
    with pytest.raises(LabError, match=r"core train noisy_digits/cl_mvc\.gan"):
        lab.training_plan(TrainSpec(dataset="noisy_digits", model="cl_mvc", kind="latent"))
    assert lab.training_plan(TrainSpec(dataset="digits", model="conv_ae", kind="latent")).made


def test_pixels_of_an_autoencoder_are_attacked_like_any_models(lab):
    attack = AttackSpec(dataset="digits", model="conv_ae", attack="pgd", epsilon=0.2, samples=8, objective="assignment")
    *_, last = lab.sweep(SweepSpec(attack=attack, points=2))
    assert last.frames[-1].scores.linf[0] == pytest.approx(0.2)
