"""Neighbours: NCP-ACL, samples pushed toward the cluster next to their own, and encoders that withstand it."""

from pages.ui import errors, neighbours_view, presenter, shell

shell.enter()
with errors.shown("page"):
    neighbours_view.introduce()
    with presenter.controls():
        chosen = neighbours_view.pick()
    if chosen is not None:
        neighbours_view.show(chosen)
