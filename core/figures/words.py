"""A record in words: names for the screen, the verdict, the protocol line, the command that repeats it, the CSV."""

import csv
import io
import math
import re
from collections.abc import Iterator

from core.ensemble_records import FULL_STEPS
from core.figures import ensemble_words
from core.records import AttackScores, AttackSpec, CheckpointCard, Frame, SweepReport, SweepSpec

ATTACK_NAMES = {
    "noise": "Signed noise",
    "untrained_generator": "Untrained generator",
    "fgsm": "FGSM",
    "pgd": "PGD",
    "gan": "GAN",
    "ensemble": "Ensemble",
    "latent": "Latent perturbation",
    "earlier_latent": "Earlier latent perturbation",
    "random_direction": "Random direction",
}
ATTACK_SENTENCES = {
    "noise": "Random ±ε on every pixel: a control that knows nothing of the model.",
    "untrained_generator": "A generator that was never trained: a control for its architecture.",
    "fgsm": "One step of size ε along the sign of the gradient; needs the model's weights.",
    "pgd": "Many small gradient steps, kept within ε; needs the model's weights.",
    "gan": "A generator trained against this model: the attack of the paper.",
    "ensemble": "APGD, FAB, Square, PGD on every objective, GAN, each on what the others left. Takes minutes.",
    "latent": "A network trained against this model moves its latent; no pixel is changed.",
    "earlier_latent": "The network that this model was hardened against, trained on the model before.",
    "random_direction": "The latent moved as far as by the attack, in a random direction: a control.",
}
OBJECTIVE_NAMES = {
    "both": "Both, weighted as in the paper",
    "complementarity": "Complementarity: each view's embedding moves",
    "consistency": "Consistency: the consensus of the views moves",
    "assignment": "Assignment: away from the clean cluster",
    "contrastive": "Contrastive: the views of a sample agree no longer",
    "margin": "Margin: another class overtakes the clean one",
    "log_scores": "Cross-entropy: away from the clean class, from logits",
    "magnet": "Magnet loss: nearer to the centres of other classes than to its own",
    "scores": "Scores as logits, ClusTR's own attack: the slope dies away, and a model looks stronger than it is",
}
OBJECTIVE_LABELS = {"log_scores": "cross-entropy", "scores": "scores as logits", "magnet": "Magnet loss"}
MODEL_NAMES = {
    "eamc": "EAMC",
    "simvc": "SiMVC",
    "comvc": "CoMVC",
    "multi_vae": "Multi-VAE",
    "aecoddc": "AECoDDC",
    "infoddc": "InfoDDC",
    "sem": "SEM",
    "cl_mvc": "CL-MVC",
    "ar_dmvc": "AR-DMVC",
    "ar_dmvc_am": "AR-DMVC-AM",
    "rcd_mvc": "RCD-MVC",
    "conv_ae": "ConvAE",
    "conv_ae_mie": "MIE",
    "conv_ae_graph": "Graph",
    "alrdc": "ConvAE+",
    "alrdc_mie": "MIE+",
    "alrdc_graph": "Graph+",
    "nominal": "Nominal classifier",
    "at": "AT classifier",
    "free_at": "Free AT classifier",
    "trades": "TRADES classifier",
    "qtrades": "QTRADES classifier",
    "magnet": "Magnet",
    "clustr": "ClusTR",
    "clustr_qtrades": "ClusTR + QTRADES",
    "simclr": "SimCLR",
    "ncp_acl": "NCP-ACL",
    "deacl": "DeACL",
    "acl": "ACL",
    "dynacl": "DYNACL",
    "dynacl_plus": "DYNACL++",
    "advcl": "AdvCL",
    "rocl": "RoCL",
}
FADES = " Scores taken for logits hide the way out: the objective margin says what this model withstands."
LATENT_MODELS = ("conv_ae", "conv_ae_mie", "conv_ae_graph", "alrdc", "alrdc_mie", "alrdc_graph")
GRADIENT_ATTACKS = ("fgsm", "pgd")  # that ascend a chosen objective
STEPPING_ATTACKS = ("pgd", "ensemble")  # whose number of steps is chosen


def attack_name(attack: str) -> str:
    """The attack's name for the screen."""
    return ATTACK_NAMES.get(attack, attack.replace("_", " ").capitalize())


def attack_sentence(attack: str) -> str:
    """What the attack does, in one or two plain sentences."""
    return ATTACK_SENTENCES.get(attack, "")


def objective_name(objective: str) -> str:
    """What an attack tries to do, for the screen."""
    return OBJECTIVE_NAMES.get(objective, objective.replace("_", " ").capitalize())


def objective_label(objective: str) -> str:
    """An objective in a word or two, for lists and lines: the name itself where that is a word."""
    return OBJECTIVE_LABELS.get(objective, objective)


def model_name(name: str) -> str:
    """A checkpoint's name for the screen: ``"cl_mvc.released-1a2b3c4d"`` is "CL-MVC (released, 1a2b3c4d)"."""
    stem, *more = re.split(r"[.-]", name)
    label = MODEL_NAMES.get(stem, stem.replace("_", " "))
    return f"{label} ({', '.join(more)})" if more else label


def epsilon_text(epsilon: float) -> str:
    """ε with two to four decimals: 0.20, 0.025, 0.0125; zero is 0, and whole numbers above 1 are as they are: 40."""
    if epsilon == 0 or (epsilon > 1 and float(epsilon).is_integer()):
        return f"{epsilon:.0f}"
    return re.sub("0{1,2}$", "", f"{epsilon:.4f}")


def symbol(attack: AttackSpec) -> str:
    """What a sweep goes along: ε, or γ where no budget holds."""
    return "γ" if attack.norm == "gamma" else "ε"


def _change(before: float, after: float) -> str:
    """ "fell from 0.91 to 0.13", at the two decimals shown."""
    old, new = f"{before:.2f}", f"{after:.2f}"
    if old == new:
        return f"stayed at {old}"
    return f"{'fell' if after < before else 'rose'} from {old} to {new}"


def _controls_sentence(attack: str, frame: Frame) -> str:
    controls = {name: scores for name, scores in frame.controls.items() if name != attack}
    parts = [f"{attack_name(name).lower()} {scores.frozen.accuracy:.2f}" for name, scores in controls.items()]
    return f" {'Controls' if len(parts) > 1 else 'Control'} of the same size: {', '.join(parts)}." if parts else ""


def verdict(report: SweepReport, frame: Frame) -> str:
    """What happened at this ε, in a sentence or two. ACC is with the matching frozen on the clean samples."""
    samples, clean = len(frame.clusters), report.frames[0].scores.frozen.accuracy
    attack, sign = report.spec.attack.attack, symbol(report.spec.attack)
    if frame is report.frames[0]:
        lead = "No attack yet" if len(report.frames) == 1 else f"At {sign} = 0 nothing is changed"
        return f"{lead}: on {samples} held-out samples the clusters agree with the labels at ACC {clean:.2f}."
    moved = int((frame.clusters != report.frames[0].clusters).sum())
    who = "the ensemble" if attack == "ensemble" else attack_name(attack)
    start = f"At {sign} = {epsilon_text(frame.epsilon)}, {who} moved "
    what = "no sample" if moved == 0 else f"{moved} of {samples} samples"
    change = _change(clean, frame.scores.frozen.accuracy)
    members = "" if frame.ensemble is None else f" {ensemble_words.sentence(frame.ensemble)}"
    fades = attack in GRADIENT_ATTACKS and report.spec.attack.objective == "scores"
    return f"{start}{what} to another cluster; ACC {change}.{members}{_controls_sentence(attack, frame)}{FADES * fades}"


def protocol(spec: SweepSpec, card_digest: str, attacker: str = "") -> str:
    """Everything a number depends on, on one line."""
    attack = spec.attack
    parts = [
        f"{attack.samples} samples of the held-out half",
        *attack_parts(attack, attacker),
        "matching found on the clean samples (frozen) and found again (re-matched)",
        f"weights {card_digest[:8]}",
    ]
    return " · ".join(parts)


def attack_parts(attack: AttackSpec, attacker: str = "") -> list[str]:
    """How samples are attacked, in the parts of a protocol line."""
    if attack.norm == "gamma":
        return [
            f"{attack_name(attack.attack).lower()}, γ ≤ {epsilon_text(attack.epsilon)}; no pixel is changed",
            attacker or "which samples trained the networks is not recorded",
            f"seed {attack.seed}",
        ]
    views = "all views" if attack.views is None else f"view {', '.join(str(v + 1) for v in attack.views)} only"
    norm = {"linf": "L∞", "l2": "L2"}[attack.norm]
    parts = [
        f"{attack_name(attack.attack)} on {views}",
        f"{norm} budget ε ≤ {epsilon_text(attack.epsilon)}, pixels 0 to 1",
    ]
    if attack.attack in STEPPING_ATTACKS:
        parts.append(steps_text(attack))
    if attack.attack in GRADIENT_ATTACKS:
        parts.append(f"objective {objective_label(attack.objective)}")
    if attack.attack == "gan":
        parts.append(attacker or "which samples trained the attacker is not recorded")
    parts += [
        f"seed {attack.seed}",
        "target in evaluation mode" if attack.target_mode == "eval" else "target in training mode (released protocol)",
    ]
    return parts


def steps_text(attack: AttackSpec) -> str:
    """ "10 steps", "10 steps of 0.5 ε"; of an ensemble also how many its full strength has."""
    if attack.attack == "ensemble":
        return f"{attack.steps} of {FULL_STEPS} steps"
    size = "" if attack.relative_step_size is None else f" of {attack.relative_step_size:g} ε"
    return f"{attack.steps} steps{size}"


def attacker_sentence(card: CheckpointCard | None) -> str:
    """Which data trained the attacker, for the protocol line; empty where there is none."""
    if card is None:
        return ""
    half = {"train": "the training half", "held_out": "the attacked half itself (transductive)"}
    part = half.get(str(card.recipe.get("trained_on")), "an unrecorded part")
    budget = f" at ε = {card.recipe['epsilon']:g}" if "epsilon" in card.recipe else ""
    if "gammas" in card.recipe:
        return f"networks trained on {part}, {card.samples:,} samples"
    return f"attacker trained on {part}, {card.samples:,} samples{budget}"


def command(spec: SweepSpec) -> str:
    """The command line that repeats this sweep."""
    attack = spec.attack
    words = [f"python -m core sweep {attack.dataset}/{attack.model} --attack {attack.attack}"]
    words += [f"--epsilon {attack.epsilon:g} --samples {attack.samples} --seed {attack.seed}"]
    words += _optional_arguments(attack)
    return " ".join([*words, f"--points {spec.points}"])


def _optional_arguments(attack: AttackSpec) -> Iterator[str]:
    if attack.views is not None:
        yield f"--views {','.join(map(str, attack.views))}"
    if attack.attack in STEPPING_ATTACKS:
        yield f"--steps {attack.steps}"
    if attack.relative_step_size is not None:
        yield f"--step-size {attack.relative_step_size:g}"
    if attack.attack in GRADIENT_ATTACKS:
        yield f"--objective {attack.objective}"
    if attack.norm != "linf":
        yield f"--norm {attack.norm}"
    if attack.target_mode != "eval":
        yield f"--target-mode {attack.target_mode}"


def sweep_csv(report: SweepReport, attacker: str = "") -> str:
    """Every score of every state at every ε; the first lines say under which protocol."""
    out = io.StringIO()
    out.write(f"# {protocol(report.spec, report.subject.card_digest, attacker)}\n# {command(report.spec)}\n")
    views = range(len(report.frames[0].views))
    head = ["epsilon", "state", "acc_frozen", "acc_rematched", "nmi", "ari", "changed"]
    head += [f"linf_view{v + 1}" for v in views] + [f"l2_view{v + 1}" for v in views]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for frame in report.frames:
        states = {report.spec.attack.attack: frame.scores, **frame.controls}
        for state, scores in states.items():
            writer.writerow([_number(frame.epsilon), state, *map(_number, _flat(scores))])
    return out.getvalue()


def _flat(scores: AttackScores) -> list[float]:
    frozen, again = scores.frozen, scores.rematched
    return [frozen.accuracy, again.accuracy, frozen.nmi, frozen.ari, scores.changed, *scores.linf, *scores.l2]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
