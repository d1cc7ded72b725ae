import json
import re

import pytest

from core.__main__ import parser
from core.attacks import ATTACKS, OBJECTIVES, pgd
from core.data import DATASET_FACTS
from core.figures.words import GRADIENT_ATTACKS
from core.lab import Lab
from core.runtime import PROJECT
from pages.ui.guide_live import CASE_SENTENCES, CASES
from pages.ui.guide_topics import FORMULAS, IDEAS, LIVE, TEXTS, TOPICS
from pages.ui.links import PAGES
from pages.ui.pickers import CHOICES, HIGHEST, LOWEST, MAPS, REACH, SAMPLES, SEEDS, STEPS

LECTURE = json.loads((TEXTS / "lecture.json").read_text(encoding="utf-8"))
GLOSSARY = json.loads((TEXTS / "glossary.json").read_text(encoding="utf-8"))
TOUR = json.loads((TEXTS / "tour.json").read_text(encoding="utf-8"))
LINKS = [
    *((f"{name}: {see.label}", see.page, see.at, see.choices) for name, topic in IDEAS.items() for see in topic.see),
    *(
        (f"lecture {i}: {step['title']}", step["page"], step["at"], step["choices"])
        for i, step in enumerate(LECTURE, 1)
    ),
]
LIVE_TOPICS = {"controls", "scores", "theorem", "limits", "certificate", "fading", "neighbours"}
WORDS = (
    *("view", "embedding", "fused", "hidden", "assignment", "cluster", "label", "ε", "attack", "attacker", "defense"),
    *("protocol", "frozen", "re-matched", "sweep", "card", "ACC", "NMI", "ARI", "L∞", "PGD", "FGSM", "GAN", "KL"),
    *("UMAP", "PCA", "control", "seed", "checkpoint"),
)
LONGEST_SAY = 130  # signs that a projector shows on two lines

every_idea = pytest.mark.parametrize("topic", IDEAS)
every_link = pytest.mark.parametrize(
    ("page", "at", "choices"), [link[1:] for link in LINKS], ids=[link[0] for link in LINKS]
)


def text(topic):
    return (TEXTS / f"{topic}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lab():
    return Lab(checkpoints=PROJECT / "checkpoints", device="cpu")


def test_the_pages_say_the_usual_step_size_as_pgd_takes_it():
    assert REACH == pgd.REACH


@every_idea
def test_every_idea_has_a_title_words_and_formulas(topic):
    assert text(topic).startswith("# ")
    plain, _, formulas = text(topic).partition(FORMULAS)
    assert len(plain.split()) > 100
    assert "$" in formulas
    assert "Code: `" in formulas or topic in ("limits", "claims")


@every_idea
def test_the_words_need_no_formulas(topic):
    plain = text(topic).partition(FORMULAS)[0]
    assert "$$" not in plain
    assert "$" not in plain or topic == "theorem"


@every_idea
def test_formulas_are_closed(topic):
    assert text(topic).count("$") % 2 == 0
    for formula in re.findall(r"\$\$?([^$]+)\$", text(topic)):
        assert formula.count("{") == formula.count("}"), formula
        assert formula.count(r"\left") == formula.count(r"\right"), formula


@every_idea
def test_an_idea_has_its_live_control_where_its_text_says(topic):
    assert text(topic).partition(FORMULAS)[0].count(LIVE) == (topic in LIVE_TOPICS)


def test_every_text_belongs_to_a_topic():
    assert {path.stem for path in TEXTS.glob("*.md")} == {*IDEAS, "sources", "findings"}


@pytest.mark.parametrize("topic", [*IDEAS, "sources"])
def test_the_files_and_commands_that_a_text_names_are_there(topic):
    for path in re.findall(r"`((?:core|pages|assets)/[\w/.]+)`", text(topic)):
        assert (PROJECT / path).exists(), path
    for command in re.findall(r"`python -m core ([^`]+)`", text(topic)):
        parser().parse_args(command.split())


def test_the_runs_that_do_not_ship_are_told_with_the_numbers_of_the_results():
    results = " ".join((PROJECT / "RESULTS.md").read_text(encoding="utf-8").split())
    for number in ("0.98 clean", "0.21 under mere signed noise", "0.00 under PGD"):
        assert number in results.replace(" at ε = 0.2", "")
        assert number.split()[0] in text("limits")


@every_link
def test_a_link_opens_something_that_is_there(page, at, choices, lab):
    assert page in PAGES
    if page == "guide":
        assert choices["topic"] in TOPICS
        return
    if not choices:
        return
    facts = DATASET_FACTS[choices["data"]]
    assert facts.origin == "embedded"
    assert choices.get("model", "cl_mvc") in {card.name for card in lab.cards() if card.dataset == choices["data"]}
    if "attack" in choices:
        assert choices["attack"] in ATTACKS
        assert choices["attack"] in lab.attacks(choices["data"], choices.get("model", "cl_mvc"))
    assert LOWEST <= choices["eps"] <= HIGHEST
    assert at is None or 0 <= at <= choices["eps"]


@every_link
def test_a_link_leaves_no_choice_to_an_earlier_visit(page, at, choices, lab):
    if page == "guide" or not choices:
        return
    facts = DATASET_FACTS[choices["data"]]
    assert choices["goal"] in OBJECTIVES
    assert choices["goal"] == "both" or choices.get("attack", "pgd") in GRADIENT_ATTACKS
    assert set(choices["views"]) <= set(facts.view_names)
    assert choices["views"]
    assert choices["map"] in MAPS
    assert 0 <= choices["seed"] <= SEEDS
    assert 1 <= choices["steps"] <= STEPS
    assert choices.keys() >= {*CHOICES} - {"model", "attack"}  # which not every page has
    assert choices["n"] in SAMPLES
    assert choices["n"] <= facts.samples // 2


@every_link
def test_a_link_stops_at_a_point_of_the_grid(page, at, choices, lab):
    if at is not None:
        points = [choices["eps"] * i / 12 for i in range(13)]
        assert min(abs(at - point) for point in points) < 1e-9


def test_the_lecture_takes_ten_minutes():
    assert len(LECTURE) in range(12, 17)
    assert sum(step["minutes"] for step in LECTURE) == pytest.approx(10, abs=0.5)
    assert all(0.25 <= step["minutes"] <= 1.5 for step in LECTURE)


def test_the_lecture_shows_the_attack_its_control_the_defenses_and_their_limits_in_that_order():
    shown = [(step["choices"].get("model"), step["choices"].get("attack"), step["at"]) for step in LECTURE]
    stations = [
        ("cl_mvc", "gan", 0.0), ("cl_mvc", "gan", 0.1), ("cl_mvc", "gan", 0.3),
        ("cl_mvc", "noise", 0.2), ("cl_mvc", "gan", 0.2), ("ar_dmvc", "gan", 0.2), ("ar_dmvc", "pgd", 0.2),
        ("ar_dmvc_am", "pgd", 0.2), ("ar_dmvc_am", "pgd", 0.3),
    ]  # fmt: skip
    places = [max(i for i, step in enumerate(shown) if step == station) for station in stations]
    assert places == sorted(places)


def test_a_lecturer_can_read_every_step():
    for step in LECTURE:
        assert set(step) == {"title", "say", "notes", "page", "choices", "at", "minutes"}
        assert len(step["say"]) <= LONGEST_SAY, step["say"]
        assert len(step["notes"]) > 60
        assert not re.search(r"\d\.\d\d", step["say"]), "the page's own verdict says numbers"


def test_the_glossary_has_each_word_once_and_leads_to_topics():
    words = [word for word, _, _ in GLOSSARY]
    assert len(set(words)) == len(words)
    assert {topic for _, _, topic in GLOSSARY} <= {*TOPICS}
    assert all(meaning.endswith(".") for _, meaning, _ in GLOSSARY)


@pytest.mark.parametrize(
    "word",
    WORDS,
)
def test_the_glossary_has_the_words_of_the_lab(word):
    assert any(word in entry for entry, _, _ in GLOSSARY)


def test_the_tour_has_five_short_stops_at_controls():
    assert len(TOUR) == 5
    for stop in TOUR:
        assert len(stop["text"].split()) <= 45
        assert re.fullmatch(r"\.st-key-\w+", stop["target"])


def test_every_case_of_the_matching_lesson_has_its_sentence():
    assert set(CASES) == set(CASE_SENTENCES)
