"""The terms of robust contrastive learning: NCP-ACL and DeACL's cosines, and NT-Xent between any number of versions.

Shape letters: B samples, D dimensions. Rows are normalised inside. Weights are the caller's.
"""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, log_softmax, normalize


def likeness(first: Tensor, second: Tensor) -> Tensor:
    """The cosine of each pair of rows (B, D), (B,) in [-1, 1]; the paper's CosSim is minus this."""
    return cosine_similarity(first, second, dim=1)


def faithfulness(features: Tensor, taught: Tensor) -> Tensor:
    """-cos(f2(x), f1(x)) of features (B, D), batch mean: the first term of NCP-ACL's Eq. 3; >= -1."""
    return -likeness(features, taught).mean()


def steadiness(attacked: Tensor, clean: Tensor) -> Tensor:
    """-cos(f2(x_adv), f2(x)) of features (B, D), batch mean: the second term of Eq. 3 without λ; >= -1."""
    return -likeness(attacked, clean).mean()


def nt_xent_rows(*versions: Tensor, temperature: float) -> Tensor:
    """NT-Xent of each version of each sample as anchor, mean over its other versions, (versions · B,) in their order.

    ``versions`` are projections (B, D) of the same samples in the same order. -log of the share that a positive has
    among everything but the anchor itself: with two versions SimCLR's loss (Chen et al., ICML 2020; Eq. 1).
    """
    n_versions, n_samples = len(versions), len(versions[0])
    rows = normalize(torch.cat(versions), dim=1)
    scores = (rows @ rows.T / temperature).fill_diagonal_(-torch.inf)
    shares = log_softmax(scores, dim=1)
    places = torch.arange(len(rows), device=rows.device)
    others = [(places + k * n_samples) % len(rows) for k in range(1, n_versions)]
    return -torch.stack([shares[places, other] for other in others]).mean(dim=0)


def nt_xent(*versions: Tensor, temperature: float) -> Tensor:
    """The mean of :func:`nt_xent_rows`."""
    return nt_xent_rows(*versions, temperature=temperature).mean()


def high_frequencies(pictures: Tensor, radius: float) -> Tensor:
    """Pictures (B, C, H, W) without the frequencies within ``radius`` of zero, AdvCL's third version of a sample."""
    height, width = pictures.shape[2:]
    spectrum = torch.fft.fftshift(torch.fft.fft2(pictures), dim=(2, 3))
    rows = torch.arange(height, device=pictures.device) - height // 2
    columns = torch.arange(width, device=pictures.device) - width // 2
    kept = (rows[:, None].square() + columns.square()).sqrt() > radius
    filtered: Tensor = torch.fft.ifft2(torch.fft.ifftshift(spectrum * kept, dim=(2, 3))).real
    return filtered
