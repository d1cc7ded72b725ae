"""Your data: draw or upload pictures, see the clusters they fall into and what is near, attack them."""

from pages.ui import address, errors, own_input, shell, your_data_view

chosen = shell.target()
if chosen is not None:
    bringing, attacking, answering = your_data_view.places()
    with attacking, errors.shown("page"):
        attack, run_slot = your_data_view.pick(chosen)
        with bringing, errors.shown("page"):
            own_input.bring(chosen, attack.seed)
        spec = your_data_view.sweep_of(attack)
        with run_slot:
            your_data_view.run_button(spec)
        with answering, errors.shown("page"):
            address.show_notices(attack.digest)
            your_data_view.show(spec, chosen)
