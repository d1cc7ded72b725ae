import numpy as np
import pytest

from core.errors import LabError
from core.figures.matching import matching
from core.lessons import CASES, matching_lesson


@pytest.mark.parametrize("case", CASES)
def test_a_lesson_has_sixty_samples_and_its_figure_shows_all_of_them_twice(case):
    lesson = matching_lesson(case)
    figure = matching(lesson)
    assert [int(np.sum(trace.z)) for trace in figure.data] == [60, 60]
    assert len(figure.layout.shapes) == 6
    assert f"ACC {lesson.frozen_scores.accuracy:.2f}" in figure.layout.annotations[0].text


def test_both_matchings_agree_on_clean_clusters():
    lesson = matching_lesson("clean")
    assert lesson.frozen_scores == lesson.rematched_scores
    assert lesson.frozen_scores.accuracy > 0.9


def test_swapped_clusters_are_wrong_when_frozen_and_right_when_rematched():
    lesson = matching_lesson("swapped")
    assert lesson.frozen_scores.accuracy == pytest.approx(19 / 60)
    assert lesson.rematched_scores.accuracy == pytest.approx(58 / 60)
    assert lesson.frozen_scores.nmi == lesson.rematched_scores.nmi > 0.8


def test_scattered_samples_are_at_chance_and_rematched_a_little_above():
    lesson = matching_lesson("scattered")
    assert abs(lesson.rematched_scores.ari) < 0.05
    assert 1 / 3 <= lesson.frozen_scores.accuracy <= lesson.rematched_scores.accuracy < 0.4


def test_a_case_that_is_none_is_refused_with_what_there_is():
    with pytest.raises(LabError, match="swapped"):
        matching_lesson("lost")
