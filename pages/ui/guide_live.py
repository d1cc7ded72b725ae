"""What is alive in the guide: noise beside an attack, the two matchings, the theorem's two sides and the limits.

Of the other papers: a certificate, slopes that fade, a push to the neighbour.
"""

import streamlit as st

from core.errors import LabError
from core.figures import certify, limits, matching, neighbours, theorem, words
from core.records import AttackSpec, SweepScores, SweepSpec
from core.theorem_records import TheoremReport, TheoremSpec
from pages.ui import address, cache, components, errors, jobs_bar

DATA, MODEL = "noisy_digits", "cl_mvc"
ONE_VIEW, FADING = "digits", "clustr"  # of the other papers
DEFENDED = (MODEL, "ar_dmvc", "ar_dmvc_am")
GLIMPSED, SEED, START = 5, 12, 0.2  # samples of the glimpse, a draw of five different digits, the ε it opens at
CASES = {
    "clean": "Clean",
    "swapped": "Two clusters swap",
    "merged": "Two labels merge",
    "scattered": "Everything scatters",
}
CASE_SENTENCES = {
    "clean": "The clusters are good, and both matchings are the same.",
    "swapped": "The groups are as pure as before, but 0 and 1 have changed places. Frozen, two thirds are wrong; "
    "re-matched, nothing has happened. NMI and ARI see nothing either.",
    "merged": "Label 0 has moved into the cluster of label 1. Both accuracies see it.",
    "scattered": "Nothing is left. Re-matched accuracy stays a little above one third, by picking the best of what "
    "chance made.",
}
FAMILIES = {"all": "All eight versions", "assignment": "Assignment alone", "both": "Embeddings alone"}
EPSILONS = ("0.1", "0.2", "0.3")


def show(topic: str) -> None:
    """The live part of a topic."""
    {
        "controls": _glimpse,
        "scores": _matching,
        "theorem": _theorem,
        "limits": _limits,
        "certificate": _certificate,
        "fading": _fading,
        "neighbours": _neighbours,
    }[topic]()


def _glimpse() -> None:
    specs = tuple(_glimpsed(attack) for attack in ("noise", "gan"))
    with errors.shown("glimpse"):
        facts, attacker = cache.lab().dataset_facts(DATA), cache.lab().attacker(DATA, MODEL)
        components.glimpse(cache.glimpse(specs, tuple(facts.view_names), START))
        weights = next(card.sha256 for card in cache.cards() if (card.dataset, card.name) == (DATA, MODEL))
        st.caption(words.protocol(specs[-1], weights, words.attacker_sentence(attacker)))


def _glimpsed(attack: str) -> SweepSpec:
    chosen = AttackSpec(dataset=DATA, model=MODEL, attack=attack, epsilon=0.3, samples=GLIMPSED, seed=SEED)
    return SweepSpec(attack=chosen, points=7)


def _matching() -> None:
    case = _pick("case", CASES, "the case")
    lesson = cache.lab().matching_lesson(case)
    st.plotly_chart(
        matching.matching(lesson),
        key="matching",
        config={"displayModeBar": False},
        alt=f"Confusion matrix of 60 samples, scored by two matchings. {CASE_SENTENCES[case]}",
    )
    scores = lesson.rematched_scores
    st.markdown(f"{CASE_SENTENCES[case]} NMI {scores.nmi:.2f}, ARI {scores.ari:.2f}.")


def _theorem() -> None:
    specs = [TheoremSpec(dataset=DATA, model=model) for model in DEFENDED]
    measured = {spec: _measured(spec) for spec in specs}
    reports = [report for report in measured.values() if report is not None]
    missing = [spec for spec, report in measured.items() if report is None]
    if missing:
        _measure_button(missing)
    if not reports:
        return
    family = _pick("versions", FAMILIES, "the adversarial versions")
    says = [theorem.sentence(report, family) for report in reports]
    st.plotly_chart(theorem.curves(reports, family), key="theorem", config={"displaylogo": False}, alt=" ".join(says))
    st.markdown("\n".join(f"- {sentence}" for sentence in says) + f"\n\n{theorem.verdict(reports, family)}")
    st.caption(theorem.protocol(reports[0]))


def _measured(spec: TheoremSpec) -> TheoremReport | None:
    try:
        return cache.theorem(spec)
    except LabError:  # the checkpoint is not there
        return None


def _measure_button(missing: list[TheoremSpec]) -> None:
    names = ", ".join(words.model_name(spec.model) for spec in missing)
    there = {card.name for card in cache.cards() if card.dataset == DATA}
    st.info(f"Not measured yet with the weights that are here: {names}.", icon=":material/straighten:")
    st.button(
        "Measure them, some minutes each",
        key="measure",
        icon=":material/play_arrow:",
        on_click=_measure,
        args=([spec for spec in missing if spec.model in there],),
        disabled=not any(spec.model in there for spec in missing),
    )


def _measure(specs: list[TheoremSpec]) -> None:
    for spec in specs:
        with jobs_bar.if_there_is_room():
            cache.ask_for_theorem(spec, jobs_bar.owner(), f"Theorem 4.2 on {words.model_name(spec.model)}")


def _limits() -> None:
    epsilon = float(_pick("limit", {e: f"ε = {e}" for e in EPSILONS}, "ε of the limits", "0.2"))
    kept = {model: _kept(model) for model in DEFENDED}
    st.plotly_chart(
        limits.table(limits.rows(kept, epsilon)),
        key="limits",
        config={"displayModeBar": False},
        alt=limits.sentence(limits.rows(kept, epsilon), epsilon),
    )
    st.caption(
        "ACC with the matching frozen on clean samples · NoisyDigits, 256 samples of the held-out half · "
        f"L∞, ε = {epsilon:g}, all views · PGD with 10 steps · each GAN trained against its own model at ε = 0.3 on "
        "the training half · seed 0 · targets in evaluation mode · one run. “Not run”: not kept on this machine; "
        "`python -m core results` runs them."
    )


def _certificate() -> None:
    points = _pick("points", certify.SETS, "the points")
    planes = cache.planes()
    said = certify.certified_sentence(planes, points)
    st.plotly_chart(
        certify.certified_curves(planes, points),
        key="certificate",
        config={"displayModeBar": False},
        alt=f"Certified accuracy over the radius, for new weights and for a warm start. {said}",
    )
    st.caption(f"{said} Points that training did not see; bands from the lowest to the highest seed.")


def _fading() -> None:
    room = cache.lab().certify
    lines = room.lines(ONE_VIEW) if ONE_VIEW in room.datasets() else ()
    line = next((line for line in lines if line.model == FADING and line.result is not None), None)
    if line is None:
        _not_measured(f"certify {ONE_VIEW}")
        return
    said = certify.fading_sentence(line)
    st.plotly_chart(certify.fading(line), key="fading", config={"displayModeBar": False}, alt=said)
    st.markdown(said)
    st.caption(certify.protocol(lines))


def _neighbours() -> None:
    room = cache.lab().neighbours
    lines = room.lines(ONE_VIEW) if room.cards() else ()
    if not neighbours.proofs(lines):
        _not_measured(f"neighbours {ONE_VIEW} --seeds 3 --row simclr")
        return
    st.plotly_chart(
        neighbours.proof_of_concept(lines),
        key="neighbours",
        config={"displayModeBar": False},
        alt="Share of samples turned to another class by random noise and by steps toward the neighbouring cluster",
    )
    st.caption(
        "SimCLR with a linear head on the digits, held-out samples that it classifies right. Bars: means over seeds; "
        "thin lines: the lowest and the highest seed."
    )


def _not_measured(command: str) -> None:
    st.info(f"Not measured yet with the weights that are here: `python -m core {command}`", icon=":material/science:")


def _kept(model: str) -> dict[str, SweepScores]:
    specs = {
        "gan": {"attack": "gan"},
        "pgd": {"attack": "pgd"},
        "assignment": {"attack": "pgd", "objective": "assignment"},
    }
    found = {}
    for name, choices in specs.items():
        try:
            scores = cache.scores(SweepSpec(attack=AttackSpec(dataset=DATA, model=model, epsilon=0.3, **choices)))
        except LabError:  # the checkpoint is not there
            continue
        if scores is not None:
            found[name] = scores
    return found


def _pick(key: str, labels: dict[str, str], what: str, usual: str | None = None) -> str:
    first = usual or next(iter(labels))
    address.check_options(key, list(labels), labels.__getitem__, what)
    picked = st.segmented_control(
        what.capitalize(), list(labels), format_func=labels.__getitem__, default=first, required=True, key=key,
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    return picked if picked in labels else first
