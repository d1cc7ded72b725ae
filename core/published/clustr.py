"""ClusTR's Tables 1 and 2 as printed (Alfarra et al., BMVC 2021), in percent; and what others measured."""

from dataclasses import dataclass

PAPER = "ClusTR (Alfarra et al., BMVC 2021)"
ROWS = {  # model of this lab -> the row's name; where the numbers come from
    "nominal": ("Nominal training", "another paper's, a wider network (WRN-32-10)"),
    "free_at": ("Free AT", "another paper's, a wider network (WRN-32-10)"),
    "at": ("AT + pre-training", "another paper's, WRN-28-10 with ImageNet"),
    "trades": ("TRADES", "another paper's, a wider network (WRN-34-10)"),
    "magnet": ("Magnet loss", "the paper's own ResNet-18"),
    "clustr": ("ClusTR", "the paper's own ResNet-18"),
    "qtrades": ("QTRADES", "the paper's own ResNet-18"),
    "clustr_qtrades": ("ClusTR + QTRADES", "the paper's own ResNet-18"),
}


@dataclass(frozen=True)
class Printed:
    """Accuracy in percent: clean, under PGD-20 and PGD-100 at ε = 8/255."""

    clean: float
    pgd_20: float
    pgd_100: float


PRINTED = {  # data set, model
    ("CIFAR-10", "nominal"): Printed(95.01, 0.00, 0.00),
    ("CIFAR-10", "free_at"): Printed(85.96, 46.33, 46.19),
    ("CIFAR-10", "at"): Printed(87.30, 57.40, 57.20),
    ("CIFAR-10", "trades"): Printed(84.92, 56.61, 56.43),
    ("CIFAR-10", "magnet"): Printed(83.14, 23.71, 22.54),
    ("CIFAR-10", "clustr"): Printed(87.34, 49.04, 47.76),
    ("CIFAR-10", "qtrades"): Printed(81.07, 44.18, 43.42),
    ("CIFAR-10", "clustr_qtrades"): Printed(91.03, 74.44, 74.04),
    ("SVHN", "nominal"): Printed(98.38, 0.00, 0.00),
    ("SVHN", "free_at"): Printed(86.98, 46.52, 46.06),
    ("SVHN", "at"): Printed(85.12, 47.18, 46.72),
    ("SVHN", "trades"): Printed(91.63, 57.45, 55.28),
    ("SVHN", "magnet"): Printed(91.95, 40.73, 38.59),
    ("SVHN", "clustr"): Printed(94.28, 50.78, 50.77),
    ("SVHN", "qtrades"): Printed(86.36, 43.05, 42.24),
    ("SVHN", "clustr_qtrades"): Printed(95.06, 84.76, 84.75),
    ("CIFAR-100", "nominal"): Printed(78.84, 0.00, 0.00),
    ("CIFAR-100", "free_at"): Printed(62.13, 25.88, 25.58),
    ("CIFAR-100", "at"): Printed(59.23, 34.22, 33.91),
    ("CIFAR-100", "trades"): Printed(55.36, 28.11, 27.96),
    ("CIFAR-100", "clustr_qtrades"): Printed(69.25, 52.47, 52.40),
}
ADAPTIVE = {"CIFAR-10": 66.52, "SVHN": 78.79}  # ClusTR + QTRADES when the Magnet loss is maximised, 100 steps
ROBUSTBENCH = (91.03, 74.04, 0.00)  # its listing of ClusTR + QTRADES on CIFAR-10: clean, reported, AutoAttack
