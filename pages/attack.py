"""Attack: choose a data set, a model and an attack; watch pictures, map and clusters change with ε."""

from pages.ui import address, errors, jobs_bar, pickers, presenter, shell, sweep_view, tour

chosen = shell.target()
if chosen is not None:
    with errors.shown("page"):
        with presenter.controls():
            spec, method, run_slot = pickers.sweep(chosen)
        address.show_notices(spec.digest)
        jobs_bar.run_if_linked(spec)
        with run_slot:
            jobs_bar.run_button(spec)
        sweep_view.show(spec, chosen, method)
        tour.show()
