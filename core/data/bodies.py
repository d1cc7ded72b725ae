"""Walking people drawn part by part: a jointed body seen from a turning angle, dressed.

A body stands in its own frame (sideways, up, forward), in units of its height; a pose projects it to pixels.
"""

from dataclasses import dataclass

import numpy as np

from core.data.canvas import Canvas, Material, Numbers

# Heights of the joints and half-widths of the parts, as shares of body height (common figure-drawing proportions).
NECK, HEAD, SHOULDER, HIP = 0.855, 0.925, 0.815, 0.485
HEAD_WIDTH, SHOULDER_WIDTH, HIP_WIDTH = 0.066, 0.125, 0.096
ARM, FOREARM, FOOT = 0.165, 0.150, 0.060
UPPER_ARM_WIDTH, WRIST_WIDTH, THIGH_WIDTH, ANKLE_WIDTH = 0.040, 0.028, 0.068, 0.036

Dress = dict[str, Numbers]  # by attribute: (N,) or (N, 3), one row a picture


@dataclass(frozen=True)
class Pose:
    """How each of N people stands, (N,) each."""

    phase: Numbers  # of the step, radians
    stride: Numbers  # largest swing of the thigh, radians
    turn: Numbers  # away from the camera, radians, 0 faces it
    lean: Numbers  # sideways shift of the head, pixels
    foot: Numbers  # (N, 2), the point between the feet, pixels
    size: Numbers  # pixels a unit of body height

    def project(self, sideways: Numbers | float, up: Numbers | float, forward: Numbers | float) -> Numbers:
        """Body coordinates, each (N,) or a number, to pixels (N, 2)."""
        across = sideways * np.cos(self.turn) + forward * np.sin(self.turn)
        x = self.foot[:, 0] + self.size * across + self.lean * up
        y = self.foot[:, 1] - self.size * up + 0.12 * self.size * forward * np.cos(self.turn)
        return np.stack([x, np.broadcast_to(y, x.shape)], axis=1).astype(np.float32)


def draw(canvas: Canvas, pose: Pose, dress: Dress) -> None:
    """Paint the dressed bodies in ``pose`` over the canvas, from the far side to the near side."""
    near = np.where(np.sin(pose.turn) >= 0, -1.0, 1.0).astype(np.float32)  # the side of the body we see first
    _shadow(canvas, pose)
    _hair_behind(canvas, pose, dress)
    _arm(canvas, pose, dress, -near)
    _backpack(canvas, pose, dress)
    _leg(canvas, pose, dress, -near)
    _leg(canvas, pose, dress, near)
    _torso(canvas, pose, dress)
    _head(canvas, pose, dress)
    _arm(canvas, pose, dress, near)
    _shoulder_bag(canvas, pose, dress)


def _shadow(canvas: Canvas, pose: Pose) -> None:
    dark = Material(np.zeros((len(pose.size), 3), np.float32), canvas.thermal[:, -1].mean(axis=1), 0.32)
    left, right = (pose.foot + np.array([shift, 0.5], np.float32) for shift in (-4.5, 4.5))
    canvas.capsule(left, right, (pose.size * 0.035, pose.size * 0.035), dark)


def _leg(canvas: Canvas, pose: Pose, dress: Dress, side: Numbers) -> None:
    step = pose.phase + np.where(side > 0, 0, np.pi)
    thigh = pose.stride * np.sin(step)
    shin = thigh - 1.3 * pose.stride * np.clip(np.cos(step), 0, None)
    hip = dress["legs"] * HIP
    length = hip * 0.5
    sideways = side * dress["bulk"] * HIP_WIDTH * 0.56
    knee_up, knee_forward = hip - length * np.cos(thigh), length * np.sin(thigh)
    ankle_up = np.maximum(knee_up - length * np.cos(shin), 0.015) + 0.02
    ankle_forward = knee_forward + length * np.sin(shin)
    top = pose.project(sideways, hip, 0.0)
    knee = pose.project(sideways, knee_up, knee_forward)
    ankle = pose.project(sideways, ankle_up, ankle_forward)
    toe = pose.project(sideways, ankle_up - 0.015, ankle_forward + FOOT)
    thick, thin = (pose.size * dress["bulk"] * width for width in (THIGH_WIDTH, ANKLE_WIDTH))
    middle = (thick + thin) / 2
    cloth, skin = _cloth(dress, "trousers", "leg_heat"), _skin(dress)
    canvas.capsule(knee, ankle, (middle * 0.86, thin * 0.86), skin)
    hem = knee + (ankle - knee) * dress["trouser_length"][:, None]
    canvas.capsule(knee, hem, (middle, thin), cloth._replace(opacity=_worn(dress["trouser_length"])))
    canvas.capsule(top, knee, (thick, middle), cloth)
    canvas.capsule(ankle, toe, (pose.size * 0.032, pose.size * 0.026), _cloth(dress, "shoes", "shoe_heat"))


def _arm(canvas: Canvas, pose: Pose, dress: Dress, side: Numbers) -> None:
    swing = -0.8 * pose.stride * np.sin(pose.phase + np.where(side > 0, 0, np.pi))
    bend = swing + 0.35
    sideways = side * dress["bulk"] * (SHOULDER_WIDTH - 0.022)
    elbow_up, elbow_forward = SHOULDER - 0.04 - ARM * np.cos(swing), ARM * np.sin(swing)
    shoulder = pose.project(sideways, SHOULDER - 0.04, 0.0)
    elbow = pose.project(sideways * 1.18, elbow_up, elbow_forward)
    wrist = pose.project(sideways * 1.20, elbow_up - FOREARM * np.cos(bend), elbow_forward + FOREARM * np.sin(bend))
    thick, thin = (pose.size * dress["bulk"] * width for width in (UPPER_ARM_WIDTH, WRIST_WIDTH))
    cloth, skin = _cloth(dress, "shirt", "sleeve_heat"), _skin(dress)
    canvas.capsule(elbow, wrist, (thick * 0.85, thin), skin)
    canvas.capsule(wrist, wrist, (thin * 1.15, thin * 1.15), skin)
    cuff = elbow + (wrist - elbow) * 0.85
    canvas.capsule(elbow, cuff, (thick, thin * 1.15), cloth._replace(opacity=dress["long_sleeves"]))
    canvas.capsule(shoulder, elbow, (thick * 1.1, thick), cloth)


def _torso(canvas: Canvas, pose: Pose, dress: Dress) -> None:
    narrow = 1 - 0.30 * np.abs(np.sin(pose.turn))  # a body is less deep than wide
    width = pose.size * dress["bulk"] * narrow
    hip = dress["legs"] * HIP
    neck, collar = pose.project(0.0, NECK + 0.02, 0.0), pose.project(0.0, SHOULDER - 0.01, 0.0)
    canvas.capsule(neck, collar, (pose.size * 0.034, pose.size * 0.038), _skin(dress))
    top, waist = pose.project(0.0, SHOULDER + 0.03, 0.0), pose.project(0.0, hip - 0.02, 0.0)
    shape = (width * SHOULDER_WIDTH, width * HIP_WIDTH)
    hem = pose.project(0.0, hip - dress["skirt"], 0.0)
    flare = width * (HIP_WIDTH + 0.24 * dress["skirt"])
    skirt = _cloth(dress, "trousers", "leg_heat")._replace(opacity=_worn(dress["skirt"]))
    canvas.trunk(waist - [0, 2], hem, (shape[1], flare), skirt)
    canvas.trunk(top, waist, shape, _cloth(dress, "shirt", "belly_heat"), rounded=0.26)
    middle = (top + waist) / 2
    chest = Material(dress["stripe"], dress["chest_heat"])
    canvas.trunk(top + (middle - top) * 0.45, middle, (shape[0] * 0.97, (shape[0] + shape[1]) / 2), chest)


def _head(canvas: Canvas, pose: Pose, dress: Dress) -> None:
    radius = pose.size * dress["head"] * HEAD_WIDTH
    crown = pose.project(0.0, HEAD + 0.012, -0.012)
    face = pose.project(0.0, HEAD - 0.014, 0.018)
    canvas.capsule(crown, crown, (radius * 1.04, radius * 1.04), _cloth(dress, "hair", "hair_heat"))
    canvas.capsule(face - [0, 0.4], face + [0, 1.0], (radius * 0.82, radius * 0.66), _skin(dress, warmer=0.06))
    brim = pose.project(0.0, HEAD + 0.030, 0.060)
    hat = _cloth(dress, "hat", "hat_heat")._replace(opacity=dress["has_hat"])
    top = pose.project(0.0, HEAD + 0.040, 0.0)
    canvas.capsule(top - [0.8, 0], top + [0.8, 0], (radius * 0.86, radius * 0.86), hat)
    canvas.capsule(pose.project(0.0, HEAD + 0.026, 0.0), brim, (radius * 0.5, radius * 0.3), hat)


def _hair_behind(canvas: Canvas, pose: Pose, dress: Dress) -> None:
    radius = pose.size * dress["head"] * HEAD_WIDTH
    hair = _cloth(dress, "hair", "hair_heat")._replace(opacity=dress["long_hair"])
    crown, tips = pose.project(0.0, HEAD, -0.015), pose.project(0.0, SHOULDER - 0.02, -0.035)
    canvas.capsule(crown, tips, (radius * 1.12, radius * 1.15), hair)


def _backpack(canvas: Canvas, pose: Pose, dress: Dress) -> None:
    pack = _cloth(dress, "bag", "bag_heat")._replace(opacity=dress["has_backpack"])
    top, bottom = (pose.project(0.0, up, -0.125) for up in (SHOULDER - 0.02, HIP + 0.10))
    width = pose.size * 0.085
    canvas.capsule(top, bottom, (width, width * 1.1), pack)


def _shoulder_bag(canvas: Canvas, pose: Pose, dress: Dress) -> None:
    bag = _cloth(dress, "bag", "bag_heat")
    side = dress["bulk"] * HIP_WIDTH * 1.35
    strap = (np.full_like(pose.size, 0.55), np.full_like(pose.size, 0.55))
    upper, lower = (pose.project(side, HIP - drop, 0.02) for drop in (0.01, 0.075))
    worn = bag._replace(opacity=dress["has_shoulder_bag"])
    canvas.capsule(pose.project(-side * 0.55, SHOULDER + 0.01, 0.03), upper, strap, worn)
    canvas.capsule(upper, lower, (pose.size * 0.050, pose.size * 0.062), worn)
    for shift in (-0.062, 0.062):
        over, under = (pose.project(shift, up, 0.02) for up in (SHOULDER + 0.015, SHOULDER - 0.14))
        canvas.capsule(over, under, strap, bag._replace(opacity=dress["has_backpack"]))


def _worn(length: Numbers) -> Numbers:
    return (length > 0).astype(np.float32)


def _skin(dress: Dress, warmer: float = 0.0) -> Material:
    return Material(dress["skin"], dress["skin_heat"] + warmer)


def _cloth(dress: Dress, colour: str, heat: str) -> Material:
    return Material(dress[colour], dress[heat])
