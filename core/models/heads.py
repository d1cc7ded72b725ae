"""From the consensus to the probabilities of clusters."""

from torch import Tensor, nn

HIDDEN_WIDTH = 100  # Table 4


class DdcHead(nn.Module):
    """The DDC module of Table 4: Dense(100), ReLU, BatchNorm = hidden; Dense(K), softmax = probs."""

    def __init__(self, n_inputs: int, n_clusters: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(n_inputs, HIDDEN_WIDTH), nn.ReLU(), nn.BatchNorm1d(HIDDEN_WIDTH))
        self.logits = nn.Linear(HIDDEN_WIDTH, n_clusters)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) to hidden (N, 100) and probs (N, K)."""
        hidden = self.hidden(fused)
        return hidden, self.logits(hidden).softmax(dim=1)
