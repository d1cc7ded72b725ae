from dataclasses import replace

import pytest
import torch
from torch import nn

from core.augmentation import AUGMENTATIONS
from core.errors import LabError
from core.recipes import PAPERS, RECIPES, datasets_of, recipe_name
from core.recipes.base import AdversarialTraining, RepresentationLearning, RobustDistillation, Stage
from core.runs import RunFolder
from core.trainers import attacker_training, model_training
from core.training import Phase, Update, fit, restore, snapshot
from tests.conftest import N_CLASSES, SIDE, make_blobs, make_model, make_phase, shrunk

CPU = torch.device("cpu")
SHAPES = ((1, SIDE, SIDE),) * 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def few():
    return make_blobs(24)


class Point(nn.Module):
    """One number to move: the smallest thing that can be trained."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.tensor([3.0, 4.0]))


def make_point_phase(loss, *, epochs=1, clip_norm=None, name="moving", point=None, augmentation=None):
    point = point or Point()
    optimizer = torch.optim.SGD(point.parameters(), lr=1.0)
    return Phase(name, epochs, point, (Update(lambda v, g: loss(point, v), optimizer, clip_norm),), augmentation)


def distance(point, views):
    return {"distance": 10 * point.place.norm()}


def run(phases, data, *, batch_size=8, seed=0):
    return list(fit(phases, data, batch_size=batch_size, generator=seeded(seed)))


def test_yields_a_log_for_every_epoch_of_every_phase(few):
    phases = [make_point_phase(distance, epochs=2, name="first"), make_point_phase(distance, name="second")]
    logs = run(phases, few)
    assert [(log.phase, log.epoch, log.epochs) for log in logs] == [("first", 1, 3), ("first", 2, 3), ("second", 3, 3)]
    assert all(log.seconds >= 0 for log in logs)
    assert logs[-1].seconds_left == 0


def test_a_log_holds_the_mean_of_each_term_over_the_batches(few):
    seen = []

    def loss(point, views):
        seen.append(views[0].mean().item())
        return {"brightness": views[0].mean() + 0 * point.place.sum(), "two": 2 + 0 * point.place.sum()}

    (log,) = run([make_point_phase(loss)], few)
    assert log.terms == pytest.approx({"brightness": sum(seen) / 3, "two": 2})
    assert log.total == pytest.approx(sum(seen) / 3 + 2)


def test_every_sample_but_the_dropped_ones_is_seen_once_an_epoch(few):
    batches = []

    def loss(point, views):
        batches.append(views)
        return distance(point, views)

    run([make_point_phase(loss, epochs=2)], few, batch_size=7)
    assert [len(batch[0]) for batch in batches] == [7] * 6
    epochs = [torch.cat([batch[0] for batch in batches[i : i + 3]]) for i in (0, 3)]
    for epoch in epochs:
        assert len({tuple(picture.flatten().tolist()) for picture in epoch}) == 21
    assert not torch.equal(epochs[0], epochs[1])


def test_a_phase_may_take_batches_of_its_own(few):
    sizes = []

    def loss(point, views):
        sizes.append(len(views[0]))
        return distance(point, views)

    phases = [make_point_phase(loss, name="first"), replace(make_point_phase(loss, name="second"), batch_size=5)]
    run(phases, few, batch_size=12)
    assert sizes == [12] * 2 + [5] * 4


def test_pictures_without_a_label_are_seen_by_the_phases_that_ask_for_them(few):
    seen = {"both": [], "labelled": []}

    def watch(name):
        return lambda point, views: seen[name].append(views[0].flatten(1)) or distance(point, views)

    more = tuple(view[:16] + 10 for view in few.views)
    first = replace(make_point_phase(watch("both"), name="both"), unlabelled=True)
    run([first, make_point_phase(watch("labelled"), name="labelled")], replace(few, unlabelled=more))
    assert {name: sum(map(len, rows)) for name, rows in seen.items()} == {"both": 40, "labelled": 24}
    assert sum(int((rows > 5).any(dim=1).sum()) for rows in seen["both"]) == 16
    assert not any((rows > 5).any() for rows in seen["labelled"])


def test_a_part_of_a_data_set_has_none_of_its_unlabelled_pictures(few):
    whole = replace(few, unlabelled=few.views)
    assert [part.unlabelled for part in whole.split()] == [(), ()]
    assert len(whole) == 24
    assert whole.every_picture[0].shape[0] == 48
    assert whole.to(torch.device("cpu")).unlabelled[0].shape == few.views[0].shape


def test_only_the_linear_head_is_kept_from_pictures_without_a_label():
    recipe = RECIPES.make("digits/dynacl_plus")
    labels = torch.zeros(8, dtype=torch.int64)
    training = model_training(recipe, ((1, SIDE, SIDE),), N_CLASSES, seed=0, device=CPU, labels=labels)
    assert [phase.name for phase in training.phases if not phase.unlabelled] == ["linear head"]


def test_a_phases_own_batch_needs_as_many_samples(few):
    with pytest.raises(LabError, match="A batch of 25 needs at least as many samples, got 24"):
        run([make_point_phase(distance), replace(make_point_phase(distance, name="second"), batch_size=25)], few)


def test_views_of_a_sample_stay_together(few):
    partner = {tuple(a.flatten().tolist()): tuple(b.flatten().tolist()) for a, b in zip(*few.views, strict=True)}

    def loss(point, views):
        for a, b in zip(*views, strict=True):
            assert partner[tuple(a.flatten().tolist())] == tuple(b.flatten().tolist())
        return distance(point, views)

    run([make_point_phase(loss)], few)


def test_losses_get_pictures_and_never_labels(few):
    def loss(views, generator):
        assert isinstance(views, tuple)
        assert all(view.shape == (8, 1, SIDE, SIDE) for view in views)
        assert isinstance(generator, torch.Generator)
        return {"loss": point.place.sum()}

    point = Point()
    run([Phase("moving", 1, point, (Update(loss, torch.optim.SGD(point.parameters(), lr=1e-3)),))], few)


def test_the_updates_of_a_phase_alternate_on_every_batch(few):
    order, points = [], [Point(), Point()]

    def update(i):
        def loss(views, generator):
            order.append(i)
            return {f"loss {i}": points[i].place.sum()}

        return Update(loss, torch.optim.SGD(points[i].parameters(), lr=1.0))

    run([Phase("alternating", 1, nn.ModuleList(points), (update(0), update(1)))], few)
    assert order == [0, 1] * 3
    assert all(point.place.tolist() == [0.0, 1.0] for point in points)


def test_an_update_moves_only_what_its_optimizer_holds(few):
    moved, still = Point(), Point()
    loss = Update(
        lambda views, generator: {"loss": (moved.place * still.place).sum()},
        torch.optim.SGD(moved.parameters(), lr=0.1),
    )
    run([Phase("one side", 1, nn.ModuleList([moved, still]), (loss,))], few)
    assert still.place.tolist() == [3.0, 4.0]
    assert moved.place.tolist() != [3.0, 4.0]


def test_gradients_do_not_pile_up_from_batch_to_batch(few):
    phase = make_point_phase(lambda point, views: {"loss": point.place.sum()})
    run([phase], few)
    assert phase.network.place.tolist() == [0.0, 1.0]  # three steps of 1 down


@pytest.mark.parametrize(("clip_norm", "step"), [(0.5, 0.5), (None, 10.0), (100.0, 10.0)])
def test_clipping_bounds_the_gradient(clip_norm, step, few):
    phase = make_point_phase(distance, clip_norm=clip_norm)
    before = phase.network.place.detach().clone()
    run([phase], few, batch_size=24)  # one batch; the gradient has length 10
    assert (phase.network.place - before).norm().item() == pytest.approx(step, rel=1e-4)


def test_the_network_is_in_training_mode_while_trained_and_in_evaluation_mode_after(few):
    modes = []

    def loss(point, views):
        modes.append(point.training)
        return distance(point, views)

    phase = make_point_phase(loss, epochs=2)
    phase.network.eval()
    for _ in fit([phase], few, batch_size=8, generator=seeded()):
        assert not phase.network.training
    assert set(modes) == {True}
    assert not phase.network.training


def test_the_network_is_in_evaluation_mode_after_a_failure(few):
    def loss(point, views):
        raise RuntimeError("broken")

    phase = make_point_phase(loss)
    with pytest.raises(RuntimeError, match="broken"):
        run([phase], few)
    assert not phase.network.training


def test_closing_stops_the_training(few):
    phase = make_point_phase(lambda point, views: {"loss": point.place.sum()}, epochs=100)
    logs = fit([phase], few, batch_size=8, generator=seeded())
    next(logs)
    logs.close()
    assert phase.network.place.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_a_number_stops_with_a_sentence(value, few):
    phase = make_point_phase(lambda point, views: {"loss": point.place.sum() * value})
    with pytest.raises(LabError, match="not a number in epoch 1"):
        run([phase], few)


def test_too_few_samples_for_a_batch_are_refused(few):
    with pytest.raises(LabError, match="batch of 25"):
        run([make_point_phase(distance)], few, batch_size=25)


def test_training_leaves_the_global_randomness_alone(few):
    model = make_model()
    before = torch.get_rng_state()
    run([make_phase(model, epochs=1)], few)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_needs_no_global_seed(few):
    weights = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        training = make_training("clustering")
        run(training.phases, few)
        weights.append(snapshot(training.phases, training.generator))
    assert same(*weights)


@pytest.mark.parametrize("name", ["simvc", "cl_mvc"])
def test_the_loss_of_every_model_falls_on_blobs(name, blobs):
    logs = run([make_phase(make_model(name), epochs=3)], blobs, batch_size=20)
    assert logs[-1].total < 0.9 * logs[0].total


def test_a_model_finds_the_blobs(trained, blobs):
    trained.train()  # so few epochs leave running statistics behind
    with torch.no_grad():
        clusters = trained.encode(blobs.views).clusters
    found = torch.zeros(N_CLASSES, N_CLASSES, dtype=torch.int64)
    found.index_put_((blobs.labels, clusters), torch.tensor(1), accumulate=True)
    assert found.amax(dim=0).sum() > 0.7 * len(blobs)  # purity; chance is near 0.3


def make_training(kind, *, seed=0, target=None):
    """Three epochs, in up to three phases, of everything the lab can train."""
    if kind == "attacker":
        recipe = replace(
            RECIPES.make("noisy_digits/cl_mvc").attacker, epochs=2, late_epochs=1, batch_size=8, weight_std=0.1
        )
        return attacker_training(recipe, target or make_model().eval(), seed=seed, device=CPU)
    changes = {"batch_size": 8}
    if kind in ENDING_WITH_KMEANS:
        recipe = RECIPES.make(f"noisy_digits/{kind}")
        lengths = (1, 1, 2) if kind == "sem" else (0, 3, 1)
        names = ("pretraining_epochs", "epochs", "rounds")
        changes["schedule"] = replace(recipe.schedule, **dict(zip(names, lengths, strict=True)))
    elif kind == "defense":
        recipe = RECIPES.make("noisy_digits/ar_dmvc_am")
        inner = replace(recipe.defense.inner, steps=2)
        stages = (Stage(epochs=1, epsilon=0.1), Stage(epochs=1, epsilon=0.2))
        changes["defense"] = replace(recipe.defense, warm_up_epochs=1, stages=stages, inner=inner)
    elif kind == "distillation":
        recipe = RECIPES.make("noisy_digits/rcd_mvc")
        inner = replace(recipe.defense.inner, steps=2)
        stages = tuple(replace(recipe.defense.stages[-1], epochs=1, epsilon=epsilon) for epsilon in (0.1, 0.2))
        defense = replace(recipe.defense, warm_up_epochs=1, stages=stages, inner=inner, batch_size=6)
        changes["defense"] = defense
    else:
        recipe = RECIPES.make("noisy_digits/eamc" if kind == "two updates" else "noisy_digits/cl_mvc")
        changes["schedule"] = replace(recipe.schedule, epochs=3)
        if kind == "augmented":
            changes["augmentation"] = "shift"
    return model_training(replace(recipe, **changes), SHAPES, N_CLASSES, seed=seed, device=CPU)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


ENDING_WITH_KMEANS = ("multi_vae", "sem")
every_kind = pytest.mark.parametrize(
    "kind", ["clustering", "two updates", "augmented", "defense", "distillation", "attacker", *ENDING_WITH_KMEANS]
)


def train_on(training, data, *, earlier=(), stop_after=None):
    logs = []
    generator = fit(
        training.phases, data, batch_size=training.batch_size, generator=training.generator, earlier=earlier
    )
    for log in generator:
        logs.append(log)
        if log.epoch == stop_after:
            generator.close()
    return logs


@every_kind
def test_another_seed_gives_another_network(kind, few):
    trainings = [make_training(kind, seed=seed) for seed in (0, 1)]
    states = []
    for training in trainings:
        train_on(training, few, stop_after=1)
        states.append(training.result.state_dict())
    assert not same(*states)


@every_kind
def test_the_same_seed_gives_the_same_network_bit_for_bit_interrupted_or_not(kind, few):
    unbroken = make_training(kind)
    logs = train_on(unbroken, few)
    end = snapshot(unbroken.phases, unbroken.generator)
    for stop_after in (1, 2):
        broken, resumed = make_training(kind), make_training(kind)
        begun = train_on(broken, few, stop_after=stop_after)
        restore(resumed.phases, resumed.generator, snapshot(broken.phases, broken.generator))
        later = train_on(resumed, few, earlier=begun)
        assert [log.terms for log in [*begun, *later]] == [log.terms for log in logs]
        assert [log.epoch for log in later] == [2, 3][stop_after - 1 :]
        assert same(snapshot(resumed.phases, resumed.generator), end)


def test_a_snapshot_is_a_copy(few):
    training = make_training("clustering")
    logs = train_on(training, few, stop_after=1)
    saved = snapshot(training.phases, training.generator)
    before = {name: tensor.clone() for name, tensor in saved.items()}
    train_on(training, few, earlier=logs)
    assert same(saved, before)


def test_a_snapshot_of_other_phases_is_refused(few):
    training = make_training("clustering")
    saved = snapshot(training.phases, training.generator)
    other = make_training("attacker")
    with pytest.raises(RuntimeError):
        restore(other.phases, other.generator, saved)


def test_an_attacker_learns_to_do_damage_and_leaves_its_target_alone(trained, blobs):
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    logs = train_on(make_training("attacker", target=trained), blobs.take(torch.arange(80)))
    assert logs[-1].terms["complementarity"] < logs[0].terms["complementarity"] < 0
    assert same(before, trained.state_dict())
    assert all(parameter.grad is None for parameter in trained.parameters())


@pytest.mark.parametrize("protocol", ["lab", "paper", "released"])
def test_every_protocol_trains_an_attacker(protocol, trained, few):
    name = "noisy_digits/cl_mvc" + ("" if protocol == "lab" else f".{protocol}")
    recipe = replace(RECIPES.make(name).attacker, epochs=1, late_epochs=1, batch_size=12)
    training = attacker_training(recipe, trained, seed=0, device=CPU)
    logs = train_on(training, few)
    assert [log.phase for log in logs] == ["attack", "late attack"]
    assert set(logs[0].terms) == {"discriminator", "complementarity", "consistency", "constraint", "realism"}


@pytest.mark.parametrize(
    ("model", "protocol"), [(m, protocol) for paper in PAPERS for m in paper.models for protocol in paper.protocols]
)
def test_every_protocol_trains_every_model(model, protocol, few):
    dataset = datasets_of(model)[0]
    recipe = RECIPES.make(recipe_name(dataset, model, protocol))
    pretraining = min(recipe.schedule.pretraining_epochs, 1)
    schedule = replace(recipe.schedule, epochs=1, pretraining_epochs=pretraining)
    changes = {"schedule": schedule, "batch_size": 12}
    own = {"batch_size": 12} if isinstance(recipe.defense, RobustDistillation) else {}
    if isinstance(recipe.defense, AdversarialTraining | RobustDistillation):
        changes["defense"] = replace(
            recipe.defense,
            warm_up_epochs=min(recipe.defense.warm_up_epochs, 1),
            stages=tuple(replace(stage, epochs=1) for stage in recipe.defense.stages[-2:]),
            inner=replace(recipe.defense.inner, steps=1),
            **own,
        )
    recipe = replace(recipe, **changes)
    if isinstance(recipe.defense, RepresentationLearning):
        recipe = shrunk(recipe)
    training = model_training(recipe, SHAPES, N_CLASSES, seed=0, device=CPU, labels=few.labels)
    before = {name: tensor.clone() for name, tensor in training.result.named_parameters()}
    train_on(training, few)
    after = dict(training.result.named_parameters())
    still = {name for name, tensor in after.items() if torch.equal(before[name], tensor)}
    assert still == ({"head.weight", "head.bias"} if model == "magnet" else set())  # only a warm start trains its head


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "none"])
def test_an_augmentation_keeps_shape_range_and_seed(name, few):
    change = AUGMENTATIONS.make(name)
    once, again, other = (change(few.views, seeded(seed)) for seed in (1, 1, 2))
    assert [view.shape for view in once] == [view.shape for view in few.views]
    assert all(0 <= view.min() <= view.max() <= 1 for view in once)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], other[0])
    assert not torch.equal(once[0], few.views[0])


def test_no_augmentation_is_none():
    assert AUGMENTATIONS.make("none") is None


def test_shifting_moves_each_picture_by_up_to_two_pixels_each_way():
    spot = torch.zeros(400, 1, 16, 16)
    spot[:, 0, 8, 8] = 1
    moved = AUGMENTATIONS.make("shift")((spot, spot), seeded())
    places = [view.flatten(1).argmax(dim=1) for view in moved]
    rows, columns = places[0] // 16 - 8, places[0] % 16 - 8
    assert {*rows.tolist()} == {*columns.tolist()} == {-2, -1, 0, 1, 2}
    assert all((view.flatten(1).sum(dim=1) == 1).all() for view in moved)
    assert not torch.equal(places[0], places[1])  # each view on its own


def make_run(seed, epochs=2):
    recipe = RECIPES.make("noisy_digits/simvc")
    recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=epochs), batch_size=8)
    return model_training(recipe, SHAPES, N_CLASSES, seed=seed, device=CPU)


def test_a_run_folder_resumes_where_it_was_closed(tmp_path, few):
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken", save_seconds=0)
    expected = list(whole.train(make_run, few, runs=2))
    seen = []
    for stop_after in (1, 2, 3, 4):
        training = broken.train(make_run, few, runs=2)
        seen.append(next(training))
        assert len(broken.logs()) == stop_after
        training.close()
    assert list(broken.train(make_run, few, runs=2)) == []
    assert [(log.run, log.epoch, log.terms) for log in seen] == [(log.run, log.epoch, log.terms) for log in expected]
    assert broken.best() == whole.best()
    assert all(same(broken.result(i), whole.result(i)) for i in range(2))


def test_a_finished_run_folder_is_not_trained_again(tmp_path, few):
    folder = RunFolder(tmp_path)
    list(folder.train(make_run, few, runs=1))

    def forbidden(run):
        raise AssertionError("trained again")

    assert list(folder.train(forbidden, few, runs=1)) == []
    assert [log.epoch for log in folder.logs()] == [1, 2]


def test_the_best_run_has_the_lowest_last_loss(tmp_path, few):
    folder = RunFolder(tmp_path)
    logs = list(folder.train(make_run, few, runs=3))
    last = {log.run: log.total for log in logs if log.epoch == 2}
    best = folder.best()
    assert last[best + 1] == min(last.values())
    again = make_run(best)
    train_on(again, few)
    assert same(folder.result(best), again.result.state_dict())


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_a_damaged_unfinished_run_says_to_delete_it(damage, tmp_path, few):
    folder = RunFolder(tmp_path, save_seconds=0)
    training = folder.train(make_run, few, runs=1)
    next(training)
    training.close()
    (state,) = tmp_path.glob("run-*.safetensors")
    content = state.read_bytes()
    state.write_bytes({"truncated": content[:500], "changed": b"\xff" * 8 + content[8:], "empty": b""}[damage])
    with pytest.raises(LabError, match="Delete it"):
        list(folder.train(make_run, few, runs=1))


def test_a_crop_moves_by_up_to_four_pixels_and_mirrors_half_of_the_pictures():
    spot = torch.zeros(600, 3, 16, 16)
    spot[:, :, 8, 8] = 1
    (moved,) = AUGMENTATIONS.make("crop_and_flip")((spot,), seeded())
    places = moved[:, 0].flatten(1).argmax(dim=1)
    rows, columns = places // 16 - 8, places % 16 - 8
    assert {*rows.tolist()} == {*range(-4, 5)}
    assert {*columns.tolist()} == {*range(-5, 5)}  # mirrored, column 8 becomes 7
    assert torch.equal(moved[:, 0], moved[:, 2])
    lone = torch.zeros(600, 1, 16, 16)
    lone[:, :, :, 0] = 1  # a wall on the left
    (walls,) = AUGMENTATIONS.make("crop_and_flip")((lone,), seeded(1))
    right = walls[:, 0, 4:12, 8:].flatten(1).any(dim=1).double().mean()
    left = walls[:, 0, 4:12, :8].flatten(1).any(dim=1).double().mean()
    assert abs(right - left) < 0.15
