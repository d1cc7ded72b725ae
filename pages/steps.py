"""Steps: follow one sample, or a few, through the iterations of PGD; see where it crosses into another cluster."""

from pages.ui import address, errors, presenter, shell, steps_view

chosen = shell.target()
if chosen is not None:
    with errors.shown("page"):
        with presenter.controls():
            spec, method = steps_view.pick(chosen)
        address.show_notices(spec.digest)
        steps_view.show(spec, chosen, method)
