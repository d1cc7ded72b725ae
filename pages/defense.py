"""Defense: the same attack on an undefended model and on its defenses, side by side on one ε scrubber."""

from pages.ui import address, defense_view, errors, pickers, presenter, shell

chosen = shell.target()
if chosen is not None:
    with errors.shown("page"):
        if defense_view.has_defenses(chosen):
            with presenter.controls():
                spec, method, run_slot = pickers.sweep(chosen, defense_view.attacks(chosen))
            address.show_notices(spec.digest)
            lines = defense_view.lineup(spec)
            defense_view.run_if_linked(lines)
            with run_slot:
                defense_view.run_button(lines)
            defense_view.show(lines, spec, chosen, method)
        else:
            defense_view.show_elsewhere(chosen)
