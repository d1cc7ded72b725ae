"""Latent: ALRDC, an attack on the latent of a clustering network, its defense and the re-attack."""

from pages.ui import errors, latent_view, presenter, shell

shell.enter()
with errors.shown("page"):
    latent_view.introduce()
    with presenter.controls():
        chosen = latent_view.pick()
    if chosen is not None:
        latent_view.show(chosen)
