"""What each command of ``python -m core`` does and prints. Progress goes to stderr, results to stdout."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from core.attacks import ATTACKS
from core.data import DATASET_FACTS, DATASETS
from core.defenses import DEFENSES
from core.doctor import examine
from core.errors import LabError
from core.lab import CONTROLS, Lab
from core.models import MODELS
from core.records import AttackScores, AttackSpec, CheckpointCard, Frame, SweepReport, SweepSpec, TrainSpec

Row = Sequence[object]


def list_everything(options: Namespace) -> None:
    """Data sets, models, attacks, defenses and checkpoints with their scores."""
    lab = make_lab(options)
    cards = [*lab.cards("model"), *lab.cards("attacker")]
    if options.json:
        names = {"datasets": [*DATASETS], "models": [*MODELS], "attacks": [*ATTACKS], "defenses": [*DEFENSES]}
        _print_json(names | {"checkpoints": [asdict(card) for card in cards]})
        return
    facts = [
        (name, f.origin, f"{f.samples:,}", len(f.class_names), len(f.view_names), f.epsilon, f.sentence)
        for name, f in DATASET_FACTS.items()
    ]
    _print_table(("data set", "origin", "samples", "clusters", "views", "paper ε", "what a sample is"), facts)
    print(f"\nmodels    {', '.join(MODELS)}\nattacks   {', '.join(ATTACKS)}\ndefenses  {', '.join(DEFENSES)}\n")
    models = [_model_row(card) for card in cards if card.kind == "model"]
    _print_table(("checkpoint", "ACC", "NMI", "ARI", "seed", "protocol", "samples", "training"), models)
    attackers = [_attacker_row(card) for card in cards if card.kind == "attacker"]
    if attackers:
        print()
        _print_table(("attacker", "ε", "ACC clean", "noise", "attacked", "protocol", "training"), attackers)
    for problem in lab.problems():
        print(problem, file=sys.stderr)


def _model_row(card: CheckpointCard) -> Row:
    scores = _held_out(card.scores["held_out"])
    made = (card.seed, card.protocol, f"{card.samples:,}", _time(card.training_seconds))
    return (f"{card.dataset}/{card.name}", *scores, *made)


def _attacker_row(card: CheckpointCard) -> Row:
    accuracies = [f"{card.scores[state]['accuracy']:.3f}" for state in ("clean", "noise_frozen", "gan_frozen")]
    made = (card.protocol, _time(card.training_seconds))
    return (f"{card.dataset}/{card.name}", card.recipe["epsilon"], *accuracies, *made)


def train(options: Namespace) -> None:
    """Train, with a bar of epochs; prints the checkpoint's scores."""
    lab = make_lab(options)
    dataset, name = _split(options.target)
    DATASETS[dataset]
    attacker = name.endswith(".gan")
    spec = TrainSpec(
        dataset=dataset,
        model=name.removesuffix(".gan") if attacker else name,
        kind="attacker" if attacker else "model",
        protocol=options.protocol,
        seed=options.seed,
        samples=options.samples,
        epochs=options.epochs,
        runs=options.runs,
        epsilon=options.epsilon,
        precision=options.precision,
    )
    training = lab.train(spec, overwrite=options.overwrite)
    with tqdm(unit="epoch", file=sys.stderr, disable=options.quiet, delay=1) as bar:
        while True:
            try:
                log = next(training)
            except StopIteration as end:
                card = end.value
                break
            bar.total = log.epochs * log.runs
            bar.n = log.epochs * (log.run - 1) + log.epoch
            bar.set_description(f"{log.phase}, run {log.run} of {log.runs}", refresh=False)
            bar.set_postfix_str(f"loss {log.total:.3f}, {_time(log.seconds_left)} left")
    if options.json:
        _print_json(asdict(card))
        return
    print(f"{lab.library.checkpoints / card.dataset / card.name}.safetensors ({_time(card.training_seconds)})")
    _print_table(("part", "ACC", "NMI", "ARI"), [(part, *_held_out(s)) for part, s in card.scores.items()])


def attack(options: Namespace) -> None:
    """One attack at one ε, beside the controls."""
    report = _last(make_lab(options).sweep(SweepSpec(attack=_attack_spec(options), points=2)), options)
    _print_frames(report, options, (report.frames[-1],))


def sweep(options: Namespace) -> None:
    """One attack along ε."""
    spec = SweepSpec(attack=_attack_spec(options), points=options.points)
    report = _last(make_lab(options).sweep(spec), options)
    _print_frames(report, options, report.frames[1:])


def evaluate(options: Namespace) -> None:
    """A checkpoint's clean scores on both parts, and under every attack that can run on it."""
    lab = make_lab(options)
    dataset, model = _split(options.target)
    clean = lab.evaluate(dataset, model)
    epsilon = lab.dataset_facts(dataset).epsilon if options.epsilon is None else options.epsilon
    reports = {}
    for name in lab.attacks(dataset, model):
        spec = AttackSpec(
            dataset=dataset, model=model, attack=name, epsilon=epsilon, samples=options.samples,
            seed=options.seed, steps=options.steps, objective=options.objective,
        )  # fmt: skip
        reports[name] = _last(lab.sweep(SweepSpec(attack=spec, points=2)), options)
    if options.json:
        attacks = {name: asdict(report.frames[-1].scores) for name, report in reports.items()}
        parts = {part: asdict(scores) for part, scores in clean.items()}
        _print_json(
            {"clean": parts, "epsilon": epsilon, "samples": options.samples, "seed": options.seed, "attacks": attacks}
        )
        return
    _print_table(("clean part", "ACC", "NMI", "ARI"), [(part, *_held_out(asdict(s))) for part, s in clean.items()])
    print(f"\n{options.samples} held-out samples, ε = {epsilon:g}, seed {options.seed}, target in evaluation mode")
    first = next(iter(reports.values())).frames[0].scores
    rows = [_score_row("clean", first), *(_score_row(n, r.frames[-1].scores) for n, r in reports.items())]
    _print_table(SCORE_HEADER, rows)


def maps(options: Namespace) -> None:
    """Fit the UMAP map of every checkpoint that has none yet, to be shipped in assets/."""
    lab = make_lab(options)
    for card in tqdm(lab.cards(), unit="map", file=sys.stderr, disable=options.quiet):
        lab.fit_map(card)


def doctor(options: Namespace) -> None:
    """What works here; exit code 1 if something is broken."""
    findings = examine(make_lab(options), options.data)
    if options.json:
        _print_json([asdict(finding) for finding in findings])
    else:
        signs = {"good": "ok", "missing": "--", "broken": "!!"}
        for finding in findings:
            remedy = f" → {finding.remedy}" if finding.remedy else ""
            print(f"{signs[finding.state]}  {finding.subject:32} {finding.detail}{remedy}")
    if any(finding.state == "broken" for finding in findings):
        sys.exit(1)


def make_lab(options: Namespace) -> Lab:
    """The lab with the folders and the device of the command line."""
    return Lab(checkpoints=options.checkpoints, data=options.data, device=options.device)


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
        _print_json({"spec": asdict(report.spec), "weights": report.subject.card_digest, "frames": states})
        return
    print(
        f"{spec.attack} on {spec.dataset}/{spec.model}: {spec.samples} held-out samples, {spec.norm}, "
        f"seed {spec.seed}, target in {spec.target_mode} mode, weights {report.subject.card_digest[:8]}"
    )
    rows = [_score_row("clean", report.frames[0].scores)]
    for frame in frames:
        rows.append(_score_row(f"{spec.attack} ε={frame.epsilon:g}", frame.scores))
        rows += [_score_row(f"  control {name}", frame.controls[name]) for name in CONTROLS]
    _print_table(SCORE_HEADER, rows)


def _frame_values(frame: Frame) -> dict[str, object]:
    controls = {name: asdict(scores) for name, scores in frame.controls.items()}
    return {"epsilon": frame.epsilon, "scores": asdict(frame.scores), "controls": controls, "seconds": frame.seconds}


def _attack_spec(options: Namespace) -> AttackSpec:
    dataset, model = _split(options.target)
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
        objective=options.objective,
        target_mode=options.target_mode,
    )


def _split(target: str) -> tuple[str, str]:
    dataset, slash, name = target.partition("/")
    if not (dataset and slash and name):
        raise LabError(f"Write DATASET/MODEL, for example noisy_digits/cl_mvc, got {target!r}.")
    return dataset, name


def _last(reports: Iterable[SweepReport], options: Namespace) -> SweepReport:
    """Run a sweep to its end behind a progress bar."""
    with tqdm(total=100, unit="%", file=sys.stderr, disable=options.quiet, leave=False, delay=1) as bar:
        for report in reports:
            bar.n = round(100 * report.progress)
            bar.refresh()
    return report


def _held_out(scores: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{scores[name]:.3f}" for name in ("accuracy", "nmi", "ari"))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def _print_table(header: Row, rows: Iterable[Row]) -> None:
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))
