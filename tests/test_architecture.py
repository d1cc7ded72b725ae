import ast
import re
import subprocess
import sys
from functools import cache
from importlib import import_module

import pytest

from pages.ui import components
from tests.conftest import PROJECT, for_each

STANDARD = sys.stdlib_module_names

# Who may import what, beside the standard library and its own package. The longest fitting row counts; a name allows
# everything below it.
MAY_IMPORT = {
    "app": "streamlit pages",
    "pages": "streamlit pages.ui core.lab core.records core.trace_records core.figures core.errors",
    "pages.ui": "streamlit core.lab core.own.reading core.own.files core.own.records core.records core.trace_records "
    "core.theorem_records core.figures core.errors core.jobs core.processes core.shelf core.studies.plans "
    "core.studies.records "
    "core.table_records core.tables core.training_records core.latent.results core.latent.tables "
    "core.published.alrdc core.certify.results core.certify.tables core.neighbours.pursuit_records "
    "core.neighbours.records core.neighbours.tables",
    # Words and files: no tensors
    "core": "",
    "core.errors": "",
    "core.registry": "core.errors",
    "core.files": "core.errors",
    "core.jobs": "core.errors",
    "core.shelf": "",
    "core.ensemble_records": "",
    "core.records": "numpy core.ensemble_records core.errors",
    "core.trace_records": "numpy core.errors core.records",
    "core.theorem_records": "core.errors core.records",
    "core.training_records": "core.records",
    "core.workload": "core.records",
    "core.locks": "core.errors",
    "core.cards": "core.records",
    "core.run_reader": "core.cards core.errors core.files core.locks core.records core.training_records core.workload",
    "core.processes": "core.errors core.files core.locks core.run_reader core.training_records",
    "core.metrics": "numpy scipy sklearn core.errors core.records",
    "core.ceiling": "numpy scipy core.errors core.records",
    "core.projection": "numpy umap core.errors core.records",
    "core.store": "numpy core.errors core.files core.runtime",
    "core.sweep_scores": "core.errors core.records core.store",
    "core.theory": "numpy core.errors",
    "core.lessons": "numpy core.errors core.metrics core.records core.registry",
    "core.theorem": "numpy core.attacks core.errors core.frames core.models.base core.records core.store core.theory "
    "core.theorem_records core.types",
    "core.confusions": "numpy core.errors core.metrics core.records core.store",
    "core.figures": "numpy plotly PIL core.ensemble_records core.errors core.records core.studies.plans "
    "core.studies.records core.theorem_records core.trace_records core.tables core.table_records core.training_records",
    "core.figures.table_words": "core.figures core.published.ar_dmvc core.records core.studies.plans core.tables "
    "core.table_records",
    "core.figures.trial_words": "core.data.facts core.figures core.records core.studies.records",
    "core.figures.plane": "numpy core.certify.results core.figures",
    "core.figures.certify": "plotly core.certify.results core.certify.tables core.figures core.published.clustr",
    "core.figures.stage": "numpy core.figures core.latent.results core.records",
    "core.figures.latent": "numpy PIL core.figures core.latent.tables core.published.alrdc core.records",
    "core.figures.neighbours": "numpy plotly core.figures core.latent.tables core.neighbours.pursuit_records "
    "core.neighbours.records core.neighbours.tables core.published.ncp_acl core.records",
    "core.figures.probe": "numpy core.figures core.own.records core.records",
    # Tensors: no reports
    "core.types": "numpy torch core.errors",
    "core.runtime": "torch core.errors",
    "core.data": "numpy torch torchvision scipy sklearn PIL core.errors core.records core.registry core.types",
    "core.losses": "torch sklearn",
    "core.clustering": "torch sklearn core.errors",
    "core.lars": "torch",
    "core.quantization": "torch core.errors",
    "core.models": "torch core.clustering core.errors core.losses core.registry core.training core.types",
    "core.attacks": "torch core.ensemble_records core.errors core.losses core.models.base core.records core.registry "
    "core.types",
    "core.defenses": "torch core.attacks.base core.attacks.objectives core.attacks.pgd core.losses core.models.base "
    "core.registry core.training core.types",
    "core.distributed": "torch",
    "core.capture": "torch",
    "core.training": "torch core.capture core.distributed core.errors core.records core.types",
    "core.augmentation": "torch core.registry core.training core.types",
    "core.certificates": "torch core.errors core.losses core.models.classifier",
    # Numbers of papers: the words for their choices, the facts of data sets, nothing that runs
    "core.recipes": "core.attacks core.losses core.models.encoders core.data.facts core.errors core.registry "
    "core.training",
    # From recipes to networks, and onto the disk
    "core.trainers": "torch core.attacks core.augmentation core.defenses core.errors core.models core.recipes "
    "core.representation_phases core.training core.types",
    "core.representation_phases": "torch core.attacks core.augmentation core.defenses core.errors core.lars "
    "core.models core.recipes core.training core.types",
    "core.checkpoints": "torch safetensors core.cards core.errors core.files core.quantization core.records",
    "core.runs": "torch safetensors core.distributed core.errors core.files core.locks core.records core.run_reader "
    "core.trainers core.training core.types",
    # The lab and its rooms: here tensors become records
    "core.own": "",
    "core.own.records": "core.records",
    "core.own.files": "numpy PIL core.errors core.own.parts core.records",
    "core.own.reading": "numpy core.data.facts core.data.own core.data.sources core.errors core.own.files "
    "core.own.records core.records",
    "core.own.probe": "numpy torch core.attacks core.errors core.frames core.metrics core.models.base core.own.records "
    "core.records core.types",
    "core.traces": "numpy torch core.attacks core.errors core.frames core.models.base core.records core.trace_records "
    "core.types",
    "core.frames": "numpy torch core.attacks core.ensemble_records core.errors core.metrics core.models.base "
    "core.records core.types",
    "core.library": "torch core.attacks core.checkpoints core.data core.defenses core.errors core.models core.records "
    "core.registry core.shelf core.types",
    "core.latent": "",
    "core.latent.results": "numpy core.errors core.metrics core.records core.store",
    "core.latent.tables": "core.latent.results core.records",
    "core.latent.attack": "torch core.attacks.latent core.errors core.frames core.latent.results core.library "
    "core.models.base core.records core.store core.types",
    "core.latent.room": "core.latent core.library core.records core.store",
    "core.certify": "",
    "core.certify.results": "numpy core.errors core.records core.store",
    "core.certify.tables": "numpy core.certify.results core.published.clustr core.records",
    "core.certify.measure": "torch core.attacks core.certify.results core.frames core.models.base core.models.magnet "
    "core.types",
    "core.certify.plane": "numpy torch core.attacks.base core.certificates core.certify.results core.losses.magnet "
    "core.models.magnet core.recipes core.trainers core.training core.types",
    "core.certify.room": "core.certify core.errors core.library core.recipes.clustr core.store core.types",
    # NCP-ACL's rows and pursuits
    "core.neighbours": "",
    "core.neighbours.records": "core.records",
    "core.neighbours.results": "core.neighbours.records core.store",
    "core.neighbours.tables": "core.latent.tables core.neighbours.records",
    "core.neighbours.study": "torch core",
    "core.neighbours.pursuit_records": "core.errors core.records core.trace_records",
    "core.neighbours.pursuit": "numpy torch core.attacks core.clustering core.errors core.frames core.library "
    "core.models core.neighbours.pursuit_records core.projection core.records core.trace_records core.traces "
    "core.types",
    "core.neighbours.room": "core.library core.neighbours core.recipes core.records core.store",
    "core.training_intents": "core.checkpoints core.data core.errors core.library core.models core.recipes "
    "core.records core.registry",
    "core.checkpoint_training": "torch core",
    "core.training_plans": "core.training_intents core.checkpoints core.data core.errors core.library "
    "core.recipes.base core.records core.training_records core.workload",
    "core.lab": "numpy torch core",
    "core.attack_making": "core.attacks core.latent.attack core.library core.models core.records",
    "core.maps": "numpy core.errors core.frames core.library core.projection core.records core.shelf core.store "
    "core.types",
    "core.bench": "torch core",
    # The command line: asks the lab, prints
    "core.doctor": "torch core",
    "core.walk": "torch core.errors core.records",
    "core.matrix": "core.lab core.recipes core.records core.walk",
    "core.published": "",
    "core.published.ar_dmvc": "",
    "core.published.alrdc": "",
    "core.published.clustr": "",
    "core.published.ncp_acl": "",
    "core.studies": "",
    "core.studies.records": "core.errors core.records",
    "core.studies.plans": "core.data.facts core.ensemble_records core.published.ar_dmvc core.records "
    "core.studies.records",
    "core.studies.kept": "core.records core.store core.studies.records core.sweep_scores",
    "core.studies.trial": "torch core",
    "core.studies.transfer": "core.attacks core.frames core.library core.records core.studies.records",
    "core.studies.room": "core.library core.records core.store core.studies",
    "core.table_records": "core.records core.studies.records",
    "core.tables": "core.data.facts core.errors core.published.ar_dmvc core.records core.studies.plans "
    "core.studies.records core.table_records",
    "core.findings": "core.data.facts core.figures.ablation_rows core.figures.table_words core.figures.words "
    "core.records core.studies.plans core.studies.records core.table_records core.tables",
    "core.commands": "tqdm core.attack_making "
    "core.attacks core.bench core.certify.results core.certify.tables core.data core.defenses "
    "core.distributed core.doctor core.errors core.figures.ensemble_words core.figures.table_text core.figures.tables "
    "core.lab core.latent.tables core.matrix core.models core.neighbours core.published.alrdc core.published.clustr "
    "core.published.ncp_acl core.recipes core.records core.runtime core.studies core.table_records core.tables "
    "core.theorem_records core.training_intents core.walk",
    "core.__main__": "core.commands core.errors core.recipes.base core.studies.plans core.table_records",
}

KNOW_BOTH = {
    "core.lab",
    "core.maps",
    "core.frames",
    "core.latent.attack",
    "core.neighbours.pursuit",
    "core.own.probe",
    "core.traces",
    "core.library",
    "core.checkpoint_training",
    "core.doctor",
    "core.studies.trial",
}
# Records without data: a log, a card, a wish, a check of a number, names of array types.
DATA_FREE = {"EpochLog", "CheckpointCard", "TrainSpec", "check_epsilon", "Floats", "Integers"}

PRINTING = {"core.__main__", "core.commands"}
CACHING = {"pages.ui.cache"}
DRAWING = {"rand", "randn", "randperm", "randint", "normal", "bernoulli", "multinomial"}
FUNCTION_LINES, FILE_LINES = 60, 400


def module_name(path):
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources():
    """Every module of the project but its tests."""
    files = [PROJECT / "app.py", *(PROJECT / "core").rglob("*.py"), *(PROJECT / "pages").rglob("*.py")]
    return {module_name(path): path for path in sorted(files)}


SOURCES = sources()
CORE = [name for name in SOURCES if name.split(".")[0] == "core"]
COMPUTING = ("core.attacks", "core.defenses", "core.losses", "core.models")
NETWORK_SIDE = [name for name in CORE if name.startswith(COMPUTING)]

every_module = for_each(SOURCES)
every_core_module = for_each(CORE)


@cache
def tree(name):
    return ast.parse(SOURCES[name].read_text(encoding="utf-8"))


def imports(name):
    """The modules a module imports, wherever the statement stands."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in SOURCES else node.module


def calls(name):
    """(dotted name as far as it is one, call) of every call."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def below(name, parts):
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def row(name):
    fitting = [part for part in MAY_IMPORT if below(name, [part])]
    return max(fitting, key=len, default=None)


@every_module
def test_imports_only_what_its_row_allows(name):
    part = row(name)
    allowed = MAY_IMPORT[part].split()
    if part not in ("core", "pages"):
        allowed.append(part)
    wrong = [i for i in imports(name) if i.split(".")[0] not in STANDARD and not below(i, allowed)]
    assert wrong == []


@every_module
def test_every_module_has_a_row_of_its_own_or_of_its_package(name):
    assert row(name) is not None
    assert row(name) != "core" or name == "core"


def test_every_row_is_about_something_that_is_there():
    assert set(MAY_IMPORT) <= {*SOURCES, "pages", "pages.ui"}


def test_nobody_imports_a_page():
    for name in SOURCES:
        assert not [i for i in imports(name) if i.startswith("pages.") and not below(i, ["pages.ui"])], name


def test_core_never_imports_streamlit():
    assert not [name for name in CORE if below("streamlit", imports(name)) or "streamlit" in imports(name)]


def test_attacks_and_defenses_know_no_concrete_model():
    for name in SOURCES:
        if below(name, ["core.attacks", "core.defenses"]):
            assert not [i for i in imports(name) if below(i, ["core.models"]) and i != "core.models.base"], name


@every_core_module
def test_only_the_lab_knows_both_tensors_and_records(name):
    if name in KNOW_BOTH or "torch" not in {i.split(".")[0] for i in imports(name)}:
        return
    taken = {
        alias.name
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ImportFrom) and node.module == "core.records"
        for alias in node.names
    }
    assert taken <= DATA_FREE


@every_module
def test_nothing_is_ever_unpickled(name):
    text = SOURCES[name].read_text(encoding="utf-8")
    assert not {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"} & {i.split(".")[0] for i in imports(name)}
    for call, node in calls(name):
        assert call not in ("torch.load", "torch.jit.load", "eval", "exec"), f"{name}:{node.lineno}"
        if call.endswith("np.load") or call == "numpy.load":
            assert "allow_pickle=False" in ast.unparse(node), f"{name}:{node.lineno}"
    assert "allow_pickle=True" not in text
    assert "weights_only=False" not in text


@every_module
def test_nothing_is_strict_by_halves(name):
    for call, node in calls(name):
        if call.endswith(".load_state_dict") and "optimizer" not in call:
            assert "strict=True" in ast.unparse(node), f"{name}:{node.lineno}"
        assert "strict=False" not in [ast.unparse(keyword) for keyword in node.keywords], f"{name}:{node.lineno}"


@every_module
def test_only_fit_calls_backward(name):
    backward = [node.lineno for call, node in calls(name) if call.endswith(".backward")]
    assert name == "core.training" or backward == []


@every_module
def test_no_global_randomness(name):
    for call, node in calls(name):
        assert call not in ("torch.manual_seed", "torch.seed", "random.seed", "np.random.seed"), f"{name}:{node.lineno}"
        assert not call.startswith(("torch.cuda.manual_seed", "random.")), f"{name}:{node.lineno}"
        assert not call.endswith(("rand_like", "randn_like", "randint_like")), f"{name}:{node.lineno}"
        words = call.split(".")
        if words[0] == "torch" and words[-1] in DRAWING:
            assert "generator" in {keyword.arg for keyword in node.keywords}, f"{name}:{node.lineno}"
        if words[:2] == ["np", "random"] and len(words) == 3:
            assert words[2] in ("default_rng", "RandomState"), f"{name}:{node.lineno}"
            assert node.args, f"{name}:{node.lineno} has no seed"


@every_core_module
def test_core_does_not_print(name):
    printed = [node.lineno for call, node in calls(name) if call in ("print", "sys.stdout.write")]
    assert below(name, PRINTING) or printed == []


@for_each(NETWORK_SIDE)
def test_nothing_is_fetched_from_the_device_inside_a_computation(name):
    fetching = ("item", "tolist", "cpu", "cuda", "numpy")
    fetched = [f"{name}:{node.lineno}" for call, node in calls(name) if call.split(".")[-1] in fetching]
    assert fetched == []


@every_module
def test_only_one_place_of_the_app_caches(name):
    cached = [n.lineno for n in ast.walk(tree(name)) if isinstance(n, ast.Attribute) and n.attr.startswith("cache_")]
    assert name in CACHING or cached == []


@every_module
def test_functions_and_files_stay_short(name):
    assert len(SOURCES[name].read_text(encoding="utf-8").splitlines()) <= FILE_LINES
    functions = [n for n in ast.walk(tree(name)) if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES] == []


@every_core_module
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(tree(name))


def test_the_lab_starts_without_what_only_some_need():
    code = "import core.__main__, sys; print(*{'streamlit', 'umap', 'numba', 'plotly'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("component", sorted(components.SCRIPTS))
def test_the_joined_files_of_a_component_declare_each_name_once(component):
    declared = re.findall(r"^(?:const|let|function|class) (\w+)", components.script(component), re.M)
    together = re.findall(r"^(?:const|let) \[([^]]+)\] =", components.script(component), re.M)
    names = [*declared, *(name.strip() for group in together for name in group.split(","))]
    assert len(names) > 5
    assert sorted(names) == sorted(set(names))


PUBLIC = {  # names that others build on: they stay where they are
    "core.lab": "Lab",
    "core.data": "DATASETS",
    "core.models": "MODELS",
    "core.metrics": "confusion match score latent_shift",
    "core.losses.contrastive": "contrastive contrastive_all_pairs",
    "core.losses.ddc": "ddc_terms",
    "core.losses.eamc": "attention_loss",
    "core.losses.information": "mutual_information",
    "core.losses.latent": "attack_loss",
    "core.losses.magnet": "magnet magnet_probs",
    "core.losses.mitigation": "attack_mitigation",
    "core.losses.robust": "trades qtrades",
    "core.losses.sem": "info_nce cmi_weight mmd_weight jsd_weight",
    "core.losses.vae": "normal_kl categorical_kl",
    "core.attacks": "ATTACKS",
    "core.defenses": "DEFENSES",
    "core.recipes": "RECIPES",
    "core.attacks.autoattack": "dlr",
    "core.attacks.objectives": "neighbour_pursuit",
    "core.certificates": "radius",
    "core.clustering": "spherical_kmeans",
}


@for_each(PUBLIC)
def test_public_names_stay_where_they_are(module):
    missing = [name for name in PUBLIC[module].split() if not hasattr(import_module(module), name)]
    assert missing == []
