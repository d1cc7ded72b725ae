"""Bringing one's own samples: draw, upload pictures, upload arrays. They stay in the session and nowhere else."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import streamlit as st

from core.errors import LabError
from core.own import reading
from core.own.files import archive_of, most_samples
from core.own.reading import File, Handling
from core.own.records import OwnSamples, ProbeReport
from pages.ui import address, cache, components, downloads, jobs_bar
from pages.ui.pickers import Target

SOURCES = {"draw": "Draw", "pictures": "Pictures", "arrays": "Arrays"}
FITS = {"content": "As the data", "inside": "Whole picture", "fill": "Middle"}
INVERSIONS = {"auto": "By the border", "yes": "Invert", "no": "As it is"}
KINDS = ("png", "jpg", "jpeg", "webp", "gif", "bmp")
MEGABYTES = reading.LARGEST_PICTURE // 2**20
EXAMPLE = 4  # samples of the example file
WORK, DRAWINGS, REFUSED = "_own_work", "_own_drawings", "_own_refused"


class Brought(NamedTuple):
    """What somebody brought: a key that tells it from everything else, and how samples are made of it."""

    key: tuple[Any, ...]
    make: Callable[[], OwnSamples]


class Work:
    """One session's own samples and what became of them. Only the session holds it, so it goes with the session."""

    def __init__(self, source: tuple[Any, ...], samples: OwnSamples) -> None:
        self.source = source  # what the samples were made from: with another source they are made again
        self.samples = samples
        self.identity = uuid4().hex
        self.spec: Any = None  # of the attack that was run last
        self.job = ""  # its key in the queue
        self.report: ProbeReport | None = None
        self.clean: tuple[Any, ProbeReport] | None = None  # what it is a report of, and the report
        self.buffer: tuple[Any, bytes] | None = None


def bring(chosen: Target, seed: int) -> Work | None:
    """Pick a source and bring samples; None while there are none. Raises LabError for what cannot be used."""
    dataset = chosen.card.dataset
    source = _pick_source(dataset)
    try:
        brought = {"draw": _draw, "pictures": _upload_pictures, "arrays": _upload_arrays}[source](chosen, seed)
    except LabError:
        _forget()
        raise
    if brought is None:
        _forget()
        return None
    work = current()
    if work is None or work.source != brought.key:
        work = _work(brought)
    for note in work.samples.notes:
        st.caption(note)
    return work


def current() -> Work | None:
    """What this session works on."""
    work: Work | None = st.session_state.get(WORK)
    return work


def _work(brought: Brought) -> Work:
    """Make the samples; what was refused once is not read again."""
    _forget()
    refused = st.session_state.get(REFUSED)
    if refused is not None and refused[0] == brought.key:
        raise LabError(refused[1])
    try:
        work = st.session_state[WORK] = Work(brought.key, brought.make())
    except LabError as error:
        st.session_state[REFUSED] = (brought.key, str(error))
        raise
    return work


def _forget() -> None:
    """Let go of the samples, and of the attack on them if one runs."""
    work = st.session_state.pop(WORK, None)
    if work is not None and work.job:
        cache.jobs().cancel(work.job, owner=jobs_bar.owner())


def _pick_source(dataset: str) -> str:
    options = [name for name in SOURCES if name != "draw" or reading.is_drawable(dataset)]
    address.check_options("own-source", options, SOURCES.__getitem__, "the source")
    picked = st.segmented_control(
        "Bring your own",
        options,
        format_func=SOURCES.__getitem__,
        default=options[0],
        required=True,
        key="own-source",
        bind="query-params",
    )
    if "draw" not in options:
        st.caption("These pictures are in colour, so they cannot be drawn here: upload some.")
    return picked if picked in options else options[0]


def _draw(chosen: Target, seed: int) -> Brought | None:
    dataset = chosen.card.dataset
    drawings = st.session_state.setdefault(DRAWINGS, {})
    names = chosen.facts.view_names
    second = reading.takes_second(dataset) and _pick_second(f"Draw {names[1]} too", "Else it is this drawing again.")
    first_values = _pad("pad", drawings)
    if second:
        st.caption(f"And for the view “{names[1]}”:")
    second_values = _pad("pad2", drawings) if second else None
    handling = Handling(fit=_pick_place(), seed=seed)
    first, other = reading.drawing(first_values), reading.drawing(second_values)
    if first is None:
        return None
    key = ("draw", dataset, handling, tuple(first_values), tuple(second_values or ()))
    return Brought(key, lambda: reading.from_drawing(dataset, first, other, handling))


def _pad(key: str, drawings: dict[str, Any]) -> Any:
    def remember() -> None:
        drawings[key] = components.drawn(key)

    components.pad(key, drawings.get(key), remember)
    return drawings.get(key)


def _upload_pictures(chosen: Target, seed: int) -> Brought | None:
    dataset = chosen.card.dataset
    names = chosen.facts.view_names
    second = reading.takes_second(dataset) and _pick_second(
        f"Upload {names[1]} too", "As many, in the same order by name. Else it is made from the first."
    )
    files = _uploader(f"Pictures, {names[0]}" if second else "Pictures", "own-files")
    others = _uploader(f"Pictures, {names[1]}", "own-files2") if second else []
    handling = _pick_handling(reading.is_drawable(dataset), seed)
    if not files:
        return None
    key = ("pictures", dataset, handling, *(tuple(file.file_id for file in group) for group in (files, others)))
    return Brought(key, lambda: reading.from_pictures(dataset, _contents(files), _contents(others), handling))


def _uploader(label: str, key: str) -> list[Any]:
    files = st.file_uploader(
        label,
        KINDS,
        accept_multiple_files=True,
        key=key,
        max_upload_size=MEGABYTES,
        help=f"At most {reading.MOST_PICTURES} at once, each up to {MEGABYTES} MB and 25 megapixels. Of an animation, "
        "the first picture.",
    )
    return sorted(files, key=lambda file: str(file.name))


def _contents(files: Sequence[Any]) -> list[File]:
    return [(str(file.name), bytes(file.getbuffer())) for file in files]


def _upload_arrays(chosen: Target, seed: int) -> Brought | None:
    dataset, model = chosen.card.dataset, chosen.card.name
    arrays = ", ".join(
        f"`view{v}` ({name}): (N, {', '.join(map(str, shape))})"
        for v, (name, shape) in enumerate(zip(chosen.facts.view_names, chosen.facts.view_shapes, strict=True))
    )
    most = most_samples(chosen.facts.view_shapes)
    file = st.file_uploader(
        "Views in an .npz", ["npz"], key="own-arrays", help=f"{arrays}; uint8, or float from 0 to 1; N up to {most}."
    )
    st.caption(f"Arrays {arrays}; uint8, or float from 0 to 1; N up to {most}. As np.savez writes them.")
    downloads.button("Example", "npz", f"{dataset}-example", lambda: _example(dataset, model))
    if file is None:
        return None
    key = ("arrays", dataset, file.file_id)
    return Brought(key, lambda: reading.from_archive(dataset, bytes(file.getbuffer())))


def _example(dataset: str, model: str) -> bytes:
    return archive_of([view[:EXAMPLE] for view in cache.lab().reference(dataset, model).views])


def _pick_second(label: str, note: str) -> bool:
    return bool(st.toggle(label, key="own-second", bind="query-params", help=note))


def _pick_place() -> Any:
    note = "Moves and enlarges the drawing to where the data set's pictures have their content."
    placed = st.toggle("Place it as the data set does", True, key="own-place", bind="query-params", help=note)
    return "content" if placed else "inside"


def _pick_handling(is_grey: bool, seed: int) -> Handling:
    options = [name for name in FITS if is_grey or name != "content"]
    with st.popover("Size and tone", icon=":material/tune:"):
        fit = _pick("Size", "own-fit", options, FITS)
        invert = _pick("Dark on bright", "own-invert", list(INVERSIONS), INVERSIONS) if is_grey else "no"
    return Handling(fit=fit, invert=invert, seed=seed)


def _pick(label: str, key: str, options: list[str], names: dict[str, str]) -> Any:
    address.check_options(key, options, names.__getitem__, label.lower())
    picked = st.segmented_control(
        label, options, format_func=names.__getitem__, default=options[0], required=True, key=key, bind="query-params"
    )
    return picked if picked in options else options[0]
