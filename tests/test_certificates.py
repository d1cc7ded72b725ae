import math

import pytest
import torch
from torch import nn

from core.certificates import cell_bound, grid_bound, product_bound, radius, spectral_norm, two_closest_radius
from core.data import DATASETS
from core.errors import LabError
from core.models.classifier import Normalise, make_network
from core.models.initialise import initialise
from core.models.magnet import Magnet
from core.training import Schedule, fit

SHAPE = (1, 1, 2)
TRIES = 10_000


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def plane_network(seed=0, scale=3.0):
    network, _ = make_network("plane", SHAPE)
    initialise(network, seeded(seed))
    whole = nn.Sequential(Normalise((0.5,), (0.25,)), network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= scale
    return whole.requires_grad_(False)


@pytest.fixture(scope="module")
def trained():
    """A Magnet of one centre a class on the moons, and the half it was not trained on."""
    train, held_out = DATASETS.make("two_moons").split()
    options = {"network": "plane", "mean": [0.5], "deviation": [0.25], "alpha": 1.0, "clusters_per_class": 1}
    model = Magnet(train.view_shapes, 2, sampled_clusters=2, samples_per_cluster=100, steps=15, **options)
    initialise(model, seeded())
    words = {"rounds": 1, "learning_rates": {}, "clip_norm": None, "patience": None}
    schedule = Schedule(pretraining_epochs=60, epochs=15, learning_rate=5e-3, **words)
    list(fit(model.supervised_phases(schedule, train.labels), train, batch_size=50, generator=seeded()))
    model.finish(train.views, train.labels)
    return model.eval().requires_grad_(False), held_out


def test_the_paper_s_rule_of_the_two_closest_centres_fails_on_the_counter_example():
    features = torch.tensor([[0.5]])
    centres, classes = torch.tensor([[0.0], [-0.6], [1.7]]), torch.arange(3)
    claimed = two_closest_radius(features, centres, classes, 1.0)
    sound = radius(features, centres, classes, 1.0)
    torch.testing.assert_close(claimed, torch.tensor([0.8]))
    torch.testing.assert_close(sound, torch.tensor([0.35]))
    flipped = torch.cdist(features + 0.351, centres).argmin(dim=1)
    assert flipped.item() == 2  # well inside what the paper's rule certifies


def test_for_two_centres_the_radius_is_proposition_1():
    features, centres = torch.randn(20, 3, generator=seeded(1)), torch.randn(2, 3, generator=seeded(2))
    near, far = torch.cdist(features, centres).square().sort(dim=1).values.T
    expected = (far - near) / (2 * 4.0 * (centres[0] - centres[1]).norm())
    found = radius(features, centres, torch.arange(2), 4.0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(two_closest_radius(features, centres, torch.arange(2), 4.0), expected)


def test_no_feature_moves_across_a_border_within_the_radius():
    features, centres = torch.randn(40, 4, generator=seeded(3)), torch.randn(9, 4, generator=seeded(4))
    classes = torch.arange(9) % 3
    reach = radius(features, centres, classes, 1.0)
    own = classes[torch.cdist(features, centres).argmin(dim=1)]
    for seed in range(50):
        step = torch.randn(40, 4, generator=seeded(seed))
        moved = features + 0.999 * reach[:, None] * step / step.norm(dim=1, keepdim=True)
        assert torch.equal(classes[torch.cdist(moved, centres).argmin(dim=1)], own)
    towards = centres[torch.cdist(features, centres).masked_fill(classes == own[:, None], 1e9).argmin(dim=1)]
    assert (reach <= (towards - features).norm(dim=1)).all()


@pytest.mark.parametrize("lipschitz", [0.0, -1.0, math.inf, math.nan])
def test_a_lipschitz_constant_that_is_none_is_refused(lipschitz):
    with pytest.raises(LabError, match="positive number"):
        radius(torch.zeros(1, 2), torch.eye(2), torch.arange(2), lipschitz)


def test_one_class_alone_has_no_certificate():
    with pytest.raises(LabError, match="two classes"):
        radius(torch.zeros(1, 2), torch.eye(2), torch.zeros(2, dtype=torch.int64), 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_say_whether_they_are_proofs_and_are_in_order(seed):
    network = plane_network(seed)
    ticks = (torch.arange(100) + 0.5) / 100
    grid = grid_bound(network, torch.cartesian_prod(ticks, ticks)[:, None, None, :])
    cells, product = cell_bound(network), product_bound(network, SHAPE)
    assert (grid.proof, cells.proof, product.proof) == (False, True, True)
    assert grid.value <= cells.value * (1 + 1e-6) <= product.value * (1 + 1e-6)
    pairs = torch.rand(TRIES, 2, 1, 1, 2, generator=seeded(seed))
    first, second = network(pairs[:, 0]), network(pairs[:, 1])
    steepness = (first - second).norm(dim=1) / (pairs[:, 0] - pairs[:, 1]).flatten(1).norm(dim=1).clamp_min(1e-9)
    assert steepness.max() <= cells.value * (1 + 1e-5)


def test_a_convolution_s_norm_is_that_of_its_matrix():
    layer = nn.Conv2d(2, 3, 3, stride=2, padding=1).requires_grad_(False)
    pictures = torch.randn(200, 2, 6, 6, generator=seeded(5))
    bound = product_bound(nn.Sequential(layer, nn.ReLU(), nn.Flatten()), (2, 6, 6)).value
    stretched = nn.functional.conv2d(pictures, layer.weight, None, 2, 1).flatten(1).norm(dim=1)
    assert (stretched / pictures.flatten(1).norm(dim=1)).max() <= bound
    units = torch.eye(72).reshape(72, 2, 6, 6)
    matrix = nn.functional.conv2d(units, layer.weight, None, 2, 1).flatten(1)
    assert bound == pytest.approx(spectral_norm(matrix), rel=1e-5)


def test_a_layer_without_a_known_norm_is_refused():
    with pytest.raises(LabError, match="Tanh"):
        product_bound(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), SHAPE)
    with pytest.raises(LabError, match="two inputs"):
        cell_bound(nn.Sequential(nn.Linear(3, 2)))


def test_none_of_ten_thousand_changes_inside_a_certified_radius_flips_a_point(trained):
    model, held_out = trained
    network = model.networks[0]
    lipschitz = cell_bound(network)
    assert lipschitz.proof
    points = held_out.views[0]
    encoding = model.encode((points,))
    assert (encoding.clusters == held_out.labels).double().mean() > 0.9
    reach = radius(encoding.fused, model.centres, model.centre_classes, lipschitz.value)
    assert reach.max() > 0.01
    rows = torch.randint(len(points), (TRIES,), generator=seeded(6))
    angles = 2 * math.pi * torch.rand(TRIES, generator=seeded(7))
    lengths = 0.9999 * reach[rows] * torch.rand(TRIES, generator=seeded(8)).sqrt()
    steps = lengths[:, None] * torch.stack([angles.cos(), angles.sin()], dim=1)
    moved = points[rows] + steps[:, None, None, :]
    inside = ((moved >= 0) & (moved <= 1)).flatten(1).all(dim=1)  # the constant is proven for the square
    assert inside.float().mean() > 0.9
    assert torch.equal(model.encode((moved[inside],)).clusters, encoding.clusters[rows[inside]])
