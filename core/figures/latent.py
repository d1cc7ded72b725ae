"""ALRDC on the screen: the paper's Figure 1 as a picture, the rows of its tables as text, its claims."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from core.figures import lettering, sheet
from core.figures.stage import cluster_names
from core.latent.tables import NAMES, Claim, Line
from core.published.alrdc import DATASETS, LATENTS, PRINTED
from core.records import Floats, Integers, SweepReport

STEPS = {"attack": "Attack", "defense": "Defense", "reattack": "Re-attack"}
STEP_NOTES = {
    "attack": "networks trained against the model, as in Table 1",
    "defense": "the hardened model under the networks it was hardened against, as in Table 2",
    "reattack": "the hardened model under new networks, as in Table 3",
}
SIGNS = {"held": ":green-badge[held]", "not held": ":red-badge[not held]"}
UNTESTED = ":gray-badge[not testable here]"
ZOOM, GAP, CAPTION, NAME = 3, 6, 150, 18  # pixels
INK, PAPER, RED = (17, 17, 17), (255, 255, 255), (176, 58, 21)
HEADS = (
    *("ACC", "ACC*", "frozen", "NMI", "NMI*", "D %", "D each"),
    *("moved", "at random", "change", "error"),
)


def method(line: Line) -> str:
    """A row's method as the paper writes it."""
    size = "" if line.latent == LATENTS[0] else f", latent {line.latent}"
    return NAMES[line.base] + ("" if line.step == "attack" else "+") + size


def figure_1(report: SweepReport, count: int = 12) -> bytes:
    """The paper's Figure 1 as a PNG: samples whose cluster changes; originals, and decoded at every γ of the report.

    Below each picture its cluster, red where it is not the clean one. Without such samples, the first ones.
    """
    rows = sheet.chosen(report, "moved", count)
    clean, frames = report.frames[0], report.frames
    names = cluster_names(report.subject)
    height, width = (side * ZOOM for side in clean.views[0].shape[2:])
    bands: list[tuple[str, Floats, Integers | None]] = [("original", clean.views[0], None)]
    for frame in frames:
        text = "decoded from z" if frame is clean else f"γ = {frame.epsilon:g}"
        bands.append((text, frame.views[len(frame.views) // 2], frame.clusters))
    size = (CAPTION + len(rows) * (width + GAP), len(bands) * (height + NAME + GAP))
    image = Image.new("RGB", size, PAPER)
    for b, (text, pictures, clusters) in enumerate(bands):
        top = b * (height + NAME + GAP)
        lettering.write(image, (0, top + height // 2 + 6), text, 16, INK)
        for i, row in enumerate(rows):
            left = CAPTION + i * (width + GAP)
            large = Image.fromarray(_bytes(pictures[row])).resize((width, height), Image.Resampling.NEAREST)
            image.paste(large.convert("RGB"), (left, top))
            if clusters is not None:
                color = INK if clusters[row] == clean.clusters[row] else RED
                name = lettering.shorten(names[clusters[row]], 14, width)
                lettering.write(image, (left + width // 2, top + height + 14), name, 14, color, "center")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _bytes(picture: Any) -> Any:
    """A picture (C, H, W) in [0, 1] as Pillow takes it."""
    values = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return values[0] if len(values) == 1 else values.transpose(1, 2, 0)


def rows(lines: Sequence[Line]) -> list[dict[str, str]]:
    """The rows of the tables as text, by heading; where one is missing, a last column says which command makes it."""
    found = [_row(line) for line in lines]
    return [row | {"made by": row.get("made by", "")} if any("made by" in r for r in found) else row for row in found]


def _row(line: Line) -> dict[str, str]:
    start = {"step": STEPS[line.step], "method": method(line)}
    r = line.result
    if r is None:
        return {**start, **dict.fromkeys(HEADS, "–"), "made by": line.remedy}
    values = (
        *(f"{x:.3f}" for x in (r.clean.accuracy, r.attacked.accuracy, r.frozen, r.clean.nmi, r.attacked.nmi)),
        f"{r.relative_shift:.1f}",
        f"{r.absolute_shift:.3f}",
        f"{r.flips:.1%}",
        f"{r.control_flips:.1%}",
        f"{r.moved:.2f}",
        f"{r.error:.2f}",
    )
    return {**start, **dict(zip(HEADS, values, strict=True))}


def printed_rows() -> list[dict[str, str]]:
    """The paper's tables as text: a row for each step, data set, method and latent."""
    found = []
    for (step, dataset, model), numbers in PRINTED.items():
        name = NAMES.get(model) or NAMES[model.replace("alrdc", "conv_ae")] + "+"
        cells = {
            "ACC": numbers.clean_accuracy,
            "ACC*": numbers.accuracy,
            "NMI": numbers.clean_nmi,
            "NMI*": numbers.nmi,
            "D": numbers.shift,
        }
        for i, latent in enumerate(LATENTS):
            row = {"step": STEPS[step], "data": DATASETS[dataset], "method": name, "latent": str(latent)}
            found.append(row | {key: "–" if cell is None else f"{cell[i]:g}" for key, cell in cells.items()})
    return found


def csv_text(lines: Sequence[Line]) -> str:
    """Our rows; the first lines say under which protocol."""
    out = io.StringIO()
    out.write(f"# {protocol(lines)}\n")
    writer = csv.DictWriter(out, ["step", "method", *HEADS], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows(lines))
    return out.getvalue()


def protocol(lines: Sequence[Line]) -> str:
    """Everything the rows depend on, on one line."""
    result = next((line.result for line in lines if line.result is not None), None)
    if result is None:
        return "nothing has been measured on this data set yet"
    attack = result.spec.attack
    return (
        f"{attack.samples} samples of the held-out half of {attack.dataset}, seed {attack.seed} · γ = {result.gamma:g} "
        "· * with the latent moved, clusters matched to labels anew as in the paper; frozen: ACC* with the matching of "
        "the clean samples · D relative in percent, and absolute per sample · moved: to another cluster, beside those "
        "that random directions of the same length move · change of the decoded picture, and error of the "
        "autoencoder: squared, pixels summed · one run"
    )


def claim_text(claim: Claim) -> str:
    """A claim in Markdown: verdict, words, number, command."""
    sign = SIGNS.get(claim.verdict, UNTESTED)
    return f"{sign} **{claim.text}** {claim.numbers[0].upper()}{claim.numbers[1:]}. `{claim.command}`"
