"""What ALRDC's supplement prints (Yang et al., NeurIPS 2020): Tables 1 to 3, in percent, as they print it.

A row has one number for each latent of 64, 128, 256 and 512 dimensions. ACC and NMI are given without and with the
perturbation; D is its size, published without a unit: it fits percent of the latent's size. STL-10 is 13,000
pictures as ResNet-50 features, REUTERS 10,000 documents as tf-idf of 2,000 words; one run each.
"""

from dataclasses import dataclass

LATENTS = (64, 128, 256, 512)
DATASETS = {"stl10": "STL-10", "reuters": "REUTERS"}
Row = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A method on a data set at one step: a number for each of LATENTS; None where the table has none."""

    clean_accuracy: Row | None
    clean_nmi: Row | None
    accuracy: Row  # starred
    nmi: Row
    shift: Row | None  # D


def _attack(acc: Row, starred: Row, nmi: Row, starred_nmi: Row, shift: Row | None) -> Printed:
    return Printed(clean_accuracy=acc, clean_nmi=nmi, accuracy=starred, nmi=starred_nmi, shift=shift)


def _again(accuracy: Row, nmi: Row, shift: Row) -> Printed:
    return Printed(clean_accuracy=None, clean_nmi=None, accuracy=accuracy, nmi=nmi, shift=shift)


PRINTED: dict[tuple[str, str, str], Printed] = {  # (step, data set, attacked model)
    ("attack", "stl10", "conv_ae"): _attack(
        (84.7, 81.2, 81.9, 80.6), (78.1, 75.6, 73.3, 65.8),
        (86.2, 84.4, 83.6, 80.6), (80.2, 77.9, 75.7, 72.1), (2.77, 2.48, 0.74, 0.40),
    ),
    ("attack", "stl10", "conv_ae_mie"): _attack(
        (86.7, 85.2, 84.7, 84.9), (80.2, 79.5, 78.7, 79.5),
        (85.4, 84.4, 84.5, 84.2), (79.5, 80.4, 79.5, 80.1), (2.44, 1.95, 1.06, 0.57),
    ),
    ("attack", "stl10", "conv_ae_graph"): _attack(
        (92.5, 91.0, 91.1, 90.6), (80.0, 84.6, 84.8, 82.5),
        (87.6, 86.5, 86.6, 86.0), (77.7, 80.0, 79.8, 78.6), (5.14, 4.67, 4.01, 4.24),
    ),
    ("attack", "reuters", "conv_ae"): _attack(
        (75.3, 74.3, 74.7, 73.9), (70.6, 69.2, 69.1, 68.2),
        (50.0, 49.2, 50.2, 51.2), (44.5, 44.8, 45.7, 44.8), (3.13, 2.75, 2.83, 2.12),
    ),
    ("attack", "reuters", "conv_ae_mie"): _attack(
        (74.2, 73.7, 76.3, 74.2), (68.3, 67.5, 69.3, 67.7),
        (49.2, 48.5, 50.8, 49.1), (42.1, 41.7, 43.2, 42.5), (2.57, 2.35, 2.17, 2.15),
    ),
    ("attack", "reuters", "conv_ae_graph"): _attack(
        (80.8, 80.4, 79.5, 80.9), (72.0, 71.9, 71.8, 72.1),
        (57.8, 57.4, 56.7, 58.4), (39.6, 40.1, 39.4, 39.4), (3.15, 3.03, 2.87, 2.74),
    ),
    ("defense", "stl10", "alrdc"): _attack(
        (87.4, 85.2, 84.8, 85.1), (87.6, 85.0, 84.3, 84.9),
        (86.5, 85.4, 85.1, 84.2), (86.3, 85.9, 85.6, 84.0), None,
    ),
    ("defense", "stl10", "alrdc_mie"): _attack(
        (89.5, 90.2, 90.7, 89.9), (89.2, 90.3, 90.1, 89.5),
        (87.2, 86.6, 86.2, 85.8), (87.0, 86.9, 86.0, 85.3), None,
    ),
    ("defense", "stl10", "alrdc_graph"): _attack(
        (94.7, 95.1, 94.5, 95.2), (94.5, 94.8, 94.3, 94.9),
        (89.5, 89.7, 88.2, 88.5), (89.2, 88.7, 88.1, 88.3), None,
    ),
    ("defense", "reuters", "alrdc"): _attack(
        (77.6, 76.8, 78.3, 77.6), (77.5, 76.5, 78.5, 77.3),
        (53.2, 52.9, 53.1, 52.8), (53.1, 52.7, 53.9, 52.2), None,
    ),
    ("defense", "reuters", "alrdc_mie"): _attack(
        (75.5, 76.1, 76.3, 75.7), (75.4, 75.7, 76.2, 75.9),
        (50.3, 51.2, 50.8, 49.7), (50.2, 51.0, 50.9, 49.6), None,
    ),
    ("defense", "reuters", "alrdc_graph"): _attack(
        (82.3, 83.1, 83.3, 82.7), (82.3, 83.2, 83.1, 82.8),
        (58.9, 57.4, 58.3, 58.0), (58.2, 58.1, 57.9, 57.5), None,
    ),
    ("reattack", "stl10", "alrdc"): _again(
        (82.1, 79.5, 81.7, 81.5), (84.3, 80.7, 80.9, 81.2), (4.13, 3.75, 2.53, 2.37)
    ),
    ("reattack", "stl10", "alrdc_mie"): _again(
        (85.2, 85.1, 84.7, 84.5), (83.7, 83.8, 83.4, 83.7), (3.66, 2.56, 2.04, 2.17)
    ),
    ("reattack", "stl10", "alrdc_graph"): _again(
        (90.5, 90.4, 89.7, 89.3), (86.7, 86.5, 87.1, 87.5), (7.01, 6.57, 6.32, 5.92)
    ),
    ("reattack", "reuters", "alrdc"): _again(
        (73.5, 74.8, 73.7, 74.1), (48.7, 48.9, 47.6, 48.2), (4.25, 4.32, 3.87, 3.57)
    ),
    ("reattack", "reuters", "alrdc_mie"): _again(
        (71.2, 70.4, 70.5, 71.2), (51.2, 50.5, 50.8, 51.4), (3.17, 2.89, 2.57, 2.30)
    ),
    ("reattack", "reuters", "alrdc_graph"): _again(
        (75.7, 74.8, 75.2, 74.7), (50.2, 49.8, 50.6, 48.9), (4.23, 4.12, 3.89, 3.19)
    ),
}  # fmt: skip
