"""What happens between epochs and in which order: phases that end early, begin with a look at all samples or forget
their optimiser, and the stages and losses of the models that have more than one."""

import math
from dataclasses import replace
from statistics import fmean

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.nn.functional import normalize

from core.checkpoints import weights_path
from core.clustering import kmeans
from core.lab import Lab
from core.models import MODELS
from core.models.heads import CentroidHead
from core.models.initialise import initialise
from core.recipes import RECIPES
from core.recipes.alrdc import MODELS as LATENT_MODELS
from core.recipes.base import Stage
from core.recipes.clustr import MAGNETS
from core.recipes.ncp_acl import MODELS as REPRESENTATIONS
from core.records import TrainSpec
from core.store import ResultStore
from core.trainers import attacker_training, model_training
from core.training import Phase, Schedule, Update, adam, fit, restore, snapshot
from tests import baseline_reference, reference
from tests.conftest import N_CLASSES, SIDE, make_blobs, make_model

CPU = torch.device("cpu")
EXACT = {"rel": 1e-4, "abs": 1e-6}  # float32 against loops in float64
SMALL = 16  # the smallest side an encoder takes
WITH_TRAINING_PARTS = [name for name in MODELS if MODELS[name].training_only]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def few():
    return make_blobs(24)


@pytest.fixture(scope="module")
def small():
    """Five samples with three views of 16 x 16."""
    return tuple(view[:5, :, 4:20, 4:20].contiguous() for view in make_blobs(8, n_views=3).views)


def make_small(name, *, n_views=3, seed=0, **options):
    model = MODELS.make(name, view_shapes=((1, SMALL, SMALL),) * n_views, n_clusters=N_CLASSES, **options)
    initialise(model, seeded(seed))
    return model.eval()


def schedule(**changes):
    words = {"pretraining_epochs": 0, "epochs": 1, "rounds": 1, "learning_rate": 1e-3, "learning_rates": {}}
    return Schedule(**(words | {"clip_norm": None, "patience": None} | changes))


def floats(rows):
    return rows.detach().double().flatten(1).tolist()


def parameters(network):
    return {name: tensor.detach().clone() for name, tensor in network.named_parameters()}


def moved(network, before):
    return {name for name, tensor in network.named_parameters() if not torch.equal(tensor, before[name])}


def below(network, *parts):
    return {name for name, _ in network.named_parameters() if name.split(".")[0] in parts}


# Phases


class Scripted(nn.Module):
    """Its loss in epoch i is the i-th number of a script, whatever happens."""

    def __init__(self, losses):
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))
        self.losses = iter(losses)

    def terms(self, views, generator):
        return {"scripted": next(self.losses) + 0 * self.place.sum()}


def scripted(name, losses, *, epochs, patience=None, start=None):
    network = Scripted(losses)
    update = Update(network.terms, torch.optim.SGD(network.parameters(), lr=1.0))
    return Phase(name, epochs, network, (update,), patience=patience, start=start)


def run(phases, data, *, batch_size=24, earlier=()):
    return list(fit(phases, data, batch_size=batch_size, generator=seeded(), earlier=earlier))


@pytest.mark.parametrize(
    ("losses", "patience", "length"),
    [
        ([3, 2, 2, 2, 2, 2], 2, 4),  # the same again is no progress
        ([3, 2, 4, 1, 4, 4], 2, 6),
        ([3, 4, 4, 4, 4, 4], 1, 2),
        ([6, 5, 4, 3, 2, 1], 1, 6),
        ([1, 2, 2, 2, 2, 2], 3, 4),
        ([1, 9, 9, 9, 9, 9], None, 6),
    ],
)
def test_a_phase_ends_when_its_lowest_loss_is_as_old_as_its_patience(losses, patience, length, few):
    logs = run([scripted("only", losses, epochs=6, patience=patience)], few)
    assert [log.total for log in logs] == losses[:length]


def test_patience_ends_its_own_phase_only(few):
    phases = [
        scripted("first", [5] * 4, epochs=4),
        scripted("second", [1] * 6, epochs=6, patience=2),
        scripted("third", [7] * 3, epochs=3),
    ]
    logs = run(phases, few)
    assert [log.phase for log in logs] == ["first"] * 4 + ["second"] * 3 + ["third"] * 3


def test_a_log_says_how_many_epochs_are_left_after_an_early_end_too(few):
    phases = [scripted("first", [1] * 6, epochs=6, patience=2), scripted("second", [1] * 3, epochs=3)]
    logs = run(phases, few)
    assert [log.epochs - log.epoch for log in logs] == [8, 7, 3, 2, 1, 0]
    assert [log.epoch for log in logs] == [1, 2, 3, 4, 5, 6]
    assert logs[-1].seconds_left == 0


def test_a_resume_after_an_early_end_does_not_start_that_phase_again(few):
    def phases(second):
        return [scripted("first", [1] * 3, epochs=6, patience=2), scripted("second", second, epochs=2)]

    earlier = run(phases([4, 5]), few)[:3]
    later = run(phases([4, 5]), few, earlier=earlier)
    assert [(log.phase, log.epoch, log.epochs) for log in later] == [("second", 4, 5), ("second", 5, 5)]


def test_a_resume_in_the_middle_remembers_how_long_nothing_has_improved(few):
    earlier = run([scripted("only", [1, 2, 3, 4], epochs=9, patience=3)], few)[:3]
    later = run([scripted("only", [4, 5, 6], epochs=9, patience=3)], few, earlier=earlier)
    assert [log.total for log in later] == [4]


def starting(seen, name, data):
    def start(views):
        assert all(torch.equal(view, whole) for view, whole in zip(views, data.views, strict=True))
        seen.append(name)

    return start


def test_a_phase_starts_once_with_all_samples_before_its_first_epoch(few):
    seen = []

    def watch(name):
        phase = scripted(name, [3, 2, 1], epochs=3, start=starting(seen, f"start of {name}", few))
        return replace(phase, updates=(replace(phase.updates[0], loss=watched(name, phase.updates[0].loss)),))

    def watched(name, loss):
        return lambda views, generator: seen.append(f"epoch of {name}") or loss(views, generator)

    run([watch("first"), watch("second")], few)
    assert seen == [line for name in ("first", "second") for line in [f"start of {name}"] + [f"epoch of {name}"] * 3]


@pytest.mark.parametrize(("n_done", "expected"), [(0, ["first", "second"]), (1, ["second"]), (2, ["second"]), (3, [])])
def test_a_resume_starts_only_the_phases_that_have_not_begun(n_done, expected, few):
    def phases(seen):
        return [scripted(n, [2, 1], epochs=2, start=starting(seen, n, few)) for n in ("first", "second")]

    seen = []
    earlier = run(phases([]), few)[:n_done]
    run(phases(seen), few, earlier=earlier)
    assert seen == expected


def fresh_phases(model, *, fresh, epochs):
    update = Update(model.training_terms, adam(model.parameters(), 1e-3), clip_norm=10.0, fresh=fresh)
    return [Phase("contrast", epochs, model, (update,))]


def test_a_fresh_optimiser_equals_a_new_one_every_epoch_bit_for_bit(few):
    forgetting, renewed = make_model("simvc"), make_model("simvc")
    run(fresh_phases(forgetting, fresh=True, epochs=3), few, batch_size=8)
    generator = seeded()
    for _ in range(3):
        list(fit(fresh_phases(renewed, fresh=False, epochs=1), few, batch_size=8, generator=generator))
    ends = zip(forgetting.state_dict().values(), renewed.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in ends)


def test_an_optimiser_that_is_not_fresh_remembers(few):
    forgetting, remembering = make_model("simvc"), make_model("simvc")
    for model, fresh in ((forgetting, True), (remembering, False)):
        run(fresh_phases(model, fresh=fresh, epochs=2), few, batch_size=8)
    assert not torch.equal(forgetting.head.logits.weight, remembering.head.logits.weight)


# EAMC


def eamc_phase(model):
    """Its phase with the released numbers, which are the facts'."""
    (phase,) = model.phases(replace(RECIPES.make("noisy_mnist/eamc.released").schedule, epochs=1))
    return phase


def test_eamc_has_the_optimisers_of_the_facts():
    model = make_model("eamc")
    clustering, judging = (update.optimizer for update in eamc_phase(model).updates)
    names = {id(tensor): name.split(".")[0] for name, tensor in model.named_parameters()}

    def described(optimizer):
        groups = optimizer.param_groups
        return {(names[id(p)], g["lr"], g["betas"], g["weight_decay"]) for g in groups for p in g["params"]}

    assert isinstance(clustering, torch.optim.Adam)
    assert isinstance(judging, torch.optim.Adam)
    assert described(clustering) == {
        ("encoders", 1e-5, (0.95, 0.999), 0),
        ("head", 1e-5, (0.95, 0.999), 0),
        ("attention", 1e-4, (0.95, 0.999), 0),
    }
    assert described(judging) == {("discriminators", 1e-3, (0.5, 0.999), 0)}


def test_every_weight_of_eamc_belongs_to_one_optimiser():
    model = make_model("eamc")
    groups = [group for update in eamc_phase(model).updates for group in update.optimizer.param_groups]
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize(("i", "parts"), [(0, ("encoders", "attention", "head")), (1, ("discriminators",))])
def test_each_update_of_eamc_moves_its_own_side_only(i, parts, few):
    model = make_model("eamc")
    before, phase = parameters(model), eamc_phase(model)
    run([replace(phase, updates=(phase.updates[i],))], few, batch_size=12)
    assert moved(model, before) == below(model, *parts)


def test_the_discriminators_learn_after_the_encoders_from_a_fresh_forward_pass(few):
    model = make_model("eamc")
    phase = eamc_phase(model)
    list(fit([phase], few, batch_size=24, generator=seeded()))
    stepwise = make_model("eamc").train()
    for update in eamc_phase(stepwise).updates:  # the one batch has all samples
        terms = update.loss(tuple(view[torch.randperm(24, generator=seeded())] for view in few.views), seeded())
        update.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        update.optimizer.step()
    ends = zip(model.state_dict().values(), stepwise.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in ends)


def test_the_terms_of_eamc_are_the_facts(small):
    model = make_small("eamc")
    with torch.no_grad():
        model.head.logits.weight.mul_(100)
        encoding = model.encode(small)
        terms = {name: term.item() for name, term in model.loss_terms(small, encoding).items()}
        scores = [d(z).squeeze(1).tolist() for d, z in zip(model.discriminators, encoding.embeddings[1:], strict=True)]
        attention = model.attention(torch.cat(encoding.embeddings, dim=1)).double().sigmoid()
    per_sample = torch.tensor([baseline_reference.softmax([x / 10 for x in row]) for row in attention.tolist()])
    weights = per_sample.mean(dim=0).tolist()
    rows = [floats(z) for z in encoding.embeddings]
    kernel = reference.gaussian_kernel(floats(encoding.hidden), "released")
    assert terms == pytest.approx(
        {
            "separation": reference.separation(floats(encoding.probs), kernel),
            "orthogonality": baseline_reference.cluster_orthogonality(floats(encoding.probs)),
            "simplex": reference.simplex(floats(encoding.probs), kernel),
            "attention": baseline_reference.attention_loss(rows, floats(encoding.fused), weights),
            "generator": 10 * baseline_reference.generator_loss(scores),
        },
        rel=1e-3,
        abs=1e-5,
    )


def test_the_discriminators_of_eamc_tell_the_first_view_from_each_other_one(small):
    model = make_small("eamc")
    with torch.no_grad():
        (loss,) = model.discriminator_terms(small, seeded()).values()
        first, *others = model.embed(small)
        of_first = [d(first).squeeze(1).tolist() for d in model.discriminators]
        of_others = [d(z).squeeze(1).tolist() for d, z in zip(model.discriminators, others, strict=True)]
    assert loss.item() == pytest.approx(baseline_reference.discriminator_loss(of_first, of_others), **EXACT)


def test_what_the_discriminators_minimise_has_no_gradient_in_the_encoders(small):
    model = make_small("eamc")
    model.discriminator_terms(small, seeded())["discriminator"].backward()
    assert {name for name, tensor in model.named_parameters() if tensor.grad is not None} == below(
        model, "discriminators"
    )


def test_eamc_attends_to_views_as_a_batch_in_training_and_to_each_sample_otherwise(small):
    model = make_small("eamc")
    with torch.no_grad():
        model.attention[2].weight.mul_(100)
        embeddings = model.embed(small)
        alone, together = model.attend(embeddings), model.train().attend(embeddings)
    assert (together == together[:1]).all()
    assert not (alone == alone[:1]).all()
    torch.testing.assert_close(alone.mean(dim=0), together[0])


# Multi-VAE


def vae_terms(model, views, share, *, scaled):
    """The loss with the means as latents, literally."""
    with torch.no_grad():
        rows = [b(z) for b, z in zip(model.bottlenecks, model.embed(views), strict=True)]
        alpha = model.common(torch.cat(rows, dim=1)).softmax(dim=1)
        means = [layer(row) for layer, row in zip(model.means, rows, strict=True)]
        variances = [layer(row) for layer, row in zip(model.log_variances, rows, strict=True)]
        logits = [d(torch.cat([mean, alpha], dim=1)) for d, mean in zip(model.decoders, means, strict=True)]
    pixels, n_views = SMALL * SMALL, len(views)
    errors = [baseline_reference.reconstruction(floats(x), floats(y)) for x, y in zip(views, logits, strict=True)]
    normal = [baseline_reference.normal_kl(floats(m), floats(v)) for m, v in zip(means, variances, strict=True)]
    discrete = abs(share * math.log(N_CLASSES) - baseline_reference.categorical_kl(floats(alpha)))
    return {
        "reconstruction": sum(errors) if scaled else sum(errors) / pixels,
        "continuous": 30 * sum(abs(share * 5 - kl) / pixels for kl in normal),
        "discrete": 30 * (n_views * discrete / (n_views * pixels) if scaled else n_views * discrete / pixels),
    }


@pytest.mark.parametrize("scaled", [False, True], ids=["original", "deepmvc"])
@pytest.mark.parametrize(("steps", "share"), [(0, 0), (25, 0.25), (50, 0.5), (100, 1), (101, 1), (10**9, 1)])
def test_the_capacities_of_multi_vae_grow_linearly_and_stop(steps, share, scaled, small):
    model = make_small("multi_vae", capacity_steps=100, deepmvc_scaling=scaled)
    model.steps.fill_(steps)
    with torch.no_grad():
        for layer in (*model.means, *model.log_variances, model.common):
            layer.weight.mul_(20)  # divergences of some nats, between the capacities
        terms = {name: term.item() for name, term in model.loss_terms(small, model.encode(small)).items()}
    assert terms == pytest.approx(vae_terms(model, small, share, scaled=scaled), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("n_views", [2, 3])
def test_deepmvc_makes_multi_vaes_reconstruction_heavier_and_leaves_the_divergences(n_views, small):
    # Facts 2.6: there P, the number of pixels, divides the divergences but not the reconstruction.
    views, terms = small[:n_views], []
    for scaled in (False, True):
        model = make_small("multi_vae", n_views=n_views, deepmvc_scaling=scaled)
        with torch.no_grad():
            terms.append(model.loss_terms(views, model.encode(views)))
    original, deepmvc = terms
    assert deepmvc["reconstruction"].item() == pytest.approx(SMALL * SMALL * original["reconstruction"].item())
    assert deepmvc["continuous"].item() == pytest.approx(original["continuous"].item())
    assert deepmvc["discrete"].item() == pytest.approx(original["discrete"].item() / n_views)


def test_multi_vaes_capacities_take_25_000_steps_unless_told():
    model = make_small("multi_vae")
    assert (model.capacity_steps, model.capacity, model.divergence_weight, model.temperature) == (25_000, 5, 30, 0.67)


def test_every_step_of_training_counts_for_multi_vaes_capacities_and_nothing_else_does(small):
    model = make_small("multi_vae")
    for _ in range(3):
        model.training_terms(small, seeded())
    model.loss_terms(small, model.encode(small))
    assert model.state_dict()["steps"].item() == 3


def test_a_resumed_multi_vae_goes_on_counting(few):
    def phases():
        model = make_model("multi_vae")
        return model, model.phases(schedule(epochs=2))

    (_, broken), (resumed, later) = phases(), phases()
    logs, generator = [], seeded()
    epochs = fit(broken, few, batch_size=8, generator=generator)
    logs.append(next(epochs))
    epochs.close()
    restore(later, seeded(), snapshot(broken, generator))
    assert resumed.steps.item() == 3
    run(later, few, batch_size=8, earlier=logs)
    assert resumed.steps.item() == 6


def test_multi_vae_samples_in_training_and_takes_the_means_without_a_generator(small):
    model = make_small("multi_vae")
    encoding = model.encode(small)

    def loss(generator):
        return sum(model.loss_terms(small, encoding, generator).values()).item()

    assert loss(seeded(0)) == loss(seeded(0)) != loss(seeded(1))
    assert loss(None) == loss(None) != loss(seeded(0))


def test_multi_vaes_sampled_latents_are_the_facts(small):
    # The decoders get m + e^(lv / 2) ε of their view and one Gumbel-softmax sample of all, drawn in that order.
    model, given = make_small("multi_vae", n_views=1), []
    model.decoders[0].register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    with torch.no_grad():
        model.training_terms(small[:1], seeded(7))
        row = model.bottlenecks[0](model.embed(small[:1])[0])
        mean, deviation, logits = model.means[0](row), (model.log_variances[0](row) / 2).exp(), model.common(row)
    draws = seeded(7)
    uniform, noise = torch.rand(5, N_CLASSES, generator=draws), torch.randn(5, 10, generator=draws)
    shared = baseline_reference.gumbel_softmax(floats(logits), floats(uniform), 0.67)
    expected = torch.cat([mean + deviation * noise, torch.tensor(shared, dtype=torch.float32)], dim=1)
    torch.testing.assert_close(given[0], expected, rtol=1e-4, atol=1e-5)


def test_evaluation_of_multi_vae_takes_the_most_probable_corner_and_the_means(small):
    model = make_small("multi_vae")
    with torch.no_grad():
        encoding = model.encode(small)
        rows = [b(z) for b, z in zip(model.bottlenecks, encoding.embeddings, strict=True)]
        means = torch.cat([layer(row) for layer, row in zip(model.means, rows, strict=True)], dim=1)
    corners = torch.eye(N_CLASSES)[encoding.fused.argmax(dim=1)]
    torch.testing.assert_close(encoding.hidden[:, :N_CLASSES], corners, rtol=0, atol=1e-6)
    assert torch.equal(encoding.hidden[:, N_CLASSES:], means)


def test_the_corner_of_multi_vae_has_the_gradient_of_its_probabilities(small):
    model, views = make_small("multi_vae"), tuple(view.clone().requires_grad_() for view in small)
    encoding = model.encode(views)
    weights = torch.randn(encoding.fused.shape, generator=seeded())
    sums = [(weights * rows).sum() for rows in (encoding.fused, encoding.hidden[:, :N_CLASSES])]
    probabilities, corner = (torch.autograd.grad(total, views, retain_graph=True) for total in sums)
    assert all(gradient.abs().sum() > 0 for gradient in probabilities)
    for one, other in zip(probabilities, corner, strict=True):
        torch.testing.assert_close(one, other)


# AECoDDC and InfoDDC


@pytest.mark.parametrize("name", ["aecoddc", "infoddc"])
def test_clustering_starts_with_a_new_optimiser_and_every_weight(name, few):
    model = make_model(name)
    phases = model.phases(schedule(pretraining_epochs=2, epochs=3, clip_norm=10.0, patience=7))
    assert [(phase.name, phase.epochs) for phase in phases] == [("pre-training", 2), ("clustering", 3)]
    pretraining, clustering = (phase.updates[0] for phase in phases)
    assert (pretraining.clip_norm, clustering.clip_norm) == (None, 10.0)
    assert (phases[0].patience, phases[1].patience) == (None, 7)
    run(phases[:1], few, batch_size=12)
    assert pretraining.optimizer.state
    assert not clustering.optimizer.state
    held = {id(parameter) for group in clustering.optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in model.parameters()}
    assert all(parameter.requires_grad for parameter in model.parameters())


WITH_PRETRAINING = {"aecoddc": ("encoders", "decoders"), "infoddc": ("encoders",), "sem": ("encoders", "decoders")}


@pytest.mark.parametrize(("name", "parts"), WITH_PRETRAINING.items(), ids=WITH_PRETRAINING)
def test_pretraining_leaves_the_clustering_alone(name, parts, few):
    model = make_model(name)
    before = parameters(model)
    run(model.phases(schedule(pretraining_epochs=1))[:1], few, batch_size=12)
    assert moved(model, before) == below(model, *parts)


def test_a_model_without_pretraining_has_one_phase():
    phases = make_model("simvc").phases(schedule(epochs=3))
    assert [(phase.name, phase.epochs) for phase in phases] == [("clustering", 3)]


def squared_errors(model, views, embeddings, *, logits):
    """The mean over pixels and samples of each view's squared error, summed over views."""
    total = 0.0
    for decoder, z, view in zip(model.decoders, embeddings, views, strict=True):
        drawn = decoder(z).sigmoid() if logits else decoder(z)
        pairs = zip(view.flatten().tolist(), drawn.detach().double().flatten().tolist(), strict=True)
        total += fmean((x - y) ** 2 for x, y in pairs)
    return total


def test_pretraining_of_aecoddc_minimises_a_tenth_of_the_contrast_and_the_squared_error(small):
    model = make_small("aecoddc")
    with torch.no_grad():
        model.fusion.raw_weights.copy_(torch.tensor([2.0, -1.0, 0.5]))  # takes no part: nothing is adaptive here
        terms = {name: term.item() for name, term in model.pretraining_terms(small, seeded()).items()}
        embeddings = model.embed(small)
        assert terms == pytest.approx(
            {
                "contrastive": 0.1 * reference.contrast_all_pairs([floats(z) for z in embeddings], 0.1, None),
                "reconstruction": squared_errors(model, small, embeddings, logits=True),
            },
            **EXACT,
        )


def test_aecoddc_clusters_with_the_terms_of_its_pretraining_and_those_of_ddc(small):
    model = make_small("aecoddc")
    with torch.no_grad():
        encoding = model.encode(small)
        terms, pretraining = model.loss_terms(small, encoding), model.pretraining_terms(small, seeded())
    assert set(terms) == {"separation", "orthogonality", "simplex", *pretraining}
    assert all(torch.equal(terms[name], term) for name, term in pretraining.items())


@pytest.mark.parametrize("reference_pairs", [False, True])
def test_pretraining_of_infoddc_minimises_the_information_alone(reference_pairs, small):
    views = small[:2] if reference_pairs else small
    model = make_small("infoddc", n_views=len(views), reference_pairs=reference_pairs)
    with torch.no_grad():
        (term,) = model.pretraining_terms(views, seeded()).values()
        outputs = [floats(encoder(view)) for encoder, view in zip(model.encoders, views, strict=True)]
    rows = [[baseline_reference.softmax(row) for row in output] for output in outputs]
    expected = baseline_reference.mutual_information_all_pairs(rows, 9.0, reference_pairs)
    assert term.item() == pytest.approx(expected, **EXACT)


def test_infoddc_clusters_with_a_tenth_of_that_information_and_the_terms_of_ddc(small):
    model = make_small("infoddc")
    with torch.no_grad():
        terms = model.loss_terms(small, model.encode(small))
        (whole,) = model.pretraining_terms(small, seeded()).values()
    assert set(terms) == {"separation", "orthogonality", "simplex", "information"}
    assert terms["information"].item() == pytest.approx(0.1 * whole.item())


def test_infoddc_counts_the_released_pairs_only_if_told(small):
    kinds = {}
    for reference_pairs in (False, True):
        model = make_small("infoddc", n_views=2, reference_pairs=reference_pairs)
        with torch.no_grad():
            kinds[reference_pairs] = model.information(model.embed(small[:2])).item()
            first = model.embed(small[:2])[:1] * 2
            plain = make_small("infoddc", n_views=2)
            with_itself = plain.information(first).item()
    assert kinds[True] == pytest.approx(kinds[False] + with_itself)  # (0, 0) but not (1, 1)


def test_the_embeddings_of_infoddc_are_distributions(small):
    for z in make_small("infoddc").embed(small):
        torch.testing.assert_close(z.sum(dim=1), torch.ones(5))
        assert (z > 0).all()


# SEM

NARROW = (12, 6)


def make_sem(*, n_views=3, **options):
    return make_small("sem", n_views=n_views, widths=NARROW, **options)


def literal_weights(rows, weighting):
    if weighting == "cmi":
        clusters = [kmeans(row, N_CLASSES, seed=0)[1].tolist() for row in rows]
        return [[baseline_reference.cmi_weight(a, b) for b in clusters] for a in clusters]
    weigh = baseline_reference.jsd_weight if weighting == "jsd" else baseline_reference.mmd_weight
    return [[weigh(floats(a), floats(b)) for b in rows] for a in rows]


@pytest.mark.parametrize("weighting", ["cmi", "jsd", "mmd"])
def test_sem_weighs_views_by_h_before_the_first_round_and_by_z_after_it(weighting, small):
    model = make_sem(weighting=weighting)
    phases = model.phases(schedule(pretraining_epochs=1, epochs=2, rounds=3))
    assert [(phase.name, phase.epochs) for phase in phases] == [
        ("pre-training", 1),
        *((f"contrast, round {i}", 2) for i in (1, 2, 3)),
    ]
    assert phases[0].start is None
    with torch.no_grad():
        h = model.embed(small)
        z = tuple(normalize(p(row), dim=1) for p, row in zip(model.projections, h, strict=True))
    for phase, rows in zip(phases[1:], (h, z, z), strict=True):
        phase.start(small)
        expected = torch.tensor(literal_weights(rows, weighting))
        torch.testing.assert_close(model.view_weights, expected, rtol=1e-4, atol=1e-5)
        model.view_weights.zero_()


def test_sem_forgets_its_optimiser_every_epoch_of_contrast_and_not_in_pretraining():
    phases = make_sem().phases(RECIPES.make("noisy_mnist/sem.released").schedule)
    updates = [phase.updates[0] for phase in phases]
    assert [update.fresh for update in updates] == [False, True, True, True]
    assert len({id(update.optimizer) for update in updates}) == 4
    assert {update.optimizer.param_groups[0]["lr"] for update in updates} == {3e-4}


def test_sem_weighs_views_again_when_training_comes_to_a_round(few):
    model, seen = make_model("sem", weighting="mmd", widths=NARROW), []
    phases = model.phases(schedule(pretraining_epochs=1, epochs=2, rounds=2))
    for log in fit(phases, few, batch_size=12, generator=seeded()):
        seen.append((log.phase, model.view_weights.clone()))
    rounds = [weights for name, weights in seen if name != "pre-training"]
    assert torch.equal(seen[0][1], torch.ones(2, 2))
    assert torch.equal(rounds[0], rounds[1])  # within a round they stay
    assert not torch.equal(rounds[1], rounds[2])


def test_sem_contrasts_all_pairs_of_views_as_they_are_weighed_a_view_with_itself_too(small):
    model = make_sem()
    weights = torch.rand(3, 3, generator=seeded())  # of an order, too
    model.view_weights.copy_(weights)
    with torch.no_grad():
        encoding = model.encode(small)
        terms = {name: term.item() for name, term in model.loss_terms(small, encoding).items()}
        z = [floats(normalize(p(h), dim=1)) for p, h in zip(model.projections, encoding.embeddings, strict=True)]
    pairs = [(v, w) for v in range(3) for w in range(3)]
    assert terms == pytest.approx(
        {
            "contrastive": sum(weights[v, w].item() * baseline_reference.info_nce(z[v], z[w], 1.0) for v, w in pairs),
            "reconstruction": squared_errors(model, small, encoding.embeddings, logits=False),
        },
        **EXACT,
    )


@pytest.mark.parametrize("denoising", [False, True])
def test_a_denoising_sem_sees_noise_in_pretraining_but_draws_clean_pictures(denoising, small):
    model, given, drawn = make_sem(denoising=denoising), [], []
    for encoder, decoder in zip(model.encoders, model.decoders, strict=True):
        encoder.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
        decoder.register_forward_hook(lambda module, inputs, output: drawn.append(output))
    with torch.no_grad():
        terms = model.pretraining_terms(small, seeded(3))
    noise = torch.cat([(seen - view).flatten() for seen, view in zip(given, small, strict=True)])
    assert (noise.mean().item(), noise.std().item()) == pytest.approx((0, float(denoising)), abs=0.1)
    errors = [(picture - view).square().mean().item() for picture, view in zip(drawn, small, strict=True)]
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({"reconstruction": sum(errors)})


def test_a_denoising_sem_contrasts_clean_pictures(small):
    model, given = make_sem(denoising=True), []
    model.encoders[0].register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    with torch.no_grad():
        model.training_terms(small, seeded())
    assert all(torch.equal(view, small[0]) for view in given)
    assert given


def test_the_noise_of_sem_follows_the_seed(small):
    model = make_sem(denoising=True)
    with torch.no_grad():
        once, again, other = (model.pretraining_terms(small, seeded(s))["reconstruction"].item() for s in (1, 1, 2))
    assert once == again != other


# Clusters of k-means


@pytest.fixture
def points():
    """Forty points in three groups of different sizes."""
    centres = torch.tensor([[0.0, 0.0], [6.0, 1.0], [1.0, 5.0]])
    return centres[torch.arange(40) % 7 % 3] + 0.7 * torch.randn(40, 2, generator=seeded())


def placed(rows, *, seed=0):
    head = CentroidHead(rows.shape[1], 3)
    head.place(rows, seed=seed)
    return head


def in_order(probs):
    """Columns by the first sample that prefers them: k-means numbers clusters as it likes."""
    return probs[:, list(dict.fromkeys(probs.argmax(dim=1).tolist()))]


def test_all_clusters_are_equally_probable_before_there_are_centroids(points):
    torch.testing.assert_close(CentroidHead(2, 3)(points), torch.full((40, 3), 1 / 3))


@pytest.mark.parametrize("name", ["multi_vae", "sem"])
def test_a_model_without_its_centroids_prefers_no_cluster(name, small):
    torch.testing.assert_close(make_small(name).encode(small).probs, torch.full((5, N_CLASSES), 1 / N_CLASSES))


def test_the_most_probable_cluster_is_the_nearest_centroids(points):
    head = placed(points)
    far = torch.cat([points, 100 * torch.randn(50, 2, generator=seeded(1))])
    assert torch.equal(head(far).argmax(dim=1), torch.cdist(far, head.centroids).argmin(dim=1))


def test_centroids_are_those_of_k_means(points):
    head = placed(points)
    _, labels = kmeans(points, 3, seed=0)
    assert torch.equal(head(points).argmax(dim=1), labels)
    means = torch.stack([points[labels == k].mean(dim=0) for k in range(3)])
    torch.testing.assert_close(head.centroids, means)


def test_probabilities_are_students_t_in_units_of_the_mean_squared_distance(points):
    head = placed(points)
    squared = torch.cdist(points.double(), head.centroids.double()).square()
    spread = fmean(min(row) for row in squared.tolist())
    affinities = [[1 / (1 + d / spread) for d in row] for row in squared.tolist()]
    expected = [[a / sum(row) for a in row] for row in affinities]
    torch.testing.assert_close(head(points).double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=1e-6)


CHANGES = {
    "moved": lambda rows: rows + torch.tensor([30.0, -20.0]),
    "scaled": lambda rows: 50 * rows,
    "turned": lambda rows: rows @ torch.tensor([[0.6, -0.8], [0.8, 0.6]]),
    "widened": lambda rows: torch.cat([rows, torch.ones(len(rows), 3)], dim=1),
    "doubled": lambda rows: torch.cat([rows, rows]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_probabilities_do_not_depend_on_where_and_how_large_the_samples_are(change, points):
    changed = change(points)
    probs = in_order(placed(changed)(changed))[: len(points)]
    torch.testing.assert_close(probs, in_order(placed(points)(points)), rtol=1e-3, atol=1e-4)


def test_probabilities_do_not_depend_on_the_order_of_the_samples(points):
    order = torch.randperm(40, generator=seeded(5))
    back = placed(points[order])(points[order])[order.argsort()]
    torch.testing.assert_close(in_order(back), in_order(placed(points)(points)), rtol=1e-4, atol=1e-5)


def test_samples_that_are_all_the_same_have_finite_probabilities():
    head = CentroidHead(2, 2)
    head.place(torch.tensor([[1.0, 1.0], [1.0, 1.0], [3.0, 3.0]]), seed=0)
    assert head(torch.tensor([[1.0, 1.0], [3.0, 3.0], [9.0, -9.0]])).isfinite().all()


@pytest.mark.parametrize("name", ["multi_vae", "sem"])
def test_fitting_clusters_puts_the_centroids_of_hidden_into_the_weights(name, few):
    model = make_model(name).eval()
    model.fit_clusters(few.views, seed=0)
    probs = model.encode(few.views).probs
    expected, _ = kmeans(model.hidden(few.views), N_CLASSES, seed=0)
    assert torch.equal(model.state_dict()["head.centroids"], expected)
    assert torch.equal(probs.argmax(dim=1), torch.cdist(model.hidden(few.views), expected).argmin(dim=1))
    assert not model.head.centroids.requires_grad


# Parts that only training needs


def test_these_models_leave_something_behind():
    parts = {"eamc", "multi_vae", "aecoddc", "sem", *LATENT_MODELS, *MAGNETS, *REPRESENTATIONS}
    assert set(WITH_TRAINING_PARTS) == parts


@pytest.mark.parametrize("name", WITH_TRAINING_PARTS)
def test_an_encoding_does_not_need_what_training_leaves_behind(name, few):
    model = make_model(name).eval()
    model.fit_clusters(few.views, seed=0)
    with torch.no_grad():
        before = model.encode(few.views)
        model.leave_training_behind()
        after = model.encode(few.views)
    for field in ("fused", "hidden", "probs"):
        assert torch.equal(getattr(before, field), getattr(after, field))
    assert not [name for name in model.state_dict() if name.split(".")[0] in model.training_only]


@pytest.mark.parametrize("name", list(MODELS))
def test_what_is_left_is_all_that_an_encoding_needs(name, few):
    model = make_model(name).eval()
    model.leave_training_behind()
    encoding = model.encode(tuple(view[:6] for view in few.views))
    outputs = (*encoding.embeddings, encoding.fused, encoding.hidden)
    loss = sum((output * torch.randn(output.shape, generator=seeded())).sum() for output in outputs)
    reached = torch.autograd.grad(loss + encoding.probs[:, 0].sum(), list(model.parameters()), allow_unused=True)
    unused = {n for (n, _), gradient in zip(model.named_parameters(), reached, strict=True) if gradient is None}
    assert {unused_name.split(".")[0] for unused_name in unused} <= STAYS_FOR_LOSSES.get(name, set())


STAYS_FOR_LOSSES = {"multi_vae": {"log_variances"}}  # of a latent's spread, which an encoding leaves out
STAYS_FOR_LOSSES |= {name: {"networks"} for name in REPRESENTATIONS}  # clean pictures' own batch norms
STAYS_FOR_LOSSES |= {name: {"log_variance", "decoders", "centres"} for name in LATENT_MODELS}  # ALRDC uses them


@pytest.mark.slow
def test_a_published_checkpoint_leaves_behind_what_only_training_needs(tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    lab = Lab(checkpoints=tmp_path / "checkpoints", runs=tmp_path / "runs", device="cpu", store=store)
    training = lab.train(TrainSpec(dataset="patched_digits", model="eamc", samples=100, epochs=1, runs=1))
    while True:
        try:
            next(training)
        except StopIteration as end:
            card = end.value
            break
    with safe_open(weights_path(tmp_path / "checkpoints" / "patched_digits" / "eamc"), "pt") as file:
        names = {name.split(".")[0] for name in file.keys()}  # noqa: SIM118
    assert names == {"encoders", "attention", "head"}
    assert lab.evaluate("patched_digits", "eamc")["held_out"].accuracy == card.scores["held_out"]["accuracy"]


# On a GPU


def small_recipe(name):
    recipe = RECIPES.make(f"noisy_digits/{name}")
    pretraining = min(recipe.schedule.pretraining_epochs, 1)
    recipe = replace(recipe, batch_size=12, schedule=replace(recipe.schedule, pretraining_epochs=pretraining, epochs=2))
    if recipe.defense is None:
        return recipe
    stages = (Stage(epochs=1, epsilon=0.1), Stage(epochs=1, epsilon=0.2))
    inner = replace(recipe.defense.inner, steps=2)
    return replace(recipe, defense=replace(recipe.defense, warm_up_epochs=1, stages=stages, inner=inner))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", ["simvc", "eamc", "multi_vae", "ar_dmvc_am", "attacker"])
def test_a_captured_training_has_the_losses_of_a_plain_one(name, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    device = torch.device("cuda")
    data = make_blobs(120).to(device)  # ten batches: three run as they are, one is recorded, all others replayed
    losses = []
    for capture in (False, True):
        if name == "attacker":
            recipe = replace(RECIPES.make("noisy_digits/simvc").attacker, epochs=1, late_epochs=1, batch_size=12)
            training = attacker_training(recipe, make_model("simvc").eval().to(device), seed=0, device=device)
        else:
            training = model_training(small_recipe(name), ((1, SIDE, SIDE),) * 2, N_CLASSES, seed=0, device=device)
        words = {"batch_size": training.batch_size, "generator": training.generator, "capture": capture}
        losses.append([log.terms for log in fit(training.phases, data, **words)])
    plain, captured = losses
    assert len(plain) == len(captured)
    for expected, terms in zip(plain, captured, strict=True):
        assert terms == pytest.approx(expected, rel=1e-5)
