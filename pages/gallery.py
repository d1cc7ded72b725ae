"""Gallery: the pictures of every model of a data set before and after an attack, as in Appendix A.7 of the paper."""

from pages.ui import address, errors, gallery_view, shell

chosen = shell.target()
if chosen is not None:
    with errors.shown("page"):
        lines, look, run_slot = gallery_view.pick(chosen)
        address.show_notices(gallery_view.state(lines))
        gallery_view.start_first(lines)
        with run_slot:
            gallery_view.buttons(lines, look, chosen)
        gallery_view.show(lines, look, chosen)
