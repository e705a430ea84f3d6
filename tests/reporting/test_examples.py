import numpy as np

from wbc_jax.reporting.examples import choose_examples


def _predictions(answers: list[int], confidences: list[float]) -> np.ndarray:
    """Rows of three classes: `confidence` on the answer, the rest shared by the two others."""
    rest = (1 - np.array(confidences)) / 2
    probabilities = np.repeat(rest[:, None], 3, axis=1)
    probabilities[np.arange(len(answers)), answers] = confidences
    return probabilities


def test_the_most_confident_mistakes_come_first_and_right_ones_are_spread():
    labels = np.zeros(12, int)
    answers = [0, 1, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0]
    confidences = [0.99, 0.6, 0.99, 0.99, 0.9, 0.99, 0.99, 0.7, 0.99, 0.99, 0.99, 0.99]
    chosen = choose_examples(labels, _predictions(answers, confidences), 6)
    # Wrong are 4 (0.9), 7 (0.7), 1 (0.6); of the nine right ones the middles of three thirds.
    assert chosen.tolist() == [4, 7, 1, 2, 6, 10]


def test_mistakes_take_half_of_the_places_at_most():
    labels = np.zeros(20, int)
    answers = [1] * 10 + [0] * 10
    confidences = list(np.linspace(0.5, 0.95, 10)) + [0.9] * 10
    chosen = choose_examples(labels, _predictions(answers, confidences), 6)
    assert chosen[:3].tolist() == [9, 8, 7]
    assert all(index >= 10 for index in chosen[3:])


def test_mistakes_fill_up_where_right_answers_are_few():
    labels = np.zeros(6, int)
    answers, confidences = [1, 1, 1, 1, 1, 0], [0.5, 0.6, 0.7, 0.8, 0.9, 0.9]
    chosen = choose_examples(labels, _predictions(answers, confidences), 6)
    assert chosen.tolist() == [4, 3, 2, 1, 0, 5]


def test_fewer_images_than_places_are_each_shown_once():
    labels = np.array([0, 1, 2])
    chosen = choose_examples(labels, _predictions([0, 1, 1], [0.8, 0.8, 0.8]), 24)
    assert sorted(chosen.tolist()) == [0, 1, 2]
    assert chosen[0] == 2


def test_equally_confident_mistakes_keep_the_order_of_the_test_set():
    labels = np.zeros(4, int)
    chosen = choose_examples(labels, _predictions([1, 2, 1, 2], [0.7] * 4), 3)
    assert chosen.tolist() == [0, 1, 2]
