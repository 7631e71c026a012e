"""Entities: every form of input, spans, errors, matchings, and what is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@given(st.data(), st.sampled_from([-100, -1, 0, 1, 3]), st.booleans())
@settings(max_examples=150)
def test_ids_that_are_left_out_count_as_if_they_were_not_there(data, ignored, outside):
    names = ["O", "B-PER", "I-PER", "B-LOC"] if outside else ["I-LOC", "B-PER", "I-PER", "B-LOC"]
    lengths = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=6))
    draw = st.sampled_from(sorted({0, 1, 2, 3, ignored}))
    gold = [[data.draw(draw) for _ in range(length)] for length in lengths]
    predicted = [
        [ignored if tag == ignored and ignored < 0 else data.draw(st.integers(0, 3)) for tag in row]
        for row in gold
    ]
    metric = load("seqeval", label_names=names, ignore_index=ignored)
    found = metric.compute(predictions=predicted, references=gold)
    sides = [
        [
            [names[tag] for tag, other in zip(row, right, strict=True) if other != ignored]
            for row, right in zip(side, gold, strict=True)
        ]
        for side in (predicted, gold)
    ]
    assert found == load("seqeval").compute(predictions=sides[0], references=sides[1])
    for row, right in zip(predicted, gold, strict=True):
        metric.add(prediction=row, reference=right)
    assert metric.compute() == found
    assert metric.signature == load("seqeval").signature.replace(
        "|version", f"|ignore:{ignored}|version" if ignored != -100 else "|version"
    )


def test_ids_of_no_tag_are_found_where_there_is_no_outside_tag_either():
    with pytest.raises(DataError, match="row 0, column 'references': id -1 at place 1"):
        entity_scores([[0, -1]], [[0, -1]], label_names=["B-X", "I-X"])


def test_strings_have_no_ids_to_be_left_out():
    rows = [["B-PER", "O", "O"]]
    for ignored in (-1, 0, 1):
        assert entity_scores(rows, rows, ignore_index=ignored)["PER"]["number"] == 1
        assert entity_errors(rows, rows, ignore_index=ignored).gold == 1


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_view(pa.string()),
        pa.large_list_view(pa.string()),
        pa.list_(pa.string(), 2),
        pa.list_(pa.string_view()),
        pa.list_view(pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_every_arrow_list_is_read(kind):
    rows = [["B-X", "O"], ["O", "B-Y"], ["B-X", "B-X"]]
    other = [["B-X", "O"], ["O", "O"], ["B-X", "B-Y"]]
    expected = entity_scores(other, rows)
    words = pa.list_view(kind.value_type) if pa.types.is_dictionary(kind.value_type) else None
    plain = [pa.array(side, kind if words is None else pa.list_(kind.value_type)) for side in (other, rows)]
    if words is not None:
        plain = [pa.ListViewArray.from_arrays(a.offsets[:-1], [2, 2, 2], a.values) for a in plain]
    assert entity_scores(*plain) == expected
    assert entity_scores(plain[0][1:], plain[1][1:]) == entity_scores(other[1:], rows[1:])


def test_arrow_nulls_are_said_by_row():
    for kind in (pa.string(), pa.dictionary(pa.int8(), pa.string()), pa.int32()):
        tag = 1 if kind == pa.int32() else "O"
        column = pa.array([[tag, tag], [tag, tag], [tag, None]], pa.list_(kind))
        with pytest.raises(DataError, match="row 2, column 'predictions': holds a null"):
            entity_scores(column, pa.array([[tag, tag]] * 3, pa.list_(kind)), label_names=["O", "B-X"])


def test_label_names_in_every_form_a_model_has_them():
    expected = entity_scores(ids(PREDICTED), ids(GOLD), label_names=NAMES)
    forms = [
        tuple(NAMES),
        np.array(NAMES),
        pa.array(NAMES),
        dict(enumerate(NAMES)),
        {str(index): name for index, name in enumerate(NAMES)},
        {name: index for index, name in reversed(list(enumerate(NAMES)))},
    ]
    for form in forms:
        assert entity_scores(ids(PREDICTED), ids(GOLD), label_names=form) == expected
    wrong = [
        (3, "3;"),
        ("O", "'O' is one string"),
        (["O", 1], "1 at 1 is no string"),
        (["O", "B-X", "O"], "'O' stands there twice, at 0 and 2"),
        ({1: "B-X", 2: "I-X"}, "does not name the ids 0, 1, 2"),
        ({"O": 0, "B-X": 0}, "does not name the ids 0, 1, 2"),
        ({"O": 0.5}, "does not name the ids 0, 1, 2"),
    ]
    for form, message in wrong:
        for name in ("seqeval", "semeval"):
            with pytest.raises(ArgumentError, match=f"label_names: .*{message}"):
                load(name, label_names=form)
    with pytest.raises(ArgumentError, match=r"ignore_index: 0\.5"):
        load("seqeval", ignore_index=0.5)


@pytest.mark.parametrize(
    "span", [(0.9, 1, "X"), (0, float("inf"), "X"), (0, 1, None), (0, 1, 0.5), ("0", 1, "X"), (0, 1)]
)
def test_spans_are_whole_numbers_and_a_name(span):
    with pytest.raises(DataError, match=r"row 1, column .predictions.: .* is not a row of spans"):
        entity_scores([[(0, 1, "X")], [span]], [[(0, 1, "X")], [(0, 1, "X")]])
    assert entity_scores([[(np.int64(0), 1, 3)]], [[(0, 1, 3)]])["overall_f1"] == 1.0


def test_a_tag_without_meaning_is_said_with_its_place():
    with pytest.raises(DataError, match="row 1, column 'predictions', place 0: an empty tag"):
        entity_scores([["O"], ["", "O"]], [["O"], ["O", "O"]])
    with pytest.raises(DataError, match="row 0, column 'references', place 1: tag 'S-X': not of scheme IOB2"):
        entity_scores([["O", "O"]], [["O", "S-X"]], mode="strict", scheme="IOB2")
    with pytest.raises(DataError, match="label_names: tag 'S-X'"):
        entity_scores([[0]], [[0]], mode="strict", scheme="IOB2", label_names=["O", "S-X"])


def test_settings_of_errors_are_spelt_as_anywhere():
    with pytest.raises(ArgumentError, match="sheme: not a setting of seqeval; did you mean 'scheme'"):
        entity_errors(PREDICTED, GOLD, sheme="IOB2")
