"""The choices: data set and model for all pages, the attack for the page that attacks. All are in the address."""

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.figures import words
from core.records import AttackSpec, CheckpointCard, SweepSpec
from pages.ui import address, cache

MODEL = "cl_mvc"  # shown first: the undefended model that the defenses start from
USUAL = ("gan", "fgsm")  # the first that can run: both show something within seconds on a laptop
LOWEST, HIGHEST = 0.01, 1.0  # of ε
SAMPLES = (64, 128, 256, 512, 1024)
SEEDS, STEPS = 9999, 100
MAPS = {"pca": "PCA", "umap": "UMAP"}


@dataclass(frozen=True)
class Target:
    """What is attacked: a checkpoint, with the facts of its data set."""

    card: CheckpointCard
    facts: Any  # core.data.DatasetFacts
    attacker: CheckpointCard | None


def target() -> Target | None:
    """Pick data set and model in the sidebar; None where there is no checkpoint to pick."""
    cards, lab = cache.cards(), cache.lab()
    if not cards:
        return None
    facts = {name: lab.dataset_facts(name) for name in dict.fromkeys(card.dataset for card in cards)}
    dataset = _pick_dataset(facts)
    names = [card.name for card in cards if card.dataset == dataset]
    address.check_options("model", names, words.model_name, "the model")
    usual = names.index(MODEL) if MODEL in names else 0
    name = st.selectbox("Model", names, usual, format_func=words.model_name, key="model", bind="query-params")
    of_dataset = {card.name: card for card in cards if card.dataset == dataset}
    card = of_dataset.get(name, of_dataset[names[usual]])
    st.caption(f"{facts[card.dataset].sentence} {_card_sentence(card)}")
    return Target(card, facts[card.dataset], lab.attacker(card.dataset, card.name))


def _pick_dataset(facts: dict[str, Any]) -> str:
    def title(name: str) -> str:
        return str(facts[name].title) if name in facts else str(name)

    def take_the_papers_epsilon() -> None:
        st.session_state["eps"] = facts[st.session_state["data"]].epsilon

    address.check_options("data", list(facts), title, "the data set")
    picked = st.selectbox(
        "Data set",
        list(facts),
        format_func=title,
        key="data",
        bind="query-params",
        on_change=take_the_papers_epsilon,
    )
    return picked if picked in facts else next(iter(facts))


def _card_sentence(card: CheckpointCard) -> str:
    scores = card.scores.get("held_out", {})
    accuracy = f", ACC {scores['accuracy']:.2f} on the held-out half" if "accuracy" in scores else ""
    return f"Trained on {card.samples:,} samples{accuracy}."


def sweep(chosen: Target) -> tuple[SweepSpec, str, DeltaGenerator]:
    """Pick the attack, its budget and its samples; also the map's method, and a place for the button that runs it.

    Raises LabError for choices that do not go together.
    """
    attack = _pick_attack(chosen.card)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        epsilon = _pick_epsilon(chosen.facts)
        samples = _pick_samples(chosen.facts)
        seed = _pick_number("Seed", "seed", 0, SEEDS, 0, "Chooses the samples and drives the attack's randomness.")
        method = _pick_map()
        with st.popover("More", icon=":material/tune:"):
            views = _pick_views(chosen.facts.view_names)
            steps = _pick_number("Steps", "steps", 1, STEPS, 10, "Of PGD only.", disabled=attack != "pgd")
            objective = _pick_objective(attack)
        run_slot = st.container(width="content")
    spec = SweepSpec(
        attack=AttackSpec(
            dataset=chosen.card.dataset,
            model=chosen.card.name,
            attack=attack,
            epsilon=epsilon,
            samples=samples,
            seed=seed,
            views=views,
            steps=steps if attack == "pgd" else 10,
            objective=objective if attack in words.GRADIENT_ATTACKS else "both",
        )
    )
    return spec, method, run_slot


def _pick_attack(card: CheckpointCard) -> str:
    options = list(cache.lab().attacks(card.dataset, card.name))
    address.check_options("attack", options, words.attack_name, "the attack")
    usual = next(name for name in (*USUAL, options[0]) if name in options)
    with st.container(horizontal=True, vertical_alignment="center"):
        picked = st.segmented_control(
            "Attack",
            options,
            format_func=words.attack_name,
            default=usual,
            required=True,
            key="attack",
            bind="query-params",
            label_visibility="collapsed",
        )
        attack = picked if picked in options else usual
        st.caption(words.attack_sentence(attack), width="content")
    return str(attack)


def _pick_epsilon(facts: Any) -> float:
    address.check_number("eps", LOWEST, HIGHEST, "ε max")
    value = st.number_input(
        "ε max",
        LOWEST,
        HIGHEST,
        facts.epsilon,
        step=0.05,
        format="%.2f",
        key="eps",
        bind="query-params",
        width=130,
        help=f"The largest change of any pixel, on the scale 0 to 1. The paper's for this data set: {facts.epsilon:g}.",
    )
    return min(max(float(value), LOWEST), HIGHEST)


def _pick_samples(facts: Any) -> int:
    options = [n for n in SAMPLES if n <= facts.samples // 2] or [facts.samples // 2]
    address.check_options("n", options, str, "the number of samples")
    default = options.index(256) if 256 in options else len(options) - 1
    value = st.selectbox("Samples", options, default, format_func=str, key="n", bind="query-params", width=110)
    return value if value in options else options[default]


def _pick_number(label: str, key: str, low: int, high: int, default: int, note: str, *, disabled: bool = False) -> int:
    address.check_number(key, low, high, label.lower(), whole=True)
    value = st.number_input(
        label, low, high, default, key=key, bind="query-params", help=note, disabled=disabled, width=120
    )
    return min(max(int(value), low), high)


def _pick_views(names: tuple[str, ...]) -> tuple[int, ...] | None:
    address.check_options("views", names, str, "the attacked views")
    picked = st.pills("Attacked views", names, selection_mode="multi", default=names, key="views", bind="query-params")
    views = tuple(v for v, name in enumerate(names) if name in (picked or ()))
    return None if len(views) == len(names) else views


def _pick_objective(attack: str) -> str:
    options = list(cache.lab().objectives())
    address.check_options("goal", options, str, "the objective")
    usual = options.index("both") if "both" in options else 0
    picked = st.selectbox(
        "Objective of FGSM and PGD",
        options,
        usual,
        key="goal",
        bind="query-params",
        disabled=attack not in words.GRADIENT_ATTACKS,
        help="  \n".join(f"**{name}**: {words.objective_name(name)}" for name in options),
    )
    return picked if picked in options else options[usual]


def _pick_map() -> str:
    address.check_options("map", list(MAPS), MAPS.__getitem__, "the map")
    picked = st.segmented_control(
        "Map", list(MAPS), format_func=MAPS.__getitem__, default="pca", required=True, key="map", bind="query-params"
    )
    return picked if picked in MAPS else "pca"
