from dataclasses import replace

import pytest
import torch

from core.attacks.objectives import OBJECTIVES
from core.errors import LabError
from core.losses.magnet import log_scores, magnet, magnet_probs, nearest_scores
from core.losses.robust import soft_cross_entropy
from core.models.magnet import ClusterBatches, Magnet
from core.recipes import RECIPES
from core.types import Encoding
from tests import reference
from tests.conftest import make_blobs, make_model

SMALL = {"clusters_per_class": 2, "sampled_clusters": 4, "samples_per_cluster": 5}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def cloud():
    features = torch.randn(12, 3, generator=seeded(1))
    centres = 2 * torch.randn(6, 3, generator=seeded(2))
    return features, torch.arange(12) % 3, centres, torch.tensor([0, 0, 1, 1, 2, 2])


@pytest.fixture(scope="module")
def few():
    whole = make_blobs(60)
    return replace(whole, views=whole.views[:1])


@pytest.fixture
def placed(few):
    model = make_model("magnet", n_views=1, **SMALL).eval()
    return model, model.place(few.views, few.labels)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 12.5])
@pytest.mark.parametrize("variance", [None, 0.7])
def test_the_magnet_loss_is_equation_3(cloud, alpha, variance):
    given = None if variance is None else torch.tensor(variance)
    expected = torch.tensor(reference.magnet(*cloud, alpha, variance))
    torch.testing.assert_close(magnet(*cloud, alpha=alpha, variance=given), expected, rtol=1e-5, atol=1e-6)


def test_far_features_have_a_loss_and_a_slope_where_exponentials_would_not(cloud):
    features, *others = cloud
    far = (100 * features).requires_grad_()
    loss = magnet(far, *others, alpha=1.0, variance=torch.tensor(0.01))
    (slope,) = torch.autograd.grad(loss, far)
    assert loss.isfinite()
    assert (slope.norm(dim=1) > 0).any()
    assert slope.isfinite().all()


def test_inference_is_equation_4(cloud):
    features, _, centres, classes = cloud
    expected = torch.tensor(reference.magnet_probs(features, centres, classes, 0.8))
    torch.testing.assert_close(magnet_probs(features, centres, classes, torch.tensor(0.8)), expected)


@pytest.mark.parametrize("near", [1, 2, 4, 6, 50])
def test_inference_over_the_nearest_centres_is_equation_4_cut_short(cloud, near):
    features, _, centres, classes = cloud
    expected = torch.tensor(reference.magnet_probs(features, centres, classes, 0.8, near))
    probs = magnet_probs(features, centres, classes, torch.tensor(0.8), n_nearest=near)
    torch.testing.assert_close(probs, expected)
    assert ((probs > 0).sum(dim=1) <= near).all()


def test_far_features_stay_in_the_classes_of_their_nearest_centres(cloud):
    features, _, centres, classes = cloud
    far = (1000 * features).requires_grad_()
    scores = log_scores(far, centres, classes, torch.tensor(0.01), n_classes=3, n_nearest=1)
    assert torch.equal(scores.argmax(dim=1), classes[torch.cdist(far.detach(), centres).argmin(dim=1)])
    (slope,) = torch.autograd.grad(scores.sum(), far)
    assert slope.isfinite().all()


def test_a_magnet_sums_over_as_many_centres_as_it_is_told():
    model = Magnet(((1, 28, 28),), 10, n_nearest=2).eval()
    with torch.no_grad():
        probs = model.encode((torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)),)).probs
    assert ((probs > 0).sum(dim=1) <= 2).all()
    assert RECIPES.make("cifar100/clustr.paper").model_options["n_nearest"] == 20
    assert "n_nearest" not in RECIPES.make("cifar10/clustr.paper").model_options
    with pytest.raises(LabError, match="at least its nearest centre, got 0"):
        Magnet(((1, 28, 28),), 10, n_nearest=0)


def test_a_class_without_a_centre_has_no_probability_and_no_gradient_that_is_no_number(cloud):
    features, _, centres, classes = cloud
    features = features.clone().requires_grad_()
    scores = log_scores(features, centres, classes, torch.tensor(1.0), n_classes=5)
    probs = scores.softmax(dim=1)
    assert (probs[:, 3:] == 0).all()
    (slope,) = torch.autograd.grad(probs[:, 0].sum(), features)
    assert slope.isfinite().all()


def test_the_nearest_rule_is_the_class_of_the_nearest_centre(cloud):
    features, _, centres, classes = cloud
    scores = nearest_scores(features, centres, classes, torch.tensor(1.0), n_classes=3)
    assert torch.equal(scores.argmax(dim=1), classes[torch.cdist(features, centres).argmin(dim=1)])


def test_a_sample_belongs_to_a_cluster_of_its_own_class_and_centres_are_means(placed, few):
    model, clusters = placed
    assert torch.equal(clusters // 2, few.labels)
    features = model.hidden(few.views)
    for cluster in clusters.unique():
        mean = features[clusters == cluster].mean(dim=0)
        torch.testing.assert_close(model.centres[cluster], mean, rtol=1e-3, atol=1e-4)
    own = (features - model.centres[clusters]).square().sum(dim=1)
    torch.testing.assert_close(model.variance, own.sum() / (len(own) - 1))


def test_a_batch_is_a_cluster_and_its_neighbours_of_other_classes(placed, few):
    model, _ = placed
    drawn = ClusterBatches(model, few.labels)
    for rows in drawn(few.views, 0, seeded()):
        clusters = drawn.clusters[rows].reshape(4, 5)
        assert (clusters == clusters[:, :1]).all()
        seed, *others = clusters[:, 0].tolist()
        assert len({seed, *others}) == 4
        assert all(other // 2 != seed // 2 for other in others)


def test_a_cluster_with_a_large_loss_is_drawn_more_often(placed, few):
    model, _ = placed
    drawn = ClusterBatches(model, few.labels)
    model.steps = 30
    batches = drawn(few.views, 0, seeded())
    drawn.losses[3] = 1.0  # all others have none
    assert {int(drawn.clusters[rows[0]]) for rows in batches} == {3}


def test_the_loss_of_a_batch_uses_the_means_of_its_own_samples(placed, few):
    model, _ = placed
    drawn = ClusterBatches(model, few.labels)
    rows = next(iter(drawn(few.views, 0, seeded())))
    encoding = model.encode(tuple(view[rows] for view in few.views))
    terms, logits = drawn.clean_loss(encoding, drawn.clusters[rows])
    clusters = drawn.clusters[rows][::5]
    centres = encoding.fused.reshape(4, 5, -1).mean(dim=1)
    expected = reference.magnet(encoding.fused, few.labels[rows], centres, clusters // 2, model.alpha)
    torch.testing.assert_close(terms["magnet"], torch.tensor(expected), rtol=1e-4, atol=1e-4)
    assert logits(encoding).shape == (20, model.n_clusters)
    assert (drawn.losses[clusters] > 0).all()


def test_a_defense_of_a_magnet_gains_nothing_by_scaling_its_features(placed, few):
    model, _ = placed
    drawn = ClusterBatches(model, few.labels)
    rows = next(iter(drawn(few.views, 0, seeded())))
    encoding = model.encode(tuple(view[rows] for view in few.views))
    there = encoding.fused.detach()
    pair = [(there + share * torch.randn(there.shape, generator=seeded(3))).requires_grad_() for share in (0.0, 0.1)]
    _, logits = drawn.clean_loss(replace(encoding, fused=pair[0]), drawn.clusters[rows])
    apart = soft_cross_entropy(*(logits(replace(encoding, fused=fused)) for fused in pair)).mean()
    slopes = torch.autograd.grad(apart, pair)
    longer = torch.stack([slope * fused for slope, fused in zip(slopes, pair, strict=True)])
    assert longer.sum().abs() < 1e-4 * longer.abs().sum()


def test_a_class_smaller_than_its_clusters_is_refused(few):
    model = make_model("magnet", n_views=1, **SMALL | {"clusters_per_class": 40})
    with pytest.raises(LabError, match="too few for 40 clusters"):
        model.place(few.views, few.labels)


@pytest.mark.parametrize("options", [{"inference": "hard"}, {"clusters_per_class": 0}, {"sampled_clusters": 1}])
def test_an_impossible_magnet_is_refused(options):
    with pytest.raises(LabError):
        make_model("magnet", n_views=1, **options)


def test_the_four_objectives_of_classifiers_are_functions_of_logits():
    logits = torch.tensor([[-1.0, -3.0, -2.0], [-5.0, -0.5, -4.0]])
    clean = Encoding((), logits, logits, torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]), logits)
    there = Encoding((), logits, logits, logits.softmax(dim=1), logits)
    rows = logits.exp()
    expected = {
        "log_scores": -logits.log_softmax(dim=1)[[0, 1], [0, 1]],
        "scores": -rows.log_softmax(dim=1)[[0, 1], [0, 1]],
        "margin": torch.tensor([-1.0, -3.5]),
        "magnet": torch.stack([logits[0, 1:].logsumexp(0) + 1, logits[1, [0, 2]].logsumexp(0) + 0.5]),
    }
    for name, values in expected.items():
        torch.testing.assert_close(OBJECTIVES.make(name)(clean, there), values)


def test_far_from_every_centre_the_scores_are_flat_and_their_logarithms_are_not():
    logits = torch.tensor([[-200.0, -220.0, -230.0]], requires_grad=True)
    clean = Encoding((), logits, logits, torch.tensor([[1.0, 0, 0]]), logits.detach())
    there = Encoding((), logits, logits, logits.softmax(dim=1), logits)
    slopes = {
        name: torch.autograd.grad(OBJECTIVES.make(name)(clean, there).sum(), logits, retain_graph=True)[0]
        for name in ("scores", "margin")
    }
    assert not slopes["scores"].any()
    assert slopes["margin"].abs().sum() == 2
