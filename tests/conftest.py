from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from core.lab import Lab
from core.models import MODELS
from core.models.base import ClusteringModel
from core.models.initialise import initialise
from core.recipes.base import Recipe
from core.training import Phase, Update, fit
from core.types import MultiViewDataset
from pages.ui import cache

PROJECT = Path(__file__).resolve().parent.parent

N_SAMPLES = 160
N_CLASSES = 4
SIDE = 24  # the smallest that the GAN attack's networks take


def for_each(values):
    """One test over all of these: hundreds of tests of their own would take longer than what they check."""

    values = tuple(values)
    assert values, "There is nothing to test."

    def decorate(check):
        def test():
            for value in values:
                check(value)

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache of results of their own: what somebody's lab has computed here makes no test pass, and none fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def stored_without_a_search():
    """Which layers bear fewer bits is not looked for: that scores a dozen times what a test trained for a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.checkpoint_training.find_narrow", lambda *_: frozenset())
        yield


@pytest.fixture(autouse=True)
def through_app(monkeypatch):
    """Every run goes through app.py, as on a server that has run it once; AppTest forgets that between two runs."""
    start = PagesManager.__init__

    def started(self, *args, **options):
        start(self, *args, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", started)


@pytest.fixture
def lab(monkeypatch):
    """The fake lab behind the pages, and caches that are empty before and after."""
    from fake_lab import FakeLab  # its folder is importable only once pytest has begun

    fake = FakeLab()
    monkeypatch.setattr(cache, "Lab", lambda: fake)
    cache.forget_everything()
    yield fake
    cache.forget_everything()


def texts(app: AppTest, kind: str = "markdown") -> str:
    """What a page says in elements of one kind, a line each."""
    return "\n".join(str(element.value) for element in getattr(app, kind))


def make_blobs(n_samples: int = N_SAMPLES, n_views: int = 2) -> MultiViewDataset:
    """A bright spot whose place in each view depends on the class, in noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n_samples) % N_CLASSES
    places = torch.tensor([[6.0, 6.0], [6.0, 17.0], [17.0, 6.0], [17.0, 17.0]])
    grid = torch.arange(SIDE, dtype=torch.float32)
    views = []
    for v in range(n_views):
        jitter = torch.randn(n_samples, 2, generator=generator)
        rows, columns = (places[(labels + v) % N_CLASSES] + jitter).T
        spots = torch.exp(-((grid[None, :, None] - rows[:, None, None]) ** 2) / 12)
        spots = spots * torch.exp(-((grid[None, None, :] - columns[:, None, None]) ** 2) / 12)
        noise = 0.1 * torch.randn(n_samples, SIDE, SIDE, generator=generator)
        views.append((0.1 + 0.8 * spots + noise).clamp(0, 1)[:, None])
    return MultiViewDataset("blobs", tuple(views), labels, ("a", "b", "c", "d"))


def make_model(name: str = "cl_mvc", *, n_views: int = 2, seed: int = 0, **options: object) -> ClusteringModel:
    model = MODELS.make(name, view_shapes=((1, SIDE, SIDE),) * n_views, n_clusters=N_CLASSES, **options)
    initialise(model, torch.Generator().manual_seed(seed))
    return model


def shrunk(recipe: Recipe) -> Recipe:
    """How a representation is learned, with an epoch or two for everything, small batches and a small network."""
    learning, second = recipe.defense, recipe.defense.second
    if second is not None:
        second = replace(second, optimisation=replace(second.optimisation, batch_size=12, warm_up_epochs=0))
        second = replace(second, afterwards=(3, 1, 1) if second.afterwards else None)
    learning = replace(
        learning,
        first=replace(learning.first, batch_size=12, warm_up_epochs=0),
        second=second,
        fine_tuning=replace(learning.fine_tuning, epochs=1, batch_size=12),
    )
    options = {"network": "small", "widths": [4, 6, 8], "projector": [8, 4], "grid": [3, 4]}
    schedule = replace(recipe.schedule, pretraining_epochs=1 if second else 0, epochs=2)
    options = recipe.model_options | options
    return replace(recipe, defense=learning, schedule=schedule, model_options=options, batch_size=12)


def make_phase(model: ClusteringModel, *, epochs: int, clip_norm: float | None = None) -> Phase:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return Phase("clustering", epochs, model, (Update(model.training_terms, optimizer, clip_norm),))


@pytest.fixture(scope="session")
def blobs() -> MultiViewDataset:
    return make_blobs()


@pytest.fixture(scope="session")
def trained_once(blobs) -> ClusteringModel:
    model = make_model()
    for _ in fit([make_phase(model, epochs=4)], blobs, batch_size=40, generator=torch.Generator().manual_seed(0)):
        pass
    return model


@pytest.fixture
def trained(trained_once) -> ClusteringModel:
    """A copy of a briefly trained CL-MVC in evaluation mode, free to be changed."""
    model = make_model()
    model.load_state_dict(trained_once.state_dict())
    return model.eval()


@pytest.fixture(scope="module")
def real_lab() -> Lab:
    """The lab as it ships."""
    return Lab(device="cpu")


@pytest.fixture
def open_real_page(real_lab, monkeypatch):
    """Opens a page of the app with the lab as it ships, and no job of another test."""
    monkeypatch.setattr(cache, "Lab", lambda: real_lab)
    cache.forget_everything()
    yield lambda name: AppTest.from_file(str(PROJECT / "app.py"), default_timeout=60).switch_page(f"pages/{name}.py")
    cache.forget_everything()
