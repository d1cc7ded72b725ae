"""What the stored results say of the paper, in sentences: every number in them is looked up, none is typed.

A finding whose results are not there is left out, so that the page says less, never something else.
"""

from core.findings import attacks, table_1, trials
from core.findings.evidence import Evidence as Evidence


def findings(evidence: Evidence) -> dict[str, list[str]]:
    """Sentences by chapter, in Markdown; chapters without any are left out."""
    chapters = {
        "Before the attack": (table_1.before, table_1.other_seeds, table_1.seeds),
        "After the attack": (table_1.after, table_1.contradictions, table_1.noise),
        "The defenses under attacks that the paper does not run": (
            attacks.defended,
            attacks.own_objective,
            attacks.strongest,
        ),
        "What an attack needs": (attacks.terms, attacks.views, attacks.travel),
        "What the defense needs": (trials.mitigator, trials.inner, trials.weights),
        "The released protocol": (trials.released, trials.luck, trials.longer),
        "The protocol as printed": (trials.printed,),
    }
    made = {title: [text for make in makers for text in make(evidence)] for title, makers in chapters.items()}
    return {title: texts for title, texts in made.items() if texts}
