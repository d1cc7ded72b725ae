"""The only colours of the lab: roles keep theirs on every screen, clusters use a palette for any colour vision."""

from collections.abc import Sequence
from typing import Any

# Okabe and Ito's blue, vermilion and bluish green, darkened or lightened until they read at 4.5:1 on each background.
ROLES_LIGHT = {"clean": "#0072B2", "adversarial": "#C24E00", "defended": "#007A5A", "neutral": "#6B7280"}
ROLES_DARK = {"clean": "#5AB2EA", "adversarial": "#FF8B4A", "defended": "#33C9A0", "neutral": "#9CA3AF"}

# petroff10 (Petroff 2021, arXiv 2107.02270), ten colours told apart with any colour vision.
CLUSTERS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)

# Signed perturbations, from -ε to +ε; the middle, no change, is white.
DIVERGING = ("#0b3c6f", "#2f79b5", "#9ac8e0", "#ffffff", "#f6b293", "#cf4f3f", "#7a0f22")

# What pictures made outside the browser stand on: the app's background and text (.streamlit/config.toml), quieter text.
SURFACES = {
    "light": {"background": "#ffffff", "text": "#1a1f29", "muted": "#5b6472"},
    "dark": {"background": "#11151c", "text": "#edf0f4", "muted": "#a7afbb"},
}

GRID = "rgba(128, 128, 128, 0.3)"  # lines behind a figure, on light and on dark
NOTHING = "rgba(0, 0, 0, 0)"

FONT = "Source Sans, sans-serif"


# Runs beside each other, in the order in which they were pinned: at least 3:1 on both backgrounds, and no two with the
# same dash and marker.
RUNS = (
    {"color": "#2087C7", "dash": "solid", "symbol": "circle"},
    {"color": "#DB5E0B", "dash": "dash", "symbol": "square"},
    {"color": "#0C9A75", "dash": "dashdot", "symbol": "diamond"},
    {"color": "#A064D2", "dash": "solid", "symbol": "triangle-up"},
    {"color": "#848B96", "dash": "dash", "symbol": "x"},
)


# The undefended model and its defenses, wherever they stand side by side: ink, olive, bluish green, violet. With any
# colour vision each pair is at least 22 apart (CIE76), and dash and marker differ too.
MODELS_LIGHT = {
    "cl_mvc": "#1F2937",
    "ar_dmvc": "#6B7000",
    "ar_dmvc_am": ROLES_LIGHT["defended"],
    "rcd_mvc": "#9333EA",
}
MODELS_DARK = {"cl_mvc": "#E5E7EB", "ar_dmvc": "#C9C23A", "ar_dmvc_am": ROLES_DARK["defended"], "rcd_mvc": "#B07CFF"}
MODEL_SIGNS = {  # marker, and dash as SVG writes it
    "cl_mvc": ("●", ""),
    "ar_dmvc": ("◆", "9 4"),
    "ar_dmvc_am": ("▲", "12 3 3 3"),
    "rcd_mvc": ("■", "3 3"),
}


def role_colors() -> dict[str, dict[str, str]]:
    """The role colours by background, as the browser components get them."""
    return {"light": ROLES_LIGHT, "dark": ROLES_DARK}


def cluster_color(cluster: int) -> str:
    """The colour of a cluster; past ten clusters the palette starts again."""
    return CLUSTERS[cluster % len(CLUSTERS)]


def cluster_palette(matching: Sequence[int]) -> list[str]:
    """Each cluster's colour: that of the label it matches, so that a label keeps its colour in every model.

    ``matching`` holds a label for each cluster, -1 for none; clusters without one take the colours that are left.
    """
    left = iter(label for label in range(len(matching)) if label not in set(matching))
    return [cluster_color(label if label >= 0 else next(left)) for label in map(int, matching)]


def line_styles() -> dict[str, dict[str, Any]]:
    """How each state of the samples is drawn as a line, in Plotly's words: colour, dash and marker all differ.

    One set for light and dark: these colours reach 3:1 on both backgrounds.
    """
    return {
        "attack": {"color": "#DB5E0B", "dash": "solid", "symbol": "circle"},
        "clean": {"color": "#2087C7", "dash": "dash", "symbol": "line-ew"},
        "noise": {"color": "#848B96", "dash": "solid", "symbol": "square"},
        "untrained_generator": {"color": "#848B96", "dash": "dot", "symbol": "triangle-up"},
        "defended": {"color": "#0C9A75", "dash": "solid", "symbol": "diamond"},
    }
