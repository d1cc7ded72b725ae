import ast
import json
import re
import tomllib
from dataclasses import asdict
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.__main__ import parser
from core.attacks import ATTACKS
from core.checkpoints import find_cards, load_weights, reference
from core.commands.checkpoints import train_spec
from core.data import DATASET_FACTS, DATASETS
from core.defenses import DEFENSES
from core.lab import Lab
from core.matrix import missing
from core.models import MODELS
from core.recipes import ALRDC, AR_DMVC, BY_PROTOCOL, alrdc, ar_dmvc_paper, ar_dmvc_released, lab, ncp_acl
from core.records import TrainSpec
from core.runtime import PROJECT
from core.training_intents import attacker_recipe, model_recipe, training_of
from tests.conftest import for_each
from tests.test_architecture import SOURCES, STANDARD, imports

DOCUMENTS = ("README.md", "RESULTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "DEPLOYMENT.md", "SECURITY.md")
CHECKPOINTS = PROJECT / "checkpoints"
CARDS, PROBLEMS = find_cards(CHECKPOINTS)

every_document = for_each(DOCUMENTS)
every_card = for_each(CARDS)


def text(name):
    return (PROJECT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "registry", [DATASETS, MODELS, ATTACKS, DEFENSES, BY_PROTOCOL], ids=lambda registry: registry.kind
)
def test_the_readme_names_everything_there_is(registry):
    assert [name for name in registry if f"`{name}`" not in text("README.md")] == []


def test_the_readme_says_how_to_run_and_test():
    assert "make run" in text("README.md")
    assert "make test" in text("README.md")


@pytest.mark.slow
def test_what_the_readme_says_in_python_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", text("README.md"), re.DOTALL)
    said = []
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
        said.append(capsys.readouterr().out)
    kept, noise = map(float, re.findall(r"[\d.]+", said[0]))
    assert kept < noise
    assert re.findall(r"^(epoch|clean|attacked)", said[1], re.MULTILINE) == ["epoch"] * 3 + ["clean", "attacked"]


def commands():
    """Every ``python -m core …`` that a document, a recipe or a card tells the reader to run."""
    told = {f"card {card.dataset}/{card.name}": [card.command] for card in CARDS}
    places = {name: text(name) for name in DOCUMENTS if (PROJECT / name).is_file()}
    places |= {module.__name__: module.__doc__ for module in (ar_dmvc_paper, ar_dmvc_released, lab, alrdc, ncp_acl)}
    for place, words in places.items():
        told[place] = re.findall(r"python -m core [^`\n#|…]*", words)
    return [(place, command.strip()) for place, found in told.items() for command in found]


@for_each(commands())
def test_the_commands_that_documents_show_are_commands(shown):
    _, command = shown
    words = command.removeprefix("python -m core ").split()
    if len(words) > 1 or words in (["list"], ["doctor"]):  # a command alone is only spoken of
        parser().parse_args(words)


@every_document
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(name))
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in local if not (PROJECT / link).exists()] == []


@every_document
def test_files_that_documents_name_are_there(name):
    named = re.findall(r"`((?:core|pages|tests|assets|checkpoints)/[\w/.-]+)`", text(name))
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_the_makefile_explains_every_target():
    makefile = text("Makefile")
    explained = set(re.findall(r"^#   make (\w+)", makefile, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(phony.split()) - {"help"} == explained
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in explained)


def test_the_changelog_has_a_place_for_the_next_change():
    assert "## Unreleased" in text("CHANGELOG.md")


def requirements(name):
    lines = [line.split("#")[0].strip() for line in text(name).splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def pins():
    return {canonicalize_name(pin.name): pin for pin in requirements("requirements.lock")}


def test_the_lock_pins_exact_versions_and_nothing_else():
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins().values())
    assert not any(pin.url or pin.extras for pin in pins().values())
    assert not re.search(r"://|^\s*--", text("requirements.lock"), re.MULTILINE)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_satisfies_the_requirements(name):
    for requirement in requirements(name):
        (pin,) = pins()[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), requirement


def test_the_requirements_are_what_the_project_imports():
    distributions = packages_distributions()
    imported = {name.split(".")[0] for module in SOURCES for name in imports(module)} - STANDARD - {"core", "pages"}
    needed = {canonicalize_name(distributions[name][0]) for name in imported}
    named = [canonicalize_name(requirement.name) for requirement in requirements("requirements.txt")]
    assert sorted(named) == sorted(needed)


def test_checks_and_requirements_agree_on_python():
    settings = tomllib.loads(text("pyproject.toml"))["tool"]
    assert settings["mypy"]["python_version"] == "3.11"
    assert settings["ruff"]["target-version"] == "py311"
    assert "(3, 11)" in text("Makefile")


def test_warnings_are_errors_and_markers_are_strict():
    settings = tomllib.loads(text("pyproject.toml"))["tool"]["pytest"]["ini_options"]
    assert settings["filterwarnings"][0] == "error"
    assert "--strict-markers" in settings["addopts"]


def test_tests_have_sentences_for_names_and_no_classes_around_them():
    for path in sorted((PROJECT / "tests").glob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in module.body:
            assert not (isinstance(node, ast.ClassDef) and node.name.startswith("Test")), f"{path.name}:{node.lineno}"
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name.count("_") >= 2, f"{path.name}:{node.lineno} {node.name}"
                assert not ast.get_docstring(node), f"{path.name}:{node.lineno} {node.name}"


def test_every_shipped_card_can_be_read():
    assert PROBLEMS == ()
    assert len(CARDS) == len(list(CHECKPOINTS.glob("*/*.json")))


def test_every_shipped_file_belongs_to_a_card():
    known = {f"{card.dataset}/{card.name}{suffix}" for card in CARDS for suffix in (".json", ".safetensors")}
    assert {path.relative_to(CHECKPOINTS).as_posix() for path in CHECKPOINTS.glob("*/*")} == known


@every_card
def test_a_shipped_checkpoint_is_what_its_card_says(card):
    assert card.dataset in DATASETS
    assert card.model in MODELS
    assert card.protocol in BY_PROTOCOL
    assert card.command.startswith("python -m core train ")
    assert reference(card).split()[0].startswith(f"{card.dataset}/")
    assert load_weights(CHECKPOINTS, card)


@every_card
def test_a_shipped_checkpoint_fits_its_network(card):
    library = Lab(checkpoints=CHECKPOINTS, device="cpu").library
    if card.kind == "model":
        model = library.model(card)
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())
    else:
        (target,) = [other for other in CARDS if other.sha256 == card.target_sha256]
        if card.kind == "latent":
            assert library.networks(card).gammas == tuple(card.recipe["gammas"])
            assert library.latent_attacker(target) == card
        else:
            assert len(library.generators(target)) == len(card.view_shapes)


@every_card
def test_a_shipped_checkpoints_scores_are_possible(card):
    assert card.scores
    for scores in card.scores.values():
        assert all(-0.5 <= value <= 1 for value in scores.values())
        assert {"accuracy", "nmi", "ari"} == set(scores)


EMBEDDED = [name for name, facts in DATASET_FACTS.items() if facts.origin == "embedded"]
LARGEST_FOLDER = 60_000_000  # bytes


@pytest.mark.parametrize("dataset", [name for name in EMBEDDED if name in (*AR_DMVC.datasets, *ALRDC.datasets)])
def test_every_model_of_an_embedded_data_set_is_shipped_with_its_attacker(dataset):
    base = TrainSpec(dataset="", model="")
    models = [model for paper in (AR_DMVC, ALRDC) if dataset in paper.datasets for model in paper.models]
    assert missing(Lab(checkpoints=CHECKPOINTS), [dataset], base, models) == []


def test_the_checkpoints_stay_small():
    assert sum(path.stat().st_size for path in CHECKPOINTS.rglob("*") if path.is_file()) < LARGEST_FOLDER


def test_our_clean_scores_are_told_as_the_command_prints_them(capsys, monkeypatch):
    monkeypatch.setenv("LAB_CHECKPOINTS", str(CHECKPOINTS))
    options = parser().parse_args(["tables", "--markdown"])
    options.run(options)
    _, *table = capsys.readouterr().out.splitlines()
    assert "\n".join(table) in text("RESULTS.md")


@every_card
def test_the_command_of_a_card_still_gives_its_recipe(card):
    options = parser().parse_args(card.command.removeprefix("python -m core ").split())
    spec = train_spec(options)
    assert (spec.dataset, spec.name, spec.kind) == (card.dataset, card.name, card.kind)
    assert training_of(card) == (spec if card.kind == "model" else None)
    recipe = asdict(model_recipe(spec) if spec.kind == "model" else attacker_recipe(spec, card.model))
    recipe.pop("attacker", None)  # its own card has it
    assert json.loads(json.dumps(recipe)) == card.recipe
