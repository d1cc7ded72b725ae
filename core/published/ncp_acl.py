"""What NCP-ACL's paper prints (Anonymous, submitted to ICLR 2025): Tables 2, 3 and 5 and the chosen K, in percent.

SA clean accuracy, RA after PGD-20, AA after AutoAttack, at ε = 8/255; ResNet-18, means of five seeds without a spread.
Rows of AdvCL and DeACL on CIFAR are copied from their papers. Of Tables 1 and 4 the numbers are not known to us.
"""

Triple = tuple[float, float, float]  # SA, RA, AA

DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "stl10": "STL-10"}
TABLE_2: dict[str, dict[str, Triple]] = {
    "advcl": {"cifar10": (80.85, 50.45, 42.57), "cifar100": (48.34, 27.67, 19.78)},
    "deacl": {"cifar10": (80.17, 53.95, 45.31), "cifar100": (52.79, 30.74, 20.34), "stl10": (80.87, 65.86, 58.50)},
    "dynacl": {"cifar10": (75.38, 48.48, 45.56), "cifar100": (45.85, 22.76, 19.43), "stl10": (69.61, 48.76, 47.17)},
    "dynacl_plus": {
        "cifar10": (79.79, 49.37, 47.05),
        "cifar100": (53.93, 21.97, 19.71),
        "stl10": (70.97, 49.91, 47.80),
    },
    "dynacl_air": {
        "cifar10": (81.86, 49.01, 47.12),
        "cifar100": (53.90, 23.20, 20.69),
        "stl10": (71.36, 50.23, 48.42),
    },
    "ncp_acl": {"cifar10": (82.02, 54.06, 49.22), "cifar100": (51.00, 32.01, 23.32), "stl10": (84.06, 68.11, 63.55)},
}
NAMES = {
    "advcl": "AdvCL",
    "deacl": "DeACL",
    "dynacl": "DYNACL",
    "dynacl_plus": "DYNACL++",
    "dynacl_air": "DYNACL-AIR++",
    "ncp_acl": "NCP-ACL",
}
TABLE_3: dict[str, Triple] = {  # CIFAR-10, adversarial linear fine-tuning
    "advcl": (80.00, 51.93, 44.65),
    "deacl": (78.81, 54.61, 46.09),
    "dynacl": (72.89, 49.66, 46.01),
    "dynacl_plus": (78.82, 51.18, 48.46),
    "dynacl_air": (79.59, 51.77, 48.66),
    "ncp_acl": (80.40, 54.61, 49.23),
}
TABLE_5: dict[int, dict[str, Triple]] = {  # by the rank of the neighbour; 2 as in Table 2
    2: TABLE_2["ncp_acl"],
    3: {"cifar10": (81.73, 54.41, 49.93), "cifar100": (51.06, 32.32, 23.64), "stl10": (83.50, 68.38, 64.25)},
    4: {"cifar10": (81.87, 53.91, 49.85), "cifar100": (51.16, 31.91, 23.63), "stl10": (83.47, 68.01, 63.67)},
    5: {"cifar10": (82.09, 54.11, 49.72), "cifar100": (51.14, 31.61, 23.41), "stl10": (83.17, 67.79, 63.39)},
}
CHOSEN_K = {"cifar10": (70, 60, 70, 90, 75), "cifar100": (150, 125, 130, 85, 110), "stl10": (210, 145, 155, 200, 175)}
PROOF = (25.7, 20.6)  # times as much as random noise, "up to": fall of the true class's probability, attack success
