"""Certify: ClusTR, a classifier by nearest centres, its certificate and what is left of its robustness."""

from pages.ui import certify_view, errors, presenter, shell

shell.enter()
with errors.shown("page"):
    certify_view.introduce()
    with presenter.controls():
        chosen = certify_view.pick()
    certify_view.show_plane(chosen)
    certify_view.show_rule()
    certify_view.show_table(chosen)
