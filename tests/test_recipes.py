import json
from dataclasses import asdict, fields, is_dataclass

import pytest
import torch

from core.attacks import OBJECTIVES
from core.attacks.base import Budget
from core.augmentation import AUGMENTATIONS
from core.data import DATASET_FACTS, DATASETS
from core.defenses import DEFENSES
from core.errors import LabError
from core.models import MODELS
from core.published import ncp_acl as ncp_acl_numbers
from core.recipes import (
    ALRDC,
    AR_DMVC,
    BY_PROTOCOL,
    CLUSTR,
    NCP_ACL,
    PAPERS,
    RECIPES,
    alrdc,
    ar_dmvc_paper,
    ar_dmvc_released,
    base,
    clustr,
    datasets_of,
    lab,
    models_of,
    ncp_acl,
    recipe_name,
)
from core.recipes.base import AdversarialTraining, AttackerRecipe, LatentAttackerRecipe, LatentDefense
from tests.conftest import for_each

TABLE_1 = ("noisy_mnist", "noisy_fashion", "patched_mnist")
WITHOUT_STAGES = ("simvc", "comvc", "cl_mvc")
DEFENDED = ("ar_dmvc", "ar_dmvc_am")
OWN = "rcd_mvc"  # in the lab's protocol alone
PROTOCOLS = ("lab", "paper", "released")

every_recipe = for_each(RECIPES)


def recipe(dataset, model, protocol):
    return RECIPES.make(f"{dataset}/{model}" + ("" if protocol == "lab" else f".{protocol}"))


def test_every_protocol_has_every_model_of_a_paper_on_every_data_set_of_it():
    wanted = {
        (dataset, model, protocol)
        for paper in PAPERS
        for dataset in paper.datasets
        for model in paper.models
        for protocol in paper.protocols
    }
    made = [RECIPES.make(name) for name in RECIPES]
    assert {(r.dataset, r.model, r.protocol) for r in made} == wanted
    assert set(AR_DMVC.protocols) == set(ALRDC.protocols) == set(CLUSTR.protocols) == set(PROTOCOLS)
    assert set(NCP_ACL.protocols) == {"lab", "paper"}  # no code was released
    assert [set(paper.protocols) for paper in PAPERS if OWN in paper.models] == [{"lab"}]
    assert all({"lab"} <= set(paper.protocols) <= set(PROTOCOLS) for paper in PAPERS)
    assert set(BY_PROTOCOL) == set(PROTOCOLS) == set(base.PROTOCOLS)


def test_every_model_and_every_data_set_belongs_to_a_paper():
    assert {model for paper in PAPERS for model in paper.models} == set(MODELS)
    assert {dataset for paper in PAPERS for dataset in paper.datasets} == set(DATASETS)
    for paper in PAPERS:
        assert len({len(DATASET_FACTS[dataset].view_shapes) == 1 for dataset in paper.datasets}) == 1, paper.models
    for dataset in (*ALRDC.datasets, *CLUSTR.datasets, *NCP_ACL.datasets):
        assert len(DATASET_FACTS[dataset].view_shapes) == 1
    for dataset in (*AR_DMVC.datasets, *datasets_of(OWN)):
        assert len(DATASET_FACTS[dataset].view_shapes) > 1
    assert models_of("digits") == (*alrdc.MODELS, *clustr.MODELS, *ncp_acl.MODELS)
    assert datasets_of("cl_mvc") == AR_DMVC.datasets


@every_recipe
def test_a_recipes_name_says_what_it_is(name):
    made = RECIPES.make(name)
    assert made == recipe(made.dataset, made.model, made.protocol)
    assert name.startswith(f"{made.dataset}/{made.model}")


@every_recipe
def test_a_recipe_names_things_that_are_there(name):
    made = RECIPES.make(name)
    assert made.dataset in DATASETS
    assert made.model in MODELS
    assert made.augmentation in AUGMENTATIONS
    shapes = DATASET_FACTS[made.dataset].view_shapes
    with torch.device("meta"):  # no weights
        MODELS.make(
            made.model,
            view_shapes=shapes,
            n_clusters=len(DATASET_FACTS[made.dataset].class_names),
            **made.model_options,
        )
    if made.defense is not None:
        assert made.model in DEFENSES or made.model == "simclr"  # which is hardened by nothing
    if isinstance(made.defense, AdversarialTraining):
        assert made.defense.inner.objective in OBJECTIVES
    if isinstance(made.defense, LatentDefense):
        assert f"{made.dataset}/{made.defense.base}" in RECIPES
        assert made.defense.gamma in made.attacker.gammas


@every_recipe
def test_a_recipes_numbers_are_possible(name):
    made = RECIPES.make(name)
    stages = made.defense.stages if isinstance(made.defense, AdversarialTraining) else ()
    budgets = [made.attacker.epsilon] if isinstance(made.attacker, AttackerRecipe) else []
    for epsilon in [*budgets, *(stage.epsilon for stage in stages)]:
        assert 0 < Budget(epsilon=epsilon).epsilon <= 1
    assert min(made.batch_size, made.runs, made.schedule.epochs, made.attacker.epochs, made.attacker.batch_size) >= 1
    late = made.attacker.learning_rate
    if isinstance(made.attacker, AttackerRecipe):
        late = made.attacker.late_learning_rate
    assert 0 < late <= made.attacker.learning_rate < 1
    assert made.schedule.clip_norm is None or made.schedule.clip_norm > 0
    assert made.schedule.patience is None or made.schedule.patience > 0
    assert min(made.schedule.rounds, made.schedule.pretraining_epochs + 1) >= 1
    assert all(0 < rate < 1 for rate in (made.schedule.learning_rate, *made.schedule.learning_rates.values()))
    assert made.attacker.trained_on in ("train", "held_out")


@every_recipe
def test_a_recipe_can_be_written_into_a_card(name):
    assert json.loads(json.dumps(asdict(RECIPES.make(name))))["protocol"] in PROTOCOLS


def test_a_recipe_says_every_number_itself():
    classes = [value for value in vars(base).values() if is_dataclass(value)]
    assert {cls.__name__ for cls in classes} >= {"Recipe", "AttackerRecipe", "AdversarialTraining", "InnerAttack"}
    for cls in classes:
        assert cls.__dataclass_params__.frozen
        assert all(field.kw_only for field in fields(cls))
        with pytest.raises(TypeError, match="missing"):
            cls()


@pytest.mark.parametrize("module", [ar_dmvc_paper, ar_dmvc_released, lab, alrdc], ids=lambda module: module.__name__)
def test_a_recipe_module_names_its_paper_and_a_command(module):
    papers = ("Yang et al.", "NeurIPS 2020") if module is alrdc else ("Huang et al.", "ICML 2024")
    assert all(word in module.__doc__ for word in papers)
    assert "python -m core train" in module.__doc__


def test_defended_models_have_a_defense_and_the_others_none():
    for name in RECIPES:
        made = RECIPES.make(name)
        assert (made.defense is not None) == (
            made.model in (*DEFENDED, OWN, *alrdc.HARDENED, *clustr.HARDENED, *ncp_acl.MODELS)
        ), name
        assert isinstance(made.attacker, LatentAttackerRecipe) == (made.model in alrdc.MODELS), name
        if made.model == "ar_dmvc":
            assert made.defense.mitigation_weight == 0, name  # γ = 0 is AR-DMVC
        if made.model == "ar_dmvc_am":
            assert made.defense.mitigation_weight > 0, name


# What the released code does: facts collected from it, section by section


@pytest.mark.parametrize("model", WITHOUT_STAGES)
@pytest.mark.parametrize("dataset", TABLE_1)
def test_released_baselines_follow_the_code(dataset, model):
    made = recipe(dataset, model, "released")
    schedule = made.schedule
    assert (schedule.epochs, made.batch_size, schedule.learning_rate, made.runs) == (20, 100, 1e-3, 1)
    assert (schedule.pretraining_epochs, schedule.clip_norm, schedule.patience) == (0, None, None)
    assert made.model_options == {}  # kernel width, 0.1 and the adaptive factor as the models default to


@pytest.mark.parametrize("dataset", TABLE_1)
def test_released_methods_with_stages_follow_the_code(dataset):
    eamc, vae, aec, info, sem = (
        recipe(dataset, model, "released") for model in ("eamc", "multi_vae", "aecoddc", "infoddc", "sem")
    )
    patched = dataset == "patched_mnist"
    assert (eamc.schedule.learning_rate, eamc.schedule.learning_rates) == (
        1e-5,
        {"attention": 1e-4, "discriminators": 1e-3},
    )
    assert (vae.schedule.learning_rate, vae.batch_size, vae.model_options) == (5e-4, 64, {"deepmvc_scaling": True})
    assert aec.schedule.pretraining_epochs == 20
    assert info.schedule.pretraining_epochs == (20 if patched else 0)
    assert info.model_options == {"reference_pairs": True}
    assert (sem.schedule.learning_rate, sem.batch_size, sem.schedule.rounds) == (3e-4, 256, 3)
    length = 30 if patched else 100
    assert (sem.schedule.pretraining_epochs, sem.schedule.epochs) == (length, length)
    assert sem.model_options == {"weighting": "mmd" if patched else "cmi", "denoising": patched}
    for made in (eamc, vae, aec, info):
        assert (made.schedule.epochs, made.schedule.rounds, made.runs) == (20, 1, 1)
    for made in (eamc, vae, aec, info, sem):
        assert (made.schedule.clip_norm, made.schedule.patience) == (None, None)


def test_the_released_attacker_of_multi_vae_reads_its_discrete_latent_in_its_batches():
    made = recipe("noisy_mnist", "multi_vae", "released").attacker
    assert (made.consensus, made.batch_size) == ("fused", 64)


@pytest.mark.parametrize(
    ("dataset", "adversarial_weight", "mitigation_weight", "epochs"),
    [("noisy_mnist", 1, 0.1, 30), ("noisy_fashion", 0.1, 1, 30), ("patched_mnist", 0.1, 0.1, 40)],
)
def test_released_defenses_follow_the_code(dataset, adversarial_weight, mitigation_weight, epochs):
    for model in DEFENDED:
        made = recipe(dataset, model, "released")
        defense = made.defense
        assert defense.adversarial_weight == adversarial_weight
        assert defense.mitigation_weight == (mitigation_weight if model == "ar_dmvc_am" else 0)
        assert defense.direction == "clean_to_adversarial"
        assert not defense.detach_clean
        assert defense.warm_up_epochs == 0
        assert [(stage.epochs, stage.epsilon) for stage in defense.stages] == [(epochs, 0.2)]
        assert (defense.inner.steps, defense.inner.step_size) == (10, 0.02)
        assert (defense.inner.objective, defense.inner.target_mode) == ("contrastive", "train")
        assert (made.batch_size, made.schedule.learning_rate, made.schedule.clip_norm) == (100, 1e-3, None)


@pytest.mark.parametrize(
    ("dataset", "epsilon"), [("noisy_mnist", 0.3), ("noisy_fashion", 0.15), ("patched_mnist", 0.3), ("regdb", 0.2)]
)
def test_the_attacks_epsilon_is_the_papers(dataset, epsilon):
    assert DATASET_FACTS[dataset].epsilon == epsilon
    for protocol in PROTOCOLS:
        assert recipe(dataset, "cl_mvc", protocol).attacker.epsilon == epsilon


@pytest.mark.parametrize("dataset", TABLE_1)
def test_the_released_attacker_follows_the_code(dataset):
    made = recipe(dataset, "cl_mvc", "released").attacker
    assert (made.epochs, made.learning_rate, made.late_epochs, made.late_learning_rate) == (20, 1e-3, 10, 1e-4)
    assert made.batch_size == 100
    assert (made.complementarity_weight, made.consistency_weight, made.constraint_weight) == (5, 5, 1)
    assert (made.distance, made.constraint, made.gan_loss) == ("norm_sum", "clamp", "least_squares")
    assert (made.consensus, made.weight_std, made.target_mode) == ("hidden", 1.0, "train")
    assert made.trained_on == "held_out"  # transductive: scored on what it was trained on


@pytest.mark.parametrize("dataset", TABLE_1)
def test_the_printed_attacker_follows_eq_2_to_6(dataset):
    made = recipe(dataset, "cl_mvc", "paper").attacker
    assert (made.complementarity_weight, made.consistency_weight, made.constraint_weight) == (5, 5, 1)
    assert (made.distance, made.constraint, made.gan_loss) == ("squared_mean", "hinge", "log")
    assert made.consensus == "fused"


@pytest.mark.parametrize(
    ("dataset", "epsilon"), [("noisy_mnist", 0.3), ("noisy_fashion", 0.15), ("patched_mnist", 0.3)]
)
def test_the_printed_defense_follows_section_5(dataset, epsilon):
    for model in DEFENDED:
        defense = recipe(dataset, model, "paper").defense
        assert defense.adversarial_weight == 100  # λ
        assert defense.mitigation_weight == (1 if model == "ar_dmvc_am" else 0)  # γ
        assert defense.direction == "adversarial_to_clean"  # Eq. 12
        assert [(stage.epochs, stage.epsilon) for stage in defense.stages] == [(30, epsilon)]


def test_the_printed_models_follow_eq_8_and_appendix_a_1():
    for dataset in TABLE_1:
        for model in WITHOUT_STAGES:
            options = recipe(dataset, model, "paper").model_options
            assert options["kernel_width"] == "paper"
        for model in ("cl_mvc", *DEFENDED):
            options = recipe(dataset, model, "paper").model_options
            assert (options["contrastive_weight"], options["adaptive"]) == (1.0, False)


@pytest.mark.parametrize("dataset", TABLE_1)
def test_the_printed_baselines_follow_their_own_papers(dataset):
    assert recipe(dataset, "multi_vae", "paper").model_options == {}  # every term divided by the pixels
    info = recipe(dataset, "infoddc", "paper")
    assert info.schedule.pretraining_epochs == 20
    assert "reference_pairs" not in info.model_options


@pytest.mark.parametrize("dataset", AR_DMVC.datasets)
def test_eamc_trains_slowly_on_real_data_as_released_where_its_discriminators_would_win(dataset):
    ours, released = (recipe(dataset, "eamc", protocol).schedule for protocol in ("lab", "released"))
    assert (ours == released) == (dataset not in lab.EMBEDDED)
    assert (ours.learning_rates["discriminators"] > ours.learning_rate) == (dataset not in lab.EMBEDDED)


@pytest.mark.parametrize("dataset", AR_DMVC.datasets)
def test_infoddc_is_trained_as_released_on_real_data(dataset):
    ours, released = (recipe(dataset, "infoddc", protocol) for protocol in ("lab", "released"))
    assert (ours.schedule == released.schedule) == (dataset not in lab.EMBEDDED)
    assert (ours.model_options == released.model_options) == (dataset not in lab.EMBEDDED)
    assert ours.runs > released.runs == 1


@pytest.mark.parametrize("dataset", AR_DMVC.datasets)
def test_the_labs_attacker_is_scored_on_samples_it_never_saw(dataset):
    made = recipe(dataset, "cl_mvc", "lab").attacker
    assert (made.trained_on, made.target_mode) == ("train", "eval")
    assert made.distance != "norm_sum"  # a sum grows with the batch
    assert made.weight_std < 0.1  # N(0, 1) saturates the tanh before any training


@pytest.mark.parametrize("dataset", AR_DMVC.datasets)
def test_the_labs_defenses_harden_at_a_growing_epsilon_up_to_the_released_one(dataset):
    stages = recipe(dataset, "ar_dmvc_am", "lab").defense.stages
    epsilons = [stage.epsilon for stage in stages]
    assert epsilons == sorted(epsilons)
    assert epsilons[-1] == 0.2


@pytest.mark.parametrize("dataset", datasets_of(OWN))
def test_the_labs_own_defense_hardens_at_a_growing_epsilon_up_to_what_its_samples_teach(dataset):
    stages = recipe(dataset, OWN, "lab").defense.stages
    epsilons = [stage.epsilon for stage in stages]
    assert epsilons == sorted(epsilons)
    assert epsilons[-1] == (0.2 if dataset == "noisy_digits" else DATASET_FACTS[dataset].epsilon)
    assert min(stage.epochs for stage in stages) >= 1


@pytest.mark.parametrize("dataset", datasets_of(OWN))
def test_the_labs_own_defense_has_the_teacher_that_the_papers_start_from_or_a_longer_trained_one(dataset):
    own, other = recipe(dataset, OWN, "lab"), recipe(dataset, "ar_dmvc_am", "lab")
    usual = other.defense.warm_up_epochs
    assert own.defense.warm_up_epochs == lab.TEACHER_EPOCHS.get(dataset, usual) >= usual
    assert (own.schedule, own.batch_size, own.runs) == (other.schedule, other.batch_size, other.runs)
    assert own.model_options == other.model_options


@pytest.mark.parametrize("protocol", ["paper", "released"])
def test_the_labs_own_defense_is_in_no_other_protocol(protocol):
    assert f"noisy_digits/{OWN}.{protocol}" not in RECIPES
    with pytest.raises(LabError, match="Use the protocol lab"):
        recipe_name("noisy_digits", OWN, protocol)


def test_every_protocol_gives_ar_dmvc_the_network_of_cl_mvc():
    for protocol in PROTOCOLS:
        options = [recipe("noisy_mnist", model, protocol).model_options for model in ("cl_mvc", *DEFENDED)]
        assert options[0] == options[1] == options[2]


def test_a_wrong_recipe_name_names_the_closest():
    with pytest.raises(LabError, match="Did you mean noisy_mnist/cl_mvc"):
        RECIPES.make("noisy_mnist/cl_mvv")


def test_clustr_on_svhn_has_the_papers_colours_epochs_and_no_augmentation():
    recipe = RECIPES.make("svhn/clustr_qtrades.paper")
    assert recipe.model_options["mean"] == [0.4378, 0.4439, 0.4729]
    assert recipe.model_options["deviation"] == [0.1980, 0.2011, 0.1971]
    assert (recipe.schedule.epochs, recipe.augmentation) == (30, "none")
    assert recipe.schedule.learning_rate == 1e-4
    assert recipe.defense.epsilon == 8 / 255


def test_ncp_acl_on_stl10_has_the_papers_numbers():
    recipe = RECIPES.make("stl10/ncp_acl.paper")
    learning = recipe.defense
    assert (recipe.schedule.pretraining_epochs, recipe.schedule.epochs) == (1000, 1000)
    assert (learning.first.weight_decay, learning.first.augmentation) == (1e-5, "strong_colours")
    assert (learning.fine_tuning.learning_rate, learning.second.weight) == (10.0, 6.0)
    assert set(ncp_acl_numbers.CHOSEN_K["stl10"]) <= set(recipe.model_options["grid"])
    assert set(ncp_acl_numbers.CHOSEN_K["cifar100"]) <= set(
        RECIPES.make("cifar100/ncp_acl.paper").model_options["grid"]
    )
