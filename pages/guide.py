"""Guide: the ideas in two depths, each bound to a live control; glossary, sources, and the script of a lecture."""

from pages.ui import address, errors, guide_view, shell

shell.enter()
with errors.shown("page"), guide_view.frame():
    topic = guide_view.pick()
    address.show_notices(topic)
    guide_view.show(topic)
