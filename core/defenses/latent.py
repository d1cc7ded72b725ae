"""ALRDC's defense: perturbed latents and clean outputs are made to tell of each other (Yang et al., NeurIPS 2020)."""

import torch
from torch import Tensor, nn

from core.losses.latent import discrimination
from core.models.base import LatentModel
from core.training import Loss
from core.types import LossTerms, Views


def alrdc(model: LatentModel, *, network: nn.Module, discriminator: nn.Module, information_weight: float) -> Loss:
    """The model's loss, plus α times the two discriminations of its latents and outputs.

    ``network`` says δ (B, D) of the views and stays as it is. One ``discriminator`` judges both pairs: the perturbed
    latent with the clean outputs, the clean latent with the perturbed ones; it and the model minimise the same.
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        with torch.no_grad():
            delta = network(views)
        encoding = model.encode(views)
        losses = dict(model.loss_terms(views, encoding, generator))
        noise = model.draw(encoding, generator)
        latents = (encoding.fused + delta, encoding.fused)
        outputs = (_outputs(model, encoding.fused, noise), _outputs(model, encoding.fused + delta, noise))
        for name, latent, output in zip(("perturbed_latent", "clean_latent"), latents, outputs, strict=True):
            order = torch.randperm(len(delta), generator=generator, device=generator.device).to(delta.device)
            joint, product = (discriminator(torch.cat([latent, row], dim=1)) for row in (output, output[order]))
            losses[name] = information_weight * discrimination(joint[:, 0], product[:, 0])
        return losses

    return terms


def _outputs(model: LatentModel, latent: Tensor, noise: Tensor) -> Tensor:
    """The decoded pictures and the assignment of latents (B, D), in one row each."""
    pictures = [view.flatten(1) for view in model.decode(latent + noise)]
    return torch.cat([*pictures, model.assign(latent)], dim=1)
