"""k-means by scikit-learn, for tensors."""

import torch
from sklearn.cluster import KMeans
from torch import Tensor

RESTARTS = 10


def kmeans(rows: Tensor, n_clusters: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Centroids (K, D) and, on the CPU, the cluster of each row (N,) of rows (N, D); the best of ten starts."""
    fitted = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(rows.detach().cpu().numpy())
    centroids = torch.from_numpy(fitted.cluster_centers_).to(rows)
    return centroids, torch.from_numpy(fitted.labels_).to(torch.int64)
