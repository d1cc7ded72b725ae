"""The Gallery's sheets: which samples they show, what is said of them, and the bytes the browser gets."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from core.figures import sheet, sheet_files, stage, theme, words
from core.figures.buffer import Arrays, join
from core.figures.sheet import Style
from core.records import Frame, Integers, SweepReport

ORDERS = {"moved": "Misclustered first", "drawn": "As drawn"}
COUNTS = (8, 12, 16, 24)
FILE_WIDTH = 1600  # pixels of a PNG, at most


def excerpt(report: SweepReport) -> SweepReport:
    """The report with only the samples that a sheet may show, in their order. Its spec and its scores are still of all.

    :func:`core.figures.sheet.chosen` chooses the same samples from both.
    """
    kept = [sheet.chosen(report, order, max(COUNTS)) for order in ORDERS]
    rows = np.unique(np.concatenate(kept))
    subject = replace(report.subject, index=report.subject.index[rows], labels=report.subject.labels[rows])
    return replace(report, subject=subject, frames=tuple(_excerpt(frame, rows) for frame in report.frames))


def _excerpt(frame: Frame, rows: Integers) -> Frame:
    return replace(
        frame,
        views=tuple(view[rows] for view in frame.views),
        clusters=frame.clusters[rows],
        confidence=frame.confidence[rows],
        hidden=frame.hidden[rows],
    )


def shown(samples: int, order: str, count: int) -> str:
    """Which of an attack's samples a sheet shows, in words."""
    drawn = "the first of a random draw"
    moved = "those that the smallest ε moves come first, no random choice"
    return f"{min(count, samples)} of {samples} samples, {drawn if order == 'drawn' else moved}"


def alt(report: SweepReport, name: str, order: str, count: int) -> str:
    """The sheet for those who cannot see it: what it shows, and every sample's cluster before and after."""
    names = stage.cluster_names(report.subject)
    rows = sheet.chosen(report, order, count)
    before, after = report.frames[0].clusters[rows], report.frames[-1].clusters[rows]
    moves = [
        f"{names[k]} to {names[now]}" if k != now else f"{names[k]}, unmoved"
        for k, now in zip(before, after, strict=True)
    ]
    return (
        f"{name}: clean pictures, noise and adversarial pictures of {len(rows)} samples. Clusters: {'; '.join(moves)}."
    )


def pack(report: SweepReport, name: str, view_names: tuple[str, ...], order: str, count: int) -> bytes:
    """A model's sheet for the browser: of each view the pictures (S, C, H, W) uint8, the noise (S, H, W) int8."""
    content = sheet.pictures(report, view_names, samples=sheet.chosen(report, order, count))
    scale = (content.reach or 1.0) / 127
    arrays: Arrays = {}
    for v, (clean, adversarial) in enumerate(zip(content.clean, content.adversarial, strict=True)):
        arrays[f"clean{v}"] = sheet.to_bytes(clean)
        arrays[f"adversarial{v}"] = sheet.to_bytes(adversarial)
        noise = np.clip((adversarial - clean).mean(axis=1) / scale, -127, 127)
        arrays[f"noise{v}"] = np.rint(noise).astype(np.int8)
    header = {
        "id": f"{report.spec.digest[:16]}-{order}-{count}",
        "alt": alt(report, name, order, count),
        "views": content.view_names,
        "shapes": [view.shape[1:] for view in content.clean],
        "before": content.before,
        "after": content.after,
        "moved": content.moved,
        "reach": content.reach,
        "reachText": words.epsilon_text(content.reach),
        "deltaScale": scale,
        "legend": sheet.legend(content),
        "diverging": theme.DIVERGING,
        "roles": theme.role_colors(),
    }
    return join(header, arrays)


def title(report: SweepReport, dataset: str) -> str:
    """The title of a sheet that stands alone."""
    return f"{words.model_name(report.spec.attack.model)} on {dataset}"


def file_name(report: SweepReport) -> str:
    """A name for a sheet's files, without an ending."""
    attack = report.spec.attack
    return f"{attack.dataset}-{attack.model}-{attack.attack}-{attack.epsilon:g}-seed{attack.seed}"


def png(
    report: SweepReport, dataset: str, view_names: tuple[str, ...], *, order: str, count: int, attacker: str
) -> bytes:
    """The sheet as PNG on white, with what it says of itself."""
    rows = sheet.chosen(report, order, count)
    style = sheet.fit(sheet.pictures(report, view_names, samples=rows), FILE_WIDTH, Style(text=16))
    image = sheet.sheet(
        report,
        view_names,
        samples=rows,
        style=style,
        title=title(report, dataset),
        note=sheet_files.frame_note(report),
        shown=shown(report.spec.attack.samples, order, count),
        attacker=attacker,
    )
    return sheet_files.png(image)


def gif(
    report: SweepReport, dataset: str, view_names: tuple[str, ...], *, order: str, count: int, attacker: str
) -> bytes:
    """The first samples of the sheet along ε, as GIF on white."""
    count = min(count, sheet_files.GIF_SAMPLES)
    return sheet_files.animation(
        report,
        view_names,
        samples=sheet.chosen(report, order, count),
        title=title(report, dataset),
        shown=shown(report.spec.attack.samples, order, count),
        attacker=attacker,
    )


def pdf(
    sheets: Sequence[tuple[SweepReport, str]], dataset: str, view_names: tuple[str, ...], *, order: str, count: int
) -> bytes:
    """The sheets of several models, each with what its attacker was trained on, as PDF: one on a page."""
    return sheet_files.pdf([partial(_page, *each, dataset, view_names, order, count) for each in sheets])


def _page(
    report: SweepReport, attacker: str, dataset: str, view_names: tuple[str, ...], order: str, count: int
) -> Image.Image:
    return sheet_files.page(
        report,
        view_names,
        samples=sheet.chosen(report, order, count),
        title=title(report, dataset),
        note=sheet_files.frame_note(report),
        shown=shown(report.spec.attack.samples, order, count),
        attacker=attacker,
    )
