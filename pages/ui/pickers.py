"""The choices: data set and model for all pages, the attack for the page that attacks. All are in the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.figures import words
from core.records import LARGEST_STEP, AttackSpec, CheckpointCard, SweepSpec
from pages.ui import address, cache

Choice = TypeVar("Choice", str, int)

MODEL = "cl_mvc"  # shown first: the undefended model that the defenses start from
USUAL = ("gan", "fgsm")  # the first that can run: both show something within seconds on a laptop
LOWEST, HIGHEST = 0.01, 1.0  # of ε
SAMPLES = (64, 128, 256, 512, 1024)
SEEDS, STEPS = 9999, 100
SMALLEST_STEP, REACH = 0.01, 2.5  # times ε: of a step, of all the usual steps together
STEPS_NOTE = "Of PGD, and of APGD in the ensemble, whose full strength is 100 steps."
MAPS = {"pca": "PCA", "umap": "UMAP"}
CHOICES = ("data", "model", "attack", "eps", "n", "seed", "map", "views", "steps", "size", "goal")  # that pages share


@dataclass(frozen=True)
class Target:
    """What is attacked: a checkpoint, with the facts of its data set."""

    card: CheckpointCard
    facts: Any  # core.data.DatasetFacts
    attacker: CheckpointCard | None


def target(*, pick_model: bool = True) -> Target | None:
    """Pick data set and model in the sidebar; None where there is no checkpoint to pick.

    A page that shows several models leaves ``pick_model`` out; its target is then the undefended one.
    """
    cards, lab = cache.cards(), cache.lab()
    if not cards:
        return None
    facts = {name: lab.dataset_facts(name) for name in dict.fromkeys(card.dataset for card in cards)}
    dataset = _pick_dataset(facts)
    of_dataset = {card.name: card for card in cards if card.dataset == dataset}
    usual = MODEL if MODEL in of_dataset else next(iter(of_dataset))
    name = _pick_model(list(of_dataset), usual) if pick_model else usual
    card = of_dataset.get(name, of_dataset[usual])
    st.caption(f"{facts[card.dataset].sentence} {_card_sentence(card) if pick_model else ''}")
    return Target(card, facts[card.dataset], lab.attacker(card.dataset, card.name))


def _pick_model(names: list[str], usual: str) -> str:
    address.check_options("model", names, words.model_name, "the model")
    index = names.index(usual)
    if st.session_state.get("model", usual) not in names:  # of another data set
        st.session_state["model"] = usual
    return st.selectbox("Model", names, index, format_func=words.model_name, key="model", bind="query-params")


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
    accuracy = f", ACC {scores['accuracy']:.2f} on {card.held_out_samples:,} held out" if "accuracy" in scores else ""
    return f"Trained on {card.samples:,} samples{accuracy}."


def sweep(chosen: Target, attacks: Sequence[str] | None = None) -> tuple[SweepSpec, str, DeltaGenerator]:
    """Pick the attack, its budget and its samples; also the map's method, and a place for the button that runs it.

    ``attacks`` are the choices, those of the target unless given. Raises LabError for choices that do not go together.
    """
    attack = pick_attack(attacks or cache.lab().attacks(chosen.card.dataset, chosen.card.name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        epsilon = pick_epsilon(chosen.facts)
        samples = pick_samples(chosen.facts)
        seed = pick_number("Seed", "seed", 0, SEEDS, 0, "Chooses the samples and drives the attack's randomness.")
        method = pick_map()
        details = pick_details(chosen, attack)
        run_slot = st.container(width="content")
    spec = SweepSpec(
        attack=AttackSpec(
            dataset=chosen.card.dataset,
            model=chosen.card.name,
            attack=attack,
            epsilon=epsilon,
            samples=samples,
            seed=seed,
            **details,
        )
    )
    return spec, method, run_slot


def pick_details(chosen: Target, attack: str, models: Sequence[str] = ()) -> dict[str, Any]:
    """Behind "More": the attacked views and a gradient attack's knobs, as fields of an AttackSpec.

    ``models`` are those that are attacked, the target's unless given.
    """
    stepping = attack in words.STEPPING_ATTACKS
    with st.popover("More", icon=":material/tune:"):
        views = pick_views(chosen.facts.view_names)
        steps = pick_number("Steps", "steps", 1, STEPS, 10, STEPS_NOTE, disabled=not stepping)
        size = pick_step_size(steps, disabled=attack != "pgd")
        objective = pick_objective(attack, chosen.card.dataset, models or (chosen.card.name,))
    return {
        "views": views,
        "steps": steps if stepping else 10,
        "relative_step_size": size if attack == "pgd" else None,
        "objective": objective if attack in words.GRADIENT_ATTACKS else "both",
    }


def pick_attack(options: Sequence[str]) -> str:
    """One of the attacks, by its name in ATTACKS."""
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
            wrap=True,
        )
        attack = picked if picked in options else usual
        st.caption(words.attack_sentence(attack), width="content")
    return str(attack)


def pick_epsilon(facts: Any) -> float:
    """The budget, with the paper's for the data set as the usual one."""
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


def pick_samples(facts: Any) -> int:
    """How many held-out samples are attacked."""
    options = [n for n in SAMPLES if n <= facts.samples // 2] or [facts.samples // 2]
    address.check_options("n", options, str, "the number of samples")
    default = options.index(256) if 256 in options else len(options) - 1
    value = st.selectbox("Samples", options, default, format_func=str, key="n", bind="query-params", width=110)
    return value if value in options else options[default]


def pick_number(label: str, key: str, low: int, high: int, default: int, note: str, *, disabled: bool = False) -> int:
    """A whole number from ``low`` to ``high``, kept under ``key``."""
    address.check_number(key, low, high, label.lower(), whole=True)
    value = st.number_input(
        label, low, high, default, key=key, bind="query-params", help=note, disabled=disabled, width=120
    )
    return min(max(int(value), low), high)


def pick_step_size(steps: int, *, disabled: bool = False) -> float | None:
    """How long a step of PGD is, as a multiple of ε; None, the usual one, while nothing is entered."""
    address.check_number("size", SMALLEST_STEP, LARGEST_STEP, "the step size")
    value = st.number_input(
        "Step size, × ε",
        SMALLEST_STEP,
        LARGEST_STEP,
        None,
        step=0.1,
        format="%.3g",
        placeholder=f"2.5 / steps = {REACH / steps:.3g}",
        key="size",
        bind="query-params",
        disabled=disabled,
        help="Of PGD. Short steps can fail where long ones succeed: try 0.5 beside the usual 2.5 / steps.",
    )
    return None if value is None else min(max(float(value), SMALLEST_STEP), LARGEST_STEP)


def pick_views(names: tuple[str, ...]) -> tuple[int, ...] | None:
    """The attacked views, None for all."""
    address.check_options("views", names, str, "the attacked views")
    before = st.session_state.get("views")
    if before and not set(before) & set(names):  # the views of another data set
        st.session_state["views"] = list(names)
    picked = st.pills("Attacked views", names, selection_mode="multi", default=names, key="views", bind="query-params")
    views = tuple(v for v, name in enumerate(names) if name in (picked or ()))
    return None if len(views) == len(names) else views


def pick_objective(attack: str, dataset: str, models: Sequence[str], *, without: tuple[str, ...] = ()) -> str:
    """What a gradient attack makes large: one of the objectives that all models have, but none of ``without``."""
    options = [name for name in cache.lab().objectives(dataset, *models) if name not in without]
    address.check_options("goal", options, words.objective_label, "the objective")
    if st.session_state.get("goal", options[0]) not in options:  # that of another model
        st.session_state["goal"] = options[0]
    picked = st.selectbox(
        "Objective of FGSM and PGD",
        options,
        format_func=words.objective_label,
        key="goal",
        bind="query-params",
        disabled=attack not in words.GRADIENT_ATTACKS,
        help="  \n".join(words.objective_name(name) for name in options),
    )
    return picked if picked in options else options[0]


def pick_one(label: str, key: str, options: dict[Choice, str], what: str, width: int) -> Choice:
    """One of the options, by the names they have on the screen."""
    address.check_options(key, list(options), options.__getitem__, what)
    picked = st.selectbox(
        label, list(options), format_func=options.__getitem__, key=key, bind="query-params", width=width
    )
    return picked if picked in options else next(iter(options))


def pick_map() -> str:
    """How the map is made: "pca" or "umap"."""
    address.check_options("map", list(MAPS), MAPS.__getitem__, "the map")
    picked = st.segmented_control(
        "Map", list(MAPS), format_func=MAPS.__getitem__, default="pca", required=True, key="map", bind="query-params"
    )
    return picked if picked in MAPS else "pca"
