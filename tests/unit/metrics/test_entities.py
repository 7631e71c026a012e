"""Entities: every form of input, spans, errors, matchings, and what is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from evenweave import Ragged
from evenweave.errors import ArgumentError, DataError
from evenweave.metrics import entity_errors, entity_scores, load
from evenweave.metrics.entities_errors import EntityError

NAMES = ["O", "B-PER", "I-PER", "B-LOC"]
GOLD = [["B-PER", "I-PER", "O"], [], ["B-LOC"]]
PREDICTED = [["B-PER", "O", "O"], [], ["B-LOC"]]
EXPECTED = entity_scores(PREDICTED, GOLD)


def ids(rows):
    return [[NAMES.index(tag) for tag in row] for row in rows]


def padded(rows, fill):
    return np.array([[*row, *[fill] * (3 - len(row))] for row in ids(rows)])


FORMS = {
    "tuples": (tuple(map(tuple, PREDICTED)), tuple(map(tuple, GOLD))),
    "generators": ((row for row in PREDICTED), iter(GOLD)),
    "numpy strings": ([np.array(r) for r in PREDICTED], [np.array(r) for r in GOLD]),
    "Arrow strings": (pa.array(PREDICTED), pa.array(GOLD, pa.large_list(pa.large_string()))),
    "Arrow slices": (pa.array([["X"], *PREDICTED])[1:], pa.array([["O", "O"], *GOLD])[1:]),
    "Arrow chunks": (pa.chunked_array([pa.array(PREDICTED[:1]), pa.array(PREDICTED[1:])]), GOLD),
    "Arrow dictionary": (
        pa.array(PREDICTED, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.array(GOLD, pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    ),
    "Ragged": (Ragged.from_rows(ids(PREDICTED)), Ragged.from_rows(ids(GOLD), dtype=np.int8)),
    "lists of ids": (ids(PREDICTED), ids(GOLD)),
    "arrays of ids": (
        [np.array(r, dtype=np.int32) for r in ids(PREDICTED)],
        [np.array(r, dtype=int) for r in ids(GOLD)],
    ),
    "padded arrays": (padded(PREDICTED, 3), padded(GOLD, -100)),
    "Arrow ids": (pa.array(ids(PREDICTED)), pa.array(ids(GOLD), pa.list_(pa.int8()))),
    "ids and strings": (ids(PREDICTED), GOLD),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_tags_gives_the_same_scores(form):
    predictions, references = FORMS[form]
    names = NAMES if "ids" in form or form in ("Ragged", "padded arrays") else None
    assert (
        load("seqeval", label_names=names).compute(predictions=predictions, references=references) == EXPECTED
    )


def test_a_tensor_is_an_array():
    torch = pytest.importorskip("torch")
    predictions, references = torch.tensor(padded(PREDICTED, 0)), torch.tensor(padded(GOLD, -100))
    assert (
        load("seqeval", label_names=NAMES).compute(predictions=predictions, references=references) == EXPECTED
    )


def test_a_tag_may_hold_a_line_break():
    rows = [["B-a\nb", "O"], ["B-a", "b"]]
    found = entity_scores(rows, rows)
    assert found["a\nb"]["number"] == 1
    assert found["overall_f1"] == 1.0


@pytest.mark.parametrize(
    ("predictions", "references", "settings", "message"),
    [
        ([["O"]], [["O", "O"]], {}, "row 0, column 'predictions': 1 tags for the 2 of the reference"),
        ([["O"]], [["O"], ["O"]], {}, "references: 2 rows for 1 predictions"),
        ([["O"]], None, {}, "references: none given"),
        ([["O", None]], [["O", "O"]], {}, "row 0, column 'predictions': None among tags as strings"),
        (["O"], ["O"], {}, "row 0, column 'references': 'O' is not a row of tags"),
        ([3], [3], {}, "row 0, column 'references': 3 is not a row of tags"),
        ([[0]], [[0]], {}, "references: label ids; give label_names"),
        ([[0, 9]], [[0, 0]], {"label_names": NAMES}, "row 0, column 'predictions': id 9 at place 1"),
        ([[], [0, 0]], [[], [0, -1]], {"label_names": NAMES}, "row 1, column .references.: id -1 at place 1"),
        ([[0.5]], [[0]], {"label_names": NAMES}, "holds float64, not label ids; take the argmax"),
        (np.zeros((1, 2, 4)), np.zeros((1, 2), int), {"label_names": NAMES}, "column 'predictions'"),
        ([["B-X", ""]], [["B-X", "O"]], {}, "an empty tag"),
        ([["E-X"]], [["B-X"]], {"mode": "strict", "scheme": "IOB2"}, "tag 'E-X': not of scheme IOB2"),
        ([["B-X"]], [["NOUN"]], {"mode": "strict"}, "fit no one scheme"),
        ([["O"]], [["O"]], {"zero_division": 2}, "zero_division: 2"),
        ([["O"]], [["O"]], {"average": "samples"}, "average: 'samples'"),
        ([["O"]], [["O"]], {"mode": "loose"}, "mode: 'loose'"),
        (pa.array([[1.5]]), pa.array([[1]]), {"label_names": NAMES}, "column 'predictions'"),
        (pa.array([["O"], None]), pa.array([["O"], ["O"]]), {}, "null"),
        (pa.array([["O", None]]), pa.array([["O", "O"]]), {}, "null"),
        (pa.array(["O"]), pa.array(["O"]), {}, "not a list of tags"),
        ([[(2, 1, "X")]], [[(0, 1, "X")]], {}, "row 0, column 'predictions': .* not a row of spans"),
        ([[(0, 1, "X")]], [[{"start": 0}]], {}, "row 0, column 'references': .* not a row of spans"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_clear_line(predictions, references, settings, message):
    with pytest.raises((ArgumentError, DataError), match=message) as caught:
        load("seqeval", **settings).compute(predictions=predictions, references=references)
    assert "\n" not in str(caught.value)


def test_batches_recognised_as_two_schemes_do_not_add_up():
    metric = load("seqeval", mode="strict")
    metric.add_batch(predictions=[["B-X", "I-X"]], references=[["B-X", "I-X"]])
    metric.add_batch(predictions=[["S-X"]], references=[["S-X"]])
    with pytest.raises(DataError, match="IOB2 and IOBES; give scheme="):
        metric.compute()


def test_nothing_to_score_scores_zero():
    for empty in ([], [[]], [[], []]):
        found = load("seqeval").compute(predictions=empty, references=empty)
        assert found["overall_f1"] == found["overall_accuracy"] == 0.0
    assert load("seqeval", zero_division=1).compute(predictions=[], references=[])["overall_f1"] == 1.0


def test_spans_may_overlap_and_nest():
    gold = [[(0, 5, "ORG"), (1, 2, "LOC"), (1, 4, "ORG")], []]
    predicted = [[{"start": 0, "end": 5, "entity_group": "ORG"}, (1, 2, "ORG")], [(0, 1, "LOC")]]
    found = entity_scores(predicted, gold, confidence=0.9)
    assert found["ORG"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "number": 2}
    assert found["LOC"]["number"] == 1
    assert "overall_accuracy" not in found
    assert found["overall_precision"] == pytest.approx(1 / 3)
    assert entity_scores([[(0, 1, "X"), (0, 1, "X")]], [[(0, 1, "X")]])["overall_f1"] == 1.0


def test_semeval_matches_as_its_task_describes():
    # The drug examples of the task's evaluation guide, one kind of match each.
    gold = [[(0, 2, "drug"), (4, 6, "brand"), (8, 10, "group"), (12, 14, "drug"), (16, 18, "drug")]]
    predicted = [[(0, 2, "drug"), (4, 6, "drug"), (9, 10, "group"), (12, 13, "brand"), (20, 21, "drug")]]
    found = load("semeval").compute(predictions=predicted, references=gold)
    rights = {matching: scores["correct"] for matching, scores in found.items()}
    assert rights == {"strict": 1, "exact": 2, "partial": 2, "type": 2}
    assert found["partial"]["partial"] == 2
    assert found["partial"]["precision"] == pytest.approx((2 + 0.5 * 2) / 5)
    for scores in found.values():
        assert scores["missed"] == scores["spurious"] == 1
        assert scores["possible"] == scores["actual"] == 5
        assert scores["correct"] + scores["incorrect"] + scores["partial"] + scores["missed"] == 5


def test_errors_name_row_offsets_and_kind():
    gold = [["O"], ["B-PER", "I-PER", "O", "B-LOC", "O", "B-ORG", "I-ORG"]]
    predicted = [["B-LOC"], ["B-PER", "O", "O", "B-ORG", "O", "O", "B-PER"]]
    errors = entity_errors(predicted, gold)
    assert [str(error) for error in errors.instances] == [
        "row 0: false positive: nothing tagged as LOC 0-1",
        "row 1: wrong boundary: PER 0-2 tagged as PER 0-1",
        "row 1: wrong type: LOC 3-4 tagged as ORG 3-4",
        "row 1: wrong type and boundary: ORG 5-7 tagged as PER 6-7",
    ]
    assert isinstance(errors.instances[0], EntityError)
    assert (errors.gold, errors.predicted) == (3, 4)
    missed = entity_errors([[]], [[(3, 9, "X")]]).instances[0]
    assert (missed.kind, missed.gold, missed.predicted) == ("miss", (3, 9, "X"), None)


def test_an_overlap_goes_to_the_entity_it_covers_most():
    errors = entity_errors([[(0, 9, "X")]], [[(0, 3, "X"), (3, 9, "X")]])
    assert errors.counts["wrong boundary"] == errors.counts["miss"] == 1
    assert next(error for error in errors.instances if error.kind == "miss").gold == (0, 3, "X")
