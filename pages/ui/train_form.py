"""What to train: the choices, the command that does the same, the cost, and the button."""

from typing import Any

import streamlit as st

from core.errors import LabError
from core.figures import training_words, words
from core.records import TrainSpec
from core.training_records import RecipeNumbers, TrainingPlan
from pages.ui import address, cache, errors, gate

KINDS = {"model": "Model", "attacker": "Attacker"}
PROTOCOLS = {"lab": "Lab", "paper": "Paper", "released": "Released code"}
PRECISIONS = ("float32", "bfloat16")
SEEDS, EPOCHS, RUNS = 9999, 1000, 50  # the most that can be typed
PRESSED = "_tr_pressed"
PROBLEM = "_tr_problem"  # why a button could not do what it says; shown with the runs


def choose() -> TrainSpec | None:
    """Pick what to train, None where there is nothing to train against."""
    st.subheader("New training", anchor=False)
    with st.container(horizontal=True, vertical_alignment="top"):
        kind = _pick_one("Train a", "tr_kind", KINDS, "the kind of training")
        dataset = _pick_dataset()
        model = _pick_target(dataset) if kind == "attacker" else _pick_model(dataset)
        protocol = _pick_one("Protocol", "tr_protocol", PROTOCOLS, "the protocol", help=PROTOCOL_HELP)
    facts = cache.lab().dataset_facts(dataset)
    st.caption(f"{facts.sentence} From {facts.source}.")
    if model is None:
        st.info(f"An attacker is trained against a checkpoint, and {facts.title} has none yet: train a model first.")
        return None
    if kind == "attacker" and model.split(".")[0] in words.LATENT_MODELS:
        kind = "latent"
    usual = cache.lab().training_plan(TrainSpec(dataset=dataset, model=model, kind=kind, protocol=protocol)).usual
    return TrainSpec(dataset=dataset, model=model, kind=kind, protocol=protocol, **_numbers(kind, usual))


def start(spec: TrainSpec | None) -> None:
    """The command, the cost, and the button that starts the training."""
    pressed = st.session_state.pop(PRESSED, False)
    if spec is None:
        return
    try:
        plan = _plan(spec)
    except LabError as error:
        errors.say(str(error))
        return
    st.code(plan.command, language="bash", wrap_lines=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(gap="small"):
            st.markdown(f":material/timer: **{training_words.cost(plan)}** {training_words.outcome(plan)}")
            st.caption(plan.basis)
        _start_button(plan)
    if pressed:
        _submit(plan)
        st.rerun()
    if plan.data:
        (st.info if plan.possible else st.warning)(plan.data, icon=":material/download:")
    gate.show()


PROTOCOL_HELP = (
    "Whose numbers to follow. **Lab**: ours, stricter. **Paper**: as printed. "
    "**Released code**: as the authors' public code does."
)


def _plan(spec: TrainSpec) -> TrainingPlan:
    plan = cache.lab().training_plan(spec)
    if not plan.taken or spec.kind == "model":
        return plan
    replace = st.checkbox(
        f"Replace the attacker that {words.model_name(spec.model)} has",
        key="tr_replace",
        help="The lab attacks a model with one attacker. If this is off, the new one is kept under a name of its own, "
        "and the pages go on with the old one.",
    )
    return cache.lab().training_plan(spec, replace_other=True) if replace else plan


def _start_button(plan: TrainingPlan) -> None:
    run = cache.trainings().run(plan.run)
    active = run is not None and run.active
    again = run is not None and run.state in ("stopped", "failed")
    st.button(
        "Go on training" if again else "Start training",
        icon=":material/play_arrow:",
        type="primary",
        key="tr_start",
        on_click=_press,  # not with the plan: that would be the one before the last number was typed
        disabled=active or not plan.possible or not gate.is_open(),
        help="This training waits or runs already." if active else None,
        width="content",
    )


def _press() -> None:
    st.session_state[PRESSED] = True


def _submit(plan: TrainingPlan) -> None:
    """Start a training and show it below."""
    try:
        gate.check()
        cache.trainings().submit(plan)
        st.session_state["tr_show"] = [plan.run]
    except LabError as error:
        st.session_state[PROBLEM] = str(error)


def _numbers(kind: str, usual: RecipeNumbers) -> dict[str, Any]:
    """The numbers that may differ from the recipe, by field of the spec; None where they do not."""
    with st.container(horizontal=True, vertical_alignment="top"):
        numbers: dict[str, Any] = {
            "seed": _number("Seed", "tr_seed", 0, SEEDS, None, "The first seed.", width=110) or 0,
            "samples": _number(
                "Samples", "tr_samples", usual.batch_size, usual.samples, usual.samples,
                f"Of the training half, from its start: {usual.batch_size:,} (a batch) to {usual.samples:,}.",
            ),
            "epochs": _number("Epochs", "tr_epochs", 1, EPOCHS, usual.epochs, EPOCHS_HELP),
        }  # fmt: skip
        if kind == "model":
            numbers["runs"] = _number("Seeds to try", "tr_runs", 1, RUNS, usual.runs, RUNS_HELP)
        elif kind == "attacker":
            numbers["epsilon"] = _epsilon(usual.epsilon or 0.0)
        numbers["precision"] = _precision(usual)
    return numbers


EPOCHS_HELP = (
    "Of the clustering; of a defense's last stage at its full ε; of an attacker, half as many with a smaller "
    "learning rate follow."
)
RUNS_HELP = "Seeds one after the other; the lowest loss is kept, labels take no part."
PRECISION_HELP = "Of convolutions in training. bfloat16 is faster on processors that have it. Checkpoints use float32."


def _number(label: str, key: str, low: int, high: int, usual: int | None, note: str, *, width: int = 170) -> int | None:
    """A whole number; empty for the recipe's."""
    address.check_number(key, low, high, label.lower(), whole=True)
    _keep_within(key, low, high)
    value = st.number_input(
        label,
        low,
        high,
        None,
        step=1,
        key=key,
        bind="query-params",
        placeholder="0" if usual is None else f"recipe: {usual:,}",
        help=note,
        width=width,
    )
    return None if value is None else int(value)


def _epsilon(usual: float) -> float | None:
    address.check_number("tr_eps", 0.01, 1, "ε")
    value = st.number_input(
        "ε",
        0.01,
        1.0,
        None,
        step=0.05,
        format="%.2f",
        key="tr_eps",
        bind="query-params",
        placeholder=f"recipe: {usual:g}",
        help="The budget the attacker is trained for: the largest change of any pixel, on the scale 0 to 1.",
        width=170,
    )
    return None if value is None else float(value)


def _precision(usual: RecipeNumbers) -> str | None:
    address.check_options("tr_precision", PRECISIONS, str, "the precision")
    picked = st.selectbox(
        "Precision",
        PRECISIONS,
        None,
        key="tr_precision",
        bind="query-params",
        placeholder=f"recipe: {usual.precision}",
        help=PRECISION_HELP,
        width=190,
    )
    return picked if picked in PRECISIONS else None


def _keep_within(key: str, low: int, high: int) -> None:
    """Another data set or model may have other limits than the number that was typed."""
    value = st.session_state.get(key)
    if isinstance(value, int | float) and not low <= value <= high:
        st.session_state[key] = min(max(int(value), low), high)


def _pick_one(label: str, key: str, options: dict[str, str], what: str, *, help: str | None = None) -> str:
    address.check_options(key, list(options), options.__getitem__, what)
    usual = next(iter(options))
    picked = st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        default=usual,
        required=True,
        key=key,
        bind="query-params",
        help=help,
    )
    return picked if picked in options else usual


def _pick_dataset() -> str:
    titles = cache.lab().dataset_titles()
    address.check_options("tr_data", list(titles), titles.__getitem__, "the data set")
    picked = st.selectbox(
        "Data set", list(titles), format_func=titles.__getitem__, key="tr_data", bind="query-params", width=190
    )
    return picked if picked in titles else next(iter(titles))


def _pick_model(dataset: str) -> str:
    models = list(cache.lab().models(dataset))
    address.check_options("tr_model", models, words.model_name, "the model")
    usual = models.index("cl_mvc") if "cl_mvc" in models else 0
    picked = st.selectbox(
        "Model", models, usual, format_func=words.model_name, key="tr_model", bind="query-params", width=170
    )
    return picked if picked in models else models[usual]


def _pick_target(dataset: str) -> str | None:
    names = [card.name for card in cache.cards() if card.dataset == dataset]
    if not names:
        return None
    address.check_options("tr_target", names, words.model_name, "the attacked model")
    usual = names.index("cl_mvc") if "cl_mvc" in names else 0
    picked = st.selectbox(
        "Against the checkpoint",
        names,
        usual,
        format_func=words.model_name,
        key="tr_target",
        bind="query-params",
        width=220,
    )
    return picked if picked in names else names[usual]
