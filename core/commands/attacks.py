"""The commands that attack: attack, sweep, evaluate."""

import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import asdict

from tqdm import tqdm

from core.attack_making import usual_objective
from core.commands.printing import Row, make_lab, print_json, print_table, split_target, three_scores
from core.data import DATASET_FACTS, DATASETS
from core.figures import ensemble_words
from core.lab import Lab
from core.records import AttackScores, AttackSpec, Frame, SweepReport, SweepSpec


def attack(options: Namespace) -> None:
    """One attack at one ε, beside the controls."""
    lab = make_lab(options)
    report = last_report(lab.sweep(SweepSpec(attack=_attack_spec(lab, options), points=2)), options)
    _print_frames(report, options, (report.frames[-1],))


def sweep(options: Namespace) -> None:
    """One attack along ε."""
    lab = make_lab(options)
    spec = SweepSpec(attack=_attack_spec(lab, options), points=options.points)
    report = last_report(lab.sweep(spec), options)
    _print_frames(report, options, report.frames[1:])


def evaluate(options: Namespace) -> None:
    """A checkpoint's clean scores on both parts, and under every attack that can run on it."""
    lab = make_lab(options)
    dataset, model = split_target(options.target)
    clean = lab.evaluate(dataset, model)
    epsilon = lab.dataset_facts(dataset).epsilon if options.epsilon is None else options.epsilon
    reports = {}
    for name in lab.attacks(dataset, model):
        spec = AttackSpec(
            dataset=dataset, model=model, attack=name, epsilon=epsilon, samples=options.samples,
            seed=options.seed, steps=options.steps,
            objective=options.objective or usual_objective(lab.library, dataset, model, name),
        )  # fmt: skip
        reports[name] = last_report(lab.sweep(SweepSpec(attack=spec, points=2)), options)
    if options.json:
        attacks = {name: asdict(report.frames[-1].scores) for name, report in reports.items()}
        parts = {part: asdict(scores) for part, scores in clean.items()}
        print_json(
            {"clean": parts, "epsilon": epsilon, "samples": options.samples, "seed": options.seed, "attacks": attacks}
        )
        return
    print_table(("clean part", "ACC", "NMI", "ARI"), [(part, *three_scores(asdict(s))) for part, s in clean.items()])
    print(f"\n{options.samples} held-out samples, ε = {epsilon:g}, seed {options.seed}, target in evaluation mode")
    first = next(iter(reports.values())).frames[0].scores
    rows = [_score_row("clean", first), *(_score_row(n, r.frames[-1].scores) for n, r in reports.items())]
    print_table(SCORE_HEADER, rows)


SCORE_HEADER = ("", "ACC frozen", "ACC re-matched", "NMI", "ARI", "changed", "‖δ‖∞", "‖δ‖₂")


def _score_row(name: str, scores: AttackScores) -> Row:
    return (
        name,
        f"{scores.frozen.accuracy:.3f}",
        f"{scores.rematched.accuracy:.3f}",
        f"{scores.frozen.nmi:.3f}",
        f"{scores.frozen.ari:.3f}",
        f"{scores.changed:.1%}",
        " ".join(f"{x:.2f}" for x in scores.linf),
        " ".join(f"{x:.2f}" for x in scores.l2),
    )


def _print_frames(report: SweepReport, options: Namespace, frames: Iterable[Frame]) -> None:
    spec = report.spec.attack
    if options.json:
        states = [_frame_values(frame) for frame in report.frames]
        print_json({"spec": asdict(report.spec), "weights": report.subject.card_digest, "frames": states})
        return
    print(
        f"{spec.attack} on {spec.dataset}/{spec.model}: {spec.samples} held-out samples, {spec.norm}, "
        f"seed {spec.seed}, target in {spec.target_mode} mode, weights {report.subject.card_digest[:8]}"
    )
    rows = [_score_row("clean", report.frames[0].scores)]
    for frame in frames:
        rows.append(_score_row(f"{spec.attack} ε={frame.epsilon:g}", frame.scores))
        rows += [_score_row(f"  control {name}", scores) for name, scores in frame.controls.items()]
    print_table(SCORE_HEADER, rows)
    for frame in frames:
        if frame.ensemble is not None:
            print(f"ε={frame.epsilon:g}: {ensemble_words.sentence(frame.ensemble)}")


def _frame_values(frame: Frame) -> dict[str, object]:
    controls = {name: asdict(scores) for name, scores in frame.controls.items()}
    values = {"epsilon": frame.epsilon, "scores": asdict(frame.scores), "controls": controls, "seconds": frame.seconds}
    if frame.ensemble is not None:
        values["ensemble"] = asdict(frame.ensemble) | {"warnings": frame.ensemble.warnings}
    return values


def _attack_spec(lab: Lab, options: Namespace) -> AttackSpec:
    dataset, model = split_target(options.target)
    epsilon = options.epsilon
    if epsilon is None:
        DATASETS[dataset]
        epsilon = DATASET_FACTS[dataset].epsilon
    return AttackSpec(
        dataset=dataset,
        model=model,
        attack=options.attack,
        epsilon=epsilon,
        samples=options.samples,
        seed=options.seed,
        views=options.views,
        norm=options.norm,
        steps=options.steps,
        objective=options.objective or usual_objective(lab.library, dataset, model, options.attack),
        target_mode=options.target_mode,
        relative_step_size=options.step_size,
    )


def last_report(reports: Iterable[SweepReport], options: Namespace) -> SweepReport:
    """Run a sweep to its end behind a progress bar."""
    with tqdm(total=100, unit="%", file=sys.stderr, disable=options.quiet, leave=False, delay=1) as bar:
        for report in reports:
            bar.n = round(100 * report.progress)
            bar.refresh()
    return report
