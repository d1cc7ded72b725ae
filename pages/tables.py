"""Tables: the tables and figures of the paper with ours beside them; what is not computed says so, and can be."""

from pages.ui import address, cache, errors, shell, tables_figures, tables_studies, tables_view

STUDIES = {
    "weights": tables_studies.weights,
    "ablations": tables_studies.ablations,
    "transfer": tables_studies.transfer,
}

shell.enter()
with errors.shown("page"):
    tab = tables_view.pick_tab()
    if tab in tables_view.TABLES:
        choice = tables_view.pick(tab)
        address.show_notices(repr(choice))
        tables_view.show(choice)
    elif tab == "confusion":
        protocol = tables_view.pick_protocol({card.protocol for card in cache.cards()})
        dataset = tables_figures.pick_dataset()
        address.show_notices(f"{protocol} {dataset}")
        tables_figures.show(protocol, dataset)
    else:
        dataset = tables_figures.pick_dataset(tables_studies.usual(tab))
        address.show_notices(f"{tab} {dataset}")
        STUDIES[tab](dataset)
