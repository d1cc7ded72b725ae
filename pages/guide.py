"""Guide: the ideas in two depths, each bound to a live control; glossary, sources, and the script of a lecture."""

from pages.ui import errors, guide_view, shell

shell.enter()
with errors.shown("page"), guide_view.frame():
    guide_view.show(guide_view.pick())
