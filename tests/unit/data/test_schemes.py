from __future__ import annotations

import pytest

from evenweave.data.labels import SCHEMES, label_names
from evenweave.data.schemes import convert_ids, convert_tags, recognise
from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged

SAME = {
    "IOB1": "I-A I-A O I-A B-A I-B O I-B",
    "IOB2": "B-A I-A O B-A B-A B-B O B-B",
    "IOE1": "I-A I-A O E-A I-A I-B O I-B",
    "IOE2": "I-A E-A O E-A E-A E-B O E-B",
    "IOBES": "B-A E-A O S-A S-A S-B O S-B",
    "BILOU": "B-A L-A O U-A U-A U-B O U-B",
    "BMES": "B-A E-A O S-A S-A S-B O S-B",
}


def recognised(*rows: str) -> str:
    tags = [row.split() for row in rows]
    names = sorted({tag for row in tags for tag in row} | {"O"})
    return str(recognise(Ragged.from_rows([[names.index(tag) for tag in row] for row in tags]), names))


@pytest.mark.parametrize("source", SCHEMES)
@pytest.mark.parametrize("target", SCHEMES)
def test_the_same_entities_in_every_scheme(source: str, target: str) -> None:
    assert convert_tags([SAME[source].split()], scheme=target) == [SAME[target].split()]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_is_recognised(scheme: str) -> None:
    longer = {"BMES": "B-C M-C E-C", "IOBES": "B-C I-C E-C"}.get(scheme, "O")
    assert recognised(SAME[scheme], longer) == scheme


def test_a_suffix_is_recognised_and_comes_out_as_a_prefix() -> None:
    assert recognised("PER-B PER-I O") == "IOB2, type before the letter (PER-B)"
    assert convert_tags([["PER-B", "PER-I", "O", "LOC-S"]]) == [["B-PER", "I-PER", "O", "B-LOC"]]


def test_ill_formed_starts_are_counted_and_mended() -> None:
    assert recognised("I-A B-A O I-B B-B") == "IOB1"
    assert recognised("B-A O I-B") == "IOB2, 1 entities start with an I- tag"
    assert convert_tags([["B-A", "O", "I-B"]]) == [["B-A", "O", "B-B"]]


def test_bare_letters_and_types_with_hyphens() -> None:
    assert convert_tags([["I", "I", "O"]]) == [["B", "I", "O"]]
    assert convert_tags([["B-creative-work", "I-creative-work"]], scheme="BILOU") == [
        ["B-creative-work", "L-creative-work"]
    ]


def test_labels_come_in_a_steady_order() -> None:
    assert label_names(["LOC", "MISC", "ORG", "PER"])[:5] == ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    assert label_names(["b", "a"], scheme="IOBES")[:5] == ["O", "B-a", "E-a", "I-a", "S-a"]


def test_rows_do_not_touch_each_other() -> None:
    names = ["O", "I-X"]
    rows, labels = convert_ids(Ragged([9, 1, 1, 1, 9], [1, 2, 2, 4]), names)
    assert [[labels[i] for i in row] for row in rows] == [["B-X"], [], ["B-X", "I-X"]]


def test_mistakes() -> None:
    with pytest.raises(DataError, match="label 'PERSON': neither O nor a tag"):
        convert_tags([["PERSON"]])
    with pytest.raises(ArgumentError, match="scheme: 'nope'"):
        convert_tags([["O"]], scheme="nope")
    with pytest.raises(DataError, match="label ids from 0 to 3: there are 2 labels"):
        convert_ids(Ragged.from_rows([[0, 3]]), ["O", "B-X"])
