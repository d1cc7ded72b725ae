import copy

import pytest
import torch

from core.errors import LabError
from core.models import MODELS
from core.models.encoders import ConvolutionalEncoder, use_precision
from core.models.fusion import WeightedFusion
from core.models.initialise import initialise
from core.recipes.alrdc import MODELS as LATENT_MODELS
from core.recipes.clustr import MODELS as CLASSIFIERS
from core.recipes.ncp_acl import MODELS as REPRESENTATIONS
from tests import reference
from tests.conftest import N_CLASSES, SIDE, make_blobs, make_model

CLOSE = 1e-5  # sums of up to 1024 float32 products, in a different order
# Flat pictures, one latent of all views, smaller kernels, the mean over pixels
TAKES_ANY_SIZE = ("sem", *LATENT_MODELS, *CLASSIFIERS, *REPRESENTATIONS)
WITH_CONTRAST = ("comvc", "cl_mvc", "ar_dmvc", "ar_dmvc_am", "rcd_mvc")
DDC_FAMILY = ("simvc", *WITH_CONTRAST)

every_model = pytest.mark.parametrize("name", list(MODELS))
every_clustering = pytest.mark.parametrize("name", [name for name in MODELS if name not in CLASSIFIERS])
ddc_family = pytest.mark.parametrize("name", DDC_FAMILY)


def first(views, n):
    return tuple(view[:n] for view in views)


def parameter_count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@ddc_family
def test_parameter_counts_are_the_released_codes(name):
    two_views = MODELS.make(name, view_shapes=((1, 28, 28), (1, 28, 28)), n_clusters=10)
    three_views = MODELS.make(name, view_shapes=((1, 28, 28),) * 3, n_clusters=3)
    assert parameter_count(two_views) == 327_072
    assert parameter_count(three_views) == 438_046


@pytest.mark.parametrize(
    ("name", "count"),
    [("eamc", 898_339), ("multi_vae", 1_523_636), ("aecoddc", 550_050), ("infoddc", 327_072), ("sem", 10_809_920)],
)
def test_parameter_counts_of_the_other_baselines_are_the_reference_codes(name, count):
    assert parameter_count(MODELS.make(name, view_shapes=((1, 28, 28), (1, 28, 28)), n_clusters=10)) == count


@pytest.mark.parametrize(("shape", "width"), [((1, 28, 28), 1024), ((3, 128, 64), 24128), ((1, 16, 16), 64)])
def test_the_encoder_has_the_width_of_table_4(shape, width):
    encoder = ConvolutionalEncoder(shape).eval()
    with torch.no_grad():
        assert encoder(torch.zeros(2, *shape)).shape == (2, width)
    assert encoder.n_outputs == width


def test_the_encoder_has_the_layers_of_table_4():
    names = [type(module).__name__ for module in ConvolutionalEncoder((1, 28, 28))]
    block = ["Conv2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert names == [*block, *block, "Flatten"]


@every_model
@pytest.mark.parametrize("n_views", [1, 2, 3])
def test_an_encoding_has_the_promised_shapes(name, n_views):
    views = first(make_blobs(n_views=n_views).views, 6)
    encoding = make_model(name, n_views=n_views).eval().encode(views)
    width = encoding.embeddings[0].shape[1]
    assert [z.shape for z in encoding.embeddings] == [(6, width)] * n_views
    assert encoding.fused.shape[0] == encoding.hidden.shape[0] == 6
    assert encoding.fused.ndim == encoding.hidden.ndim == 2
    assert encoding.probs.shape == (6, N_CLASSES)
    assert encoding.clusters.shape == (6,)


@every_model
def test_a_model_says_what_it_takes(name):
    model = make_model(name)
    assert model.view_shapes == ((1, SIDE, SIDE),) * 2
    assert model.n_clusters == N_CLASSES


@every_model
def test_probabilities_sum_to_one(name, blobs):
    probs = make_model(name).eval().encode(first(blobs.views, 8)).probs
    assert (probs >= 0).all()
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(8))


@every_model
def test_encoding_twice_gives_the_same(name, blobs):
    model, views = make_model(name).eval(), first(blobs.views, 8)
    assert torch.equal(model.encode(views).probs, model.encode(views).probs)


@every_clustering
def test_encoding_leaves_nothing_on_the_model(name, blobs):
    model = make_model(name).eval()
    before = {key: set(vars(module)) for key, module in model.named_modules()}
    weights = copy.deepcopy(model.state_dict())
    model.loss_terms(first(blobs.views, 8), model.encode(first(blobs.views, 8)))
    assert {key: set(vars(module)) for key, module in model.named_modules()} == before
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())


@every_model
def test_samples_do_not_influence_each_other_in_evaluation_mode(name, blobs):
    model, views = make_model(name).eval(), first(blobs.views, 8)
    order = torch.tensor([5, 0, 7, 2, 1, 6, 3, 4])
    shuffled = model.encode(tuple(view[order] for view in views)).probs
    torch.testing.assert_close(shuffled, model.encode(views).probs[order], rtol=0, atol=CLOSE)
    torch.testing.assert_close(model.encode(first(views, 1)).probs, model.encode(views).probs[:1], rtol=0, atol=CLOSE)


@every_model
def test_an_encoding_can_be_differentiated_in_the_pictures(name, blobs):
    views = tuple(view[:4].clone().requires_grad_() for view in blobs.views)
    encoding = make_model(name).eval().encode(views)
    for output in (*encoding.embeddings, encoding.fused, encoding.hidden, encoding.probs):
        weights = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
        gradients = torch.autograd.grad((output * weights).sum(), views, retain_graph=True, allow_unused=True)
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@every_clustering
def test_loss_terms_are_finite_numbers_with_a_name(name, blobs):
    model, views = make_model(name), first(blobs.views, 16)
    terms = model.loss_terms(views, model.encode(views))
    assert terms
    assert all(term.shape == () and term.isfinite() for term in terms.values())


@ddc_family
def test_loss_terms_are_those_of_ddc_and_the_contrast(name, blobs):
    model, views = make_model(name), first(blobs.views, 16)
    contrast = {"contrastive"} if name in WITH_CONTRAST else set()
    terms = model.loss_terms(views, model.encode(views))
    assert set(terms) == {"separation", "orthogonality", "simplex"} | contrast


@ddc_family
def test_the_head_of_table_4_reads_probabilities_from_100_numbers(name, blobs):
    assert make_model(name).eval().encode(first(blobs.views, 2)).hidden.shape == (2, 100)


@ddc_family
def test_the_loss_reaches_every_parameter(name, blobs):
    model, views = make_model(name), first(blobs.views, 16)
    loss = sum(model.loss_terms(views, model.encode(views)).values())
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert all(gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("options", "weight", "adaptive"),
    [({}, 0.1, True), ({"contrastive_weight": 1.0, "adaptive": False}, 1.0, False)],
    ids=["released", "paper"],
)
def test_the_contrast_is_weighted_as_the_protocol_says(options, weight, adaptive, blobs):
    model, views = make_model(**options).eval(), first(blobs.views, 6)
    with torch.no_grad():
        model.fusion.raw_weights.copy_(torch.tensor([0.8, -0.4]))
        encoding = model.encode(views)
        term = model.loss_terms(views, encoding)["contrastive"].item()
    raw_weights = [0.8, -0.4] if adaptive else None
    embeddings = [z.double().tolist() for z in encoding.embeddings]
    expected = weight * reference.contrast_all_pairs(embeddings, 0.1, raw_weights)
    assert term == pytest.approx(expected, rel=1e-4)  # float32 against float64 at temperature 0.1


@pytest.mark.parametrize("width", ["released", "paper"])
def test_the_ddc_terms_read_hidden_and_probs(width, blobs):
    model, views = make_model("simvc", kernel_width=width).eval(), first(blobs.views, 6)
    with torch.no_grad():
        model.head.logits.weight.mul_(1000)  # decided, so that the width shows
        encoding = model.encode(views)
        terms = model.loss_terms(views, encoding)
    kernel = reference.gaussian_kernel(encoding.hidden.double().tolist(), width)
    probs = encoding.probs.double().tolist()
    assert terms["separation"].item() == pytest.approx(reference.separation(probs, kernel), rel=1e-3)
    assert terms["orthogonality"].item() == pytest.approx(reference.orthogonality(probs), rel=1e-4)
    assert terms["simplex"].item() == pytest.approx(reference.simplex(probs, kernel), rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_precision_of_training_changes_little_and_can_be_undone(precision, blobs):
    model, views = make_model().eval(), first(blobs.views, 4)
    with torch.no_grad():
        expected = model.encode(views)
        use_precision(model, precision)
        encoding = model.encode(views)
        use_precision(model, "float32")
        again = model.encode(views)
    assert encoding.fused.dtype == encoding.probs.dtype == torch.float32
    assert torch.equal(encoding.fused, expected.fused) == (precision == "float32")
    torch.testing.assert_close(encoding.fused, expected.fused, rtol=0.05, atol=0.05)  # bfloat16 has 8 bits
    assert torch.equal(again.probs, expected.probs)


def test_fusion_starts_as_the_mean_and_follows_the_softmax_of_its_weights():
    fusion = WeightedFusion(3)
    embeddings = tuple(torch.full((2, 4), float(v)) for v in range(3))
    torch.testing.assert_close(fusion(embeddings), torch.ones(2, 4))
    torch.testing.assert_close(fusion.raw_weights.detach(), torch.full((3,), 1 / 3))
    with torch.no_grad():
        fusion.raw_weights.copy_(torch.tensor([0.0, 1.0, 2.0]))
    expected = torch.tensor([0.0, 1.0, 2.0]).softmax(dim=0) @ torch.tensor([0.0, 1.0, 2.0])
    torch.testing.assert_close(fusion(embeddings), torch.full((2, 4), expected.item()))


def test_initialising_depends_on_the_generator_alone():
    torch.manual_seed(1)
    first_model = make_model(seed=3)
    torch.manual_seed(2)
    second_model, other = make_model(seed=3), make_model(seed=4)
    pairs = zip(first_model.parameters(), second_model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first_model.encoders[0][0].weight, other.encoders[0][0].weight)


def test_initialising_draws_as_torch_does():
    model = make_model()
    torch.manual_seed(0)
    theirs = torch.nn.Linear(*reversed(model.head.hidden[0].weight.shape))
    ours = model.head.hidden[0]
    for a, b in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        assert a.abs().max().item() == pytest.approx(b.abs().max().item(), rel=0.05)
        assert a.std().item() == pytest.approx(b.std().item(), rel=0.25)  # 100 biases: 7 % standard error


def test_initialising_leaves_the_global_randomness_alone():
    model, before = make_model(), torch.get_rng_state()
    initialise(model, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("shapes", "n_clusters", "said"),
    [
        (((1, 15, 28), (1, 28, 28)), 4, "16"),
        (((1, 28, 28), (1, 32, 32)), 4, "one size"),
        (((1, 28, 28),), 1, "at least 2 clusters"),
    ],
    ids=["small pictures", "different sizes", "one cluster"],
)
@pytest.mark.parametrize("name", [name for name in MODELS if name not in TAKES_ANY_SIZE])
def test_impossible_models_are_refused_in_a_sentence(name, shapes, n_clusters, said):
    with pytest.raises(LabError, match=said):
        MODELS.make(name, view_shapes=shapes, n_clusters=n_clusters)


def test_an_unknown_model_names_the_closest_one():
    with pytest.raises(LabError, match="Did you mean cl_mvc"):
        MODELS.make("cl_mcv", view_shapes=((1, 28, 28),), n_clusters=3)
