"""Files in, splits out; and one clear line for each way a file can be wrong."""

from __future__ import annotations

import gzip
import json
import logging
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenweave import Dataset, load_dataset
from evenweave.data import jsonl, text
from evenweave.data.features import ClassLabel, Sequence
from evenweave.errors import ArgumentError, DataError, NotFoundError

CONLL2003 = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]


def read(path: Path, content: str | bytes, **options: object) -> Dataset:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_dataset(path, split="train", **options)


def tags(rows: Dataset) -> list[list[str]]:
    feature = rows.features["ner_tags"].feature
    return [feature.int2str(row) for row in rows["ner_tags"]]


def test_two_columns_by_tabs(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.conll", "EU\tB-ORG\nrejects\tO\n\nPeter\tB-PER\nBlackburn\tI-PER\n")
    assert rows[0] == {"id": "0", "tokens": ["EU", "rejects"], "ner_tags": [1, 0]}
    assert tags(rows) == [["B-ORG", "O"], ["B-PER", "I-PER"]]
    assert rows.features["ner_tags"].feature.names == ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def test_four_columns_by_spaces_are_conll2003(tmp_path: Path) -> None:
    content = (
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\n\n"
        "-DOCSTART- -X- O O\n\nBRUSSELS NNP B-NP B-LOC\n1996 CD I-NP O\n\nGerman JJ B-NP B-MISC\n"
    )
    rows = read(tmp_path / "a.txt", content)
    assert rows.column_names == ["id", "tokens", "pos_tags", "chunk_tags", "ner_tags"]
    assert rows["tokens"] == [["EU", "rejects"], ["Peter"], ["BRUSSELS", "1996"], ["German"]]
    assert rows.features["ner_tags"].feature.names == CONLL2003
    assert rows.features["pos_tags"].feature.names == ["CD", "JJ", "NNP", "VBZ"]
    assert rows.features["chunk_tags"].feature.names == ["O", "B-NP", "I-NP", "B-VP", "I-VP"]
    assert rows[0]["ner_tags"] == [3, 0]


def test_three_columns(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.txt", "EU  NNP   B-X\n\n")
    assert rows.column_names == ["id", "tokens", "pos_tags", "ner_tags"]
    assert tags(rows) == [["B-X"]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("blank", ["", "\t", "  "])
@pytest.mark.parametrize("last", ["", "\n", "\n\n\n"])
def test_line_ends_byte_order_marks_and_blank_lines(
    tmp_path: Path, end: str, mark: bytes, blank: str, last: str
) -> None:
    content = f"\n\nEU\tB-X\nyes\tO\n{blank}\n\n{blank}\nno\tO{last}".replace("\n", end)
    rows = read(tmp_path / "a.conll", mark + content.encode())
    assert rows["tokens"] == [["EU", "yes"], ["no"]]
    rows = read(tmp_path / "b.conll", mark + content.lstrip().encode())
    assert rows["tokens"] == [["EU", "yes"], ["no"]]


def test_odd_spaces_are_part_of_a_token(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.conll", "a\u00a0b\tO\n\u2003\tO\nc d\tB-X\n\u2028\tO\n\u0085\tO\n")
    assert rows[0]["tokens"] == ["a\u00a0b", "\u2003", "c d", "\u2028", "\u0085"]
    rows = read(tmp_path / "b.conll", "a\u00a0b O\n\u2003 O\n")
    assert rows[0]["tokens"] == ["a\u00a0b", "\u2003"]


def test_comments_are_told_from_tokens_by_their_columns(tmp_path: Path) -> None:
    tabs = "# sent_id = 1\n# text = # is a hash\n#\tO\n#yes\tB-X\n# \tO\n\n# id 3\tdomain=en\nyes\tO\n"
    assert read(tmp_path / "a.conll", tabs)["tokens"] == [["#", "#yes", "# "], ["yes"]]
    spaces = "# id 123\n# O\n#tag B-X\n# newdoc\nyes O\n"
    assert read(tmp_path / "b.conll", spaces)["tokens"] == [["#", "#tag", "yes"]]
    coner = "# id 5f\tdomain=en\nthe _ _ O\nbeach _ _ B-LOC\n"
    rows = read(tmp_path / "c.conll", coner)
    assert rows["tokens"] == [["the", "beach"]]
    with pytest.raises(DataError, match=r"d.conll:2: 1 column in '#tag' where the file has 2"):
        read(tmp_path / "d.conll", "yes\tO\n#tag\nno\tO\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"a.conll: no rows; expected lines of a token, a tab and its tag"),
        ("\n \n\t\n", r"a.conll: no rows"),
        ("# only\n# comments here\n", r"a.conll: no rows"),
        ("one\ntwo\n", r"a.conll:1: one column, 'one'; put each token's tag behind it"),
        ("a b c d e\n", r"a.conll:1: 5 columns; keep 2 to 4"),
        ("a\tO\nb\nc\tO\n", r"a.conll:2: 1 column in 'b' where the file has 2"),
        ("a\tO\nb\t\nc\tO\n", r"a.conll:2: 1 column in 'b' where the file has 2"),
        ("a\tO\nb\tX\tO\nc\tO\n", r"a.conll:2: 3 columns in 'b\\tX\\tO' where the file has 2"),
        ("a\tO\n\tO\n", r"a.conll:2: '\\tO' has no token before its tag"),
        ("a\tO\n\nb\tPERSON\n", r"a.conll:3: label 'PERSON' is neither O nor a tag such as B-PER"),
        ("token\tlabel\na\tO\n", r"a.conll:1: label 'label' is neither .*a header line\? take it out"),
        ("a\tO\nb\tB-X\nc\tB_X\n", r"a.conll:3: label 'B_X' is neither"),
        (b"a\tO\ncaf\xe9\tO\n", r"a.conll:2: byte 0xe9 at offset 7 is not UTF-8; .* encoding='latin-1'"),
        ("a\tO\n".encode("utf-16"), r"a.conll:1: byte 0xff at offset 0 .* encoding='utf-16'"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / "a.conll", content)
    assert "\n" not in str(caught.value)


def test_other_encodings(tmp_path: Path) -> None:
    expected = [["café", "no"]]
    for encoding in ("latin-1", "utf-16", "cp1252"):
        content = "café\tO\nno\tB-X\n".encode(encoding)
        assert read(tmp_path / "a.conll", content, encoding=encoding)["tokens"] == expected
    for encoding in ("klingon", "hex", None, 8, "a\0b"):
        for name, content in [("a.conll", "a\tO\n"), ("a.jsonl", '{"tokens": ["a"], "ner_tags": ["O"]}\n')]:
            with pytest.raises(ArgumentError, match=re.escape(f"encoding: {encoding!r} is not known")):
                read(tmp_path / name, content, encoding=encoding)
    with pytest.raises(DataError, match=r"a.conll:2: in unicode_escape it holds half of a surrogate"):
        read(tmp_path / "a.conll", "a\tO\n\\ud83d\tO\n", encoding="unicode_escape")
    with pytest.raises(DataError, match=r"a.conll:1: byte 0xe9 at offset 3 is not ASCII"):
        read(tmp_path / "a.conll", "café\tO\n".encode("latin-1"), encoding="ascii")


def test_a_file_read_in_many_blocks_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "".join(f"w{i}\t{'B-X' if i % 3 else 'O'}\n" + "\n" * (i % 4 == 0) for i in range(200))
    whole = read(tmp_path / "a.conll", content)
    monkeypatch.setattr(text.blocks, "__kwdefaults__", {"encoding": "utf-8", "size": 50})
    parts = read(tmp_path / "a.conll", content)
    assert parts["tokens"] == whole["tokens"]
    assert tags(parts) == tags(whole)
    line = content.count("\n") + 1
    with pytest.raises(DataError, match=rf"a.conll:{line}: 1 column in 'odd'"):
        read(tmp_path / "a.conll", content + "odd\n")
    offset = len(content) + 1
    with pytest.raises(DataError, match=rf"a.conll:{line}: byte 0xe9 at offset {offset} "):
        read(tmp_path / "a.conll", content.encode() + b"x\xe9\tO\n")


def test_schemes_are_reported_and_converted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "evenweave")
    iob1 = "a\tI-X\nb\tI-X\nc\tB-X\nd\tO\n"
    rows = read(tmp_path / "a.conll", iob1)
    assert tags(rows) == [["B-X", "I-X", "B-X", "O"]]
    assert "ner_tags: IOB1, converted to IOB2" in caplog.text
    assert tags(read(tmp_path / "a.conll", iob1, scheme="IOBES")) == [["B-X", "E-X", "S-X", "O"]]
    assert tags(read(tmp_path / "a.conll", iob1, scheme="bio")) == [["B-X", "I-X", "B-X", "O"]]
    kept = read(tmp_path / "a.conll", iob1, scheme=None)
    assert tags(kept) == [["I-X", "I-X", "B-X", "O"]]
    assert "IOB1, kept as it is" in caplog.text
    with pytest.raises(ArgumentError, match=r"scheme: 'IOB3'; give one of IOB1"):
        read(tmp_path / "a.conll", iob1, scheme="IOB3")


def test_plain_labels_are_kept_when_no_scheme_is_asked_for(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.conll", "the\tDET\ncat\tNOUN\nO\tO\n", scheme=None)
    assert rows.features["ner_tags"].feature.names == ["O", "DET", "NOUN"]
    assert tags(rows) == [["DET", "NOUN", "O"]]


def test_a_corpus_without_entities(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.conll", "a\tO\nb\tO\n")
    assert rows.features["ner_tags"].feature.names == ["O"]


def test_splits_share_one_list_of_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train.txt").write_text("a\tB-X\n")
    (tmp_path / "dev.conll").write_text("b\tB-Y\n")
    (tmp_path / "README.md").write_text("train and test")
    (tmp_path / "LICENSE.test.txt").write_text("no")
    splits = load_dataset(tmp_path)
    assert list(splits) == ["train", "validation"]
    names = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    assert [part.features["ner_tags"].feature.names for part in splits.values()] == [names, names]
    assert splits["validation"]["ner_tags"] == [[3]]
    assert "validation: Y never seen in train" in caplog.text
    assert load_dataset(tmp_path, split="validation") == splits["validation"]
    with pytest.raises(ArgumentError, match=r"split: no 'test' in .*; the splits are train, validation"):
        load_dataset(tmp_path, split="test")


def test_data_files_say_which_file_is_which(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a\tB-X\n")
    (tmp_path / "two").write_text("b\tO\n")
    splits = load_dataset(tmp_path, data_files={"train": ["one", "two"], "test": "two"})
    assert splits["train"]["tokens"] == [["a"], ["b"]]
    assert splits["test"]["tokens"] == [["b"]]
    assert load_dataset("conll", data_files=str(tmp_path / "one"))["train"]["tokens"] == [["a"]]


def test_arguments_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"path: None; give a labelled file"):
        load_dataset(None)
    for nothing in ({}, {"train": []}):
        with pytest.raises(ArgumentError, match=r"data_files: .* names no file for a split"):
            load_dataset(tmp_path, data_files=nothing)
    with pytest.raises(ArgumentError, match=r"label_names: 'B-X' is one string"):
        load_dataset(tmp_path, label_names="B-X")
    for files in ({"train": None}, {"train": 5}, {"train": ["a.txt", None]}, 5):
        with pytest.raises(ArgumentError, match=r"data_files: .* is no path nor a list of paths"):
            load_dataset(tmp_path, data_files=files)
    (tmp_path / "train.txt").write_text("a O\n")
    for split in (["train"], "train[:1]", ""):
        with pytest.raises(ArgumentError, match=r"^split: no .* in .*; the splits are train"):
            load_dataset(tmp_path, split=split)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none.txt: no such file or directory"):
        load_dataset(tmp_path / "none.txt")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"no file named like train.txt.*\(there: notes.txt\)"):
        load_dataset(tmp_path)


def test_json_lines(tmp_path: Path) -> None:
    content = (
        '{"tokens": ["EU", "no"], "ner_tags": ["B-X", "O"], "topic": "a"}\n\n'
        '{"words": ["yes"], "labels": ["O"], "topic": "b", "id": "seven"}\n'
    )
    rows = read(tmp_path / "a.jsonl", content)
    assert rows["tokens"] == [["EU", "no"], ["yes"]]
    assert tags(rows) == [["B-X", "O"], ["O"]]
    assert rows["topic"] == ["a", "b"]
    assert rows["id"] == [None, "seven"]


def test_json_lines_of_ids_need_names(tmp_path: Path) -> None:
    content = '{"tokens": ["EU", "no"], "ner_tags": [2, 0]}\n'
    with pytest.raises(DataError, match=r"a.jsonl:1: tag 2 is an id and nothing names the labels"):
        read(tmp_path / "a.jsonl", content)
    names = ["O", "I-X", "B-X"]
    rows = read(tmp_path / "a.jsonl", content, label_names=names)
    assert rows.features["ner_tags"].feature.names == names
    assert rows[0]["ner_tags"] == [2, 0]
    (tmp_path / "labels.txt").write_text("O\nB-X\nI-X\n")
    assert tags(read(tmp_path / "a.jsonl", content)) == [["B-X", "O"]]  # IOB1's I-X starts an entity
    with pytest.raises(DataError, match=r"a.jsonl:1: tag id 2; the 2 label names give ids 0 to 1"):
        read(tmp_path / "a.jsonl", content, label_names=["O", "B-X"])


def test_each_label_name_has_one_id(tmp_path: Path) -> None:
    content = '{"tokens": ["a", "b"], "ner_tags": [0, 1]}\n'
    twice = r"label_names: 'B-X' stands there twice, at 1 and 2; each label has one id"
    with pytest.raises(ArgumentError, match=twice):
        read(tmp_path / "a.jsonl", content, label_names=["O", "B-X", "B-X", "B-Y"])
    for names, said in [
        ([0, 1], "0 at 0 is no string"),
        ([], "no names"),
        (3, "3; give a list of names"),
        (["O", None], "None at 1 is no string"),
    ]:
        with pytest.raises(ArgumentError, match=f"label_names: {said}"):
            read(tmp_path / "a.jsonl", content, label_names=names)
    (tmp_path / "labels.txt").write_text("O\nB-X\n\nB-X\n")
    with pytest.raises(DataError, match=r"labels.txt:4: 'B-X' stands in line 2 already"):
        read(tmp_path / "a.jsonl", content)


def test_a_line_of_labels_txt_is_a_name(tmp_path: Path) -> None:
    content = '{"tokens": ["a", "b"], "ner_tags": [0, 1]}\n'
    beside = tmp_path / "labels.txt"
    beside.write_bytes(b"\xef\xbb\xbfnot an entity\r\nchemical compound\r\n")
    rows = read(tmp_path / "a.jsonl", content, scheme=None)
    assert rows.features["ner_tags"].feature.names == ["not an entity", "chemical compound"]
    beside.write_text("O\nB-My Type\n")
    assert tags(read(tmp_path / "a.jsonl", content)) == [["O", "B-My Type"]]
    beside.write_bytes(b"O\nB-caf\xe9\n")
    with pytest.raises(DataError, match=r"labels.txt:2: byte 0xe9 at offset 7 is not UTF-8; save"):
        read(tmp_path / "a.jsonl", content)
    beside.write_text("\n \n")
    with pytest.raises(DataError, match=r"labels.txt: empty; write one label name a line"):
        read(tmp_path / "a.jsonl", content)
    # Tags of a CoNLL file are names already.
    assert tags(read(tmp_path / "a.conll", "a\tB-X\n")) == [["B-X"]]


def test_spans_in_text(tmp_path: Path) -> None:
    content = '{"text": "EU rejects O\'Neill.", "spans": [{"start": 11, "end": 18, "label": "PER"}]}\n'
    rows = read(tmp_path / "a.jsonl", content)
    assert rows[0]["tokens"] == ["EU", "rejects", "O", "'", "Neill", "."]
    assert tags(rows) == [["O", "O", "B-PER", "I-PER", "I-PER", "O"]]
    assert rows[0]["text"] == "EU rejects O'Neill."


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "a.jsonl: no rows"),
        ("{", r"a.jsonl:1: not JSON \("),
        ("[1]", "a.jsonl:1: a list; expected an object"),
        ('{"tokens": ["a"]}', "a.jsonl:1: no 'ner_tags' among"),
        ('{"a": 1}', "a.jsonl:1: neither tokens nor text and spans"),
        ('{"tokens": "a", "ner_tags": ["O"]}', "a.jsonl:1: 'tokens' is not a list of strings"),
        ('{"tokens": ["a"], "ner_tags": []}', "a.jsonl:1: 0 tags in 'ner_tags' for 1 tokens"),
        ('{"tokens": ["a"], "ner_tags": [null]}', "a.jsonl:1: tag None is neither a name nor an id"),
        ('{"tokens": ["a"], "ner_tags": ["X"]}', "a.jsonl:1: label 'X' is neither O nor"),
        (
            '{"text": "ab c", "spans": [{"start": 1, "end": 2, "label": "X"}]}',
            r"span 1-2 \('b'\) does not start",
        ),
        ('{"text": "a", "spans": [{"start": 0, "end": 1}]}', "expected {'start': 0"),
        (
            '{"text": "a b", "spans": [{"start":0,"end":3,"label":"X"},{"start":2,"end":3,"label":"Y"}]}',
            "span 2-3 overlaps another",
        ),
        ('{"text": "a", "spans": null}', "a.jsonl:1: 'spans' is None; expected a list of spans"),
        ('{"text": "a", "entities": 5}', "a.jsonl:1: 'entities' is 5; expected a list of spans"),
        ('{"text": "a", "spans": ["a"]}', "a.jsonl:1: span 'a'; expected"),
        ("[" * 100_000, r"a.jsonl:1: not to be read \(nested too deeply\)"),
        ("9" * 5000, r"a.jsonl:1: not to be read \(a number of too many digits\)"),
        ('{"tokens": ["a", "\\ud83d"], "ner_tags": ["O", "O"]}', "a.jsonl:1: column 'tokens': .* holds half"),
        (
            '{"tokens": ["a"], "ner_tags": ["B-\\ud83d"]}',
            r"a.jsonl:1: label: the name 'B-\\ud83d' holds half",
        ),
        ('{"tokens": ["a"], "ner_tags": ["O"], "x": "\\ud83d"}', "a.jsonl:1: column 'x': .* holds half"),
        (
            '{"tokens": ["a"], "ner_tags": ["O"], "\\ud83d": 1}',
            r"a.jsonl:1: column: the name '\\ud83d' holds half",
        ),
        (
            f'{{"tokens": ["a"], "ner_tags": ["O"], "x": {2**70}}}',
            "a.jsonl:1: column 'x': 1180591620717411303424 holds a number outside 64 bits",
        ),
    ],
)
def test_a_bad_line_of_json_is_one_line_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / "a.jsonl", line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "span",
    [
        {"start": 0, "end": 2, "label": None},
        {"start": 0, "end": 2, "label": ["ORG"]},
        {"start": 0, "end": 2, "label": ""},
        {"start": 0.9, "end": 2.9, "label": "ORG"},
        {"start": "0", "end": 2, "label": "ORG"},
        {"start": False, "end": 2, "label": "ORG"},
        {"start": float("inf"), "end": 2, "label": "ORG"},
    ],
)
def test_a_span_is_two_whole_numbers_and_a_name(tmp_path: Path, span: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"a.jsonl:1: span \{.*; expected \{'start': 0, .* whole numbers"):
        read(tmp_path / "a.jsonl", json.dumps({"text": "EU rejects", "spans": [span]}))


def test_json_values_of_another_type_are_named_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(*values: object) -> str:
        return "".join(json.dumps({"tokens": ["a"], "ner_tags": ["O"], "x": x}) + "\n" for x in values)

    one, two = lines(1, 2.5, None), lines(None, "b")
    said = r"{}.jsonl:{}: column 'x': its values share no type: 'b' after double; give all rows one"
    with pytest.raises(DataError, match=said.format("a", 7)):
        read(tmp_path / "a.jsonl", one + "\n\n" + two)
    said = r"{}.jsonl:{}: column 'x': its values share no type: string after double; give all rows one"
    (tmp_path / "b.jsonl").write_text(two)
    (tmp_path / "a.jsonl").write_text(one)
    files = {"train": ["a.jsonl", "b.jsonl"]}
    with pytest.raises(
        DataError, match=r"b.jsonl: column 'x': its values share no type: string after double"
    ):
        load_dataset(tmp_path, data_files=files)
    monkeypatch.setattr(jsonl, "_ROWS", 3)
    with pytest.raises(DataError, match=said.format("a", 7)):
        read(tmp_path / "a.jsonl", one + "\n\n" + two)
    assert read(tmp_path / "a.jsonl", one + "\n" + lines(None, 7))["x"] == [1, 2.5, None, None, 7]


def test_json_lines_in_utf16(tmp_path: Path) -> None:
    # U+0A00 and U+010A hold the byte of a line feed.
    content = (
        '{"tokens": ["\u0a00", "\u010a"], "ner_tags": ["O", "O"]}\r\n\n{"tokens": ["b"], "ner_tags": ["B-X"]}'
    )
    with pytest.raises(DataError, match=r"a.jsonl:1: byte 0xff at offset 0 .* pass encoding='utf-16'"):
        read(tmp_path / "a.jsonl", content.encode("utf-16"))
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        rows = read(tmp_path / "a.jsonl", content.encode(encoding), encoding=encoding)
        assert rows["tokens"] == [["\u0a00", "\u010a"], ["b"]]
    with pytest.raises(DataError, match=r"a.jsonl:3: not JSON"):
        read(tmp_path / "a.jsonl", (content + "]").encode("utf-16"), encoding="utf-16")


def test_json_lines_in_latin1(tmp_path: Path) -> None:
    first = b'{"tokens": ["a"], "ner_tags": ["O"]}\n'
    with pytest.raises(DataError, match=rf"a.jsonl:2: byte 0xe9 at offset {len(first) + 2} is not UTF-8"):
        read(tmp_path / "a.jsonl", first + b'{"\xe9')


def test_parquet_of_names_and_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"tokens": [["a", "b"], []], "ner_tags": [["B-X", "O"], []]}), path)
    assert tags(load_dataset(path, split="train")) == [["B-X", "O"], []]
    ids = pa.table({"tokens": [["a", "b"]], "tags": pa.array([[1, 0]], pa.list_(pa.int8()))})
    pq.write_table(ids, path)
    with pytest.raises(DataError, match=r"train.parquet: the tags are ids and nothing names the labels"):
        load_dataset(path)
    assert tags(load_dataset(path, split="train", label_names=["O", "B-X"])) == [["B-X", "O"]]
    with pytest.raises(DataError, match=r"row 0, column 'tags': tag id 1; the names give ids 0 to 0"):
        load_dataset(path, label_names=["O"])
    pq.write_table(pa.table({"tokens": [["a"], ["b"]], "ner_tags": [["O"], ["O", "O"]]}), path)
    with pytest.raises(DataError, match=r"row 1, column 'ner_tags': 2 tags for 1 tokens"):
        load_dataset(path)
    pq.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(DataError, match=r"no column 'tokens' among \['text'\]"):
        load_dataset(path)
    path.write_bytes(b"no")
    with pytest.raises(DataError, match=r"not a Parquet file"):
        load_dataset(path)


def test_parquet_written_by_datasets_names_its_labels(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "pos_tags": datasets.Sequence(datasets.ClassLabel(names=["NN", "VB"])),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=CONLL2003)),
        }
    )
    made = datasets.Dataset.from_dict(
        {"tokens": [["EU", "no"]], "pos_tags": [[0, 1]], "ner_tags": [[3, 0]]}, features=features
    )
    for shard in range(2):
        made.to_parquet(str(tmp_path / f"train-0000{shard}-of-00002.parquet"))
    rows = load_dataset(tmp_path, split="train")
    assert rows.column_names == ["id", "tokens", "pos_tags", "ner_tags"]
    assert rows.features["ner_tags"].feature.names == CONLL2003
    assert rows.features["pos_tags"].feature.names == ["NN", "VB"]
    assert rows["ner_tags"] == [[3, 0], [3, 0]]


def test_parquet_labels_of_a_row_are_no_tags_and_keep_their_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    label = datasets.ClassLabel(names=["O", "B-X"])
    names = datasets.Sequence(label)
    kinds = {"ner_tags": names, "topics": names, "topic": label, "several": datasets.Sequence(names)}
    features = datasets.Features({"tokens": datasets.Sequence(datasets.Value("string")), **kinds})
    columns = {
        "tokens": [["a", "b"], ["c"]],
        "ner_tags": [[1, 0], [0]],
        "topics": [[1], [0]],
        "topic": [1, 0],
        "several": [[[1], [0, 1]], [[]]],
    }
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(tmp_path / "train.parquet"))
    rows = load_dataset(tmp_path, split="train")
    assert all(rows[name] == columns[name] for name in kinds)
    ours = ClassLabel(["O", "B-X"])
    assert rows.features["topic"] == ours
    assert rows.features["topics"] == Sequence(ours)
    assert rows.features["several"] == Sequence(Sequence(ours))
    there = rows.to_datasets()
    assert there.features["several"].feature.feature.names == ["O", "B-X"]
    assert Dataset.from_datasets(there) == rows


def test_files_of_a_split_that_name_labels_differently_are_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    for shard, names in enumerate((["news", "sport"], ["sport", "news"])):
        features = datasets.Features(
            {
                "tokens": datasets.Sequence(datasets.Value("string")),
                "ner_tags": datasets.Sequence(datasets.ClassLabel(names=["O"])),
                "topic": datasets.ClassLabel(names=names),
            }
        )
        made = datasets.Dataset.from_dict(
            {"tokens": [["a"]], "ner_tags": [[0]], "topic": [0]}, features=features
        )
        made.to_parquet(str(tmp_path / f"train-0000{shard}-of-00002.parquet"))
    with pytest.raises(DataError, match=r"00001.*column 'topic': its labels are \['sport', 'news'\], those"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"tokens": ["a b"], "ner_tags": [[0]]}, "column 'tokens': string, not lists of words; split"),
        ({"tokens": [[1]], "ner_tags": [[0]]}, "column 'tokens': lists of int64; give lists of words"),
        ({"tokens": [["a"], None], "ner_tags": [[0], [0]]}, "row 1, column 'tokens': null; fill or drop"),
        ({"tokens": [["a"], [None]], "ner_tags": [[0], [0]]}, "row 1, column 'tokens': holds a null"),
        ({"tokens": [["a"]], "labels": [0]}, "column 'labels': Arrow type int64 is not a list of tags"),
        ({"tokens": [["a"]], "labels": ["O"]}, "column 'labels': Arrow type string is not a list of tags"),
        ({"tokens": [["a"], ["b"]], "tags": [["O"], [None]]}, "row 1, column 'tags': holds a null"),
        ({"tokens": [["a"], ["b"]], "tags": [[0], [None]]}, "row 1, column 'tags': holds a null"),
        ({"tokens": [["a"], ["b"]], "tags": [[0], None]}, "row 1, column 'tags': null; fill or drop"),
        (
            {"tokens": [["a"], ["b"]], "tags": [[0], [0.5]]},
            r"row 1, column 'tags': \[0.5\] are ids that are not",
        ),
        (
            {"tokens": [["a"]], "tags": [[float("nan")]]},
            r"row 0, column 'tags': \[nan\] are ids that are not",
        ),
        ({"tokens": [["a"], ["b"]], "tags": [[0], [-1]]}, "row 1, column 'tags': tag id -1; the names give"),
    ],
)
def test_a_bad_parquet_file_is_one_line_with_its_place(
    tmp_path: Path, columns: dict[str, list[object]], said: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=f"a.parquet: {said}") as caught:
        load_dataset(path, label_names=["O", "B-X"])
    assert "\n" not in str(caught.value)


def test_parquet_text_of_any_layout(tmp_path: Path) -> None:
    words, names = [["a", "b"], ["c", "d"]], [["O", "B-X"], ["B-X", "O"]]
    for kind in (
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
        pa.list_(pa.string_view()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.string(), 2),
    ):
        table = pa.table({"tokens": pa.array(words, kind), "ner_tags": pa.array(names, kind)})
        pq.write_table(table, tmp_path / "a.parquet")
        rows = load_dataset(tmp_path / "a.parquet", split="train")
        assert rows["tokens"] == words
        assert tags(rows) == names


def test_splits_whose_files_name_other_labels_share_all_of_them(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()

    def write(split: str, pos: list[str], ner: list[str]) -> None:
        features = datasets.Features(
            {
                "tokens": datasets.Sequence(datasets.Value("string")),
                "pos_tags": datasets.Sequence(datasets.ClassLabel(names=pos)),
                "ner_tags": datasets.Sequence(datasets.ClassLabel(names=ner)),
            }
        )
        columns = {"tokens": [["a", "b"]], "pos_tags": [[0, 1]], "ner_tags": [[0, 1]]}
        made = datasets.Dataset.from_dict(columns, features=features)
        made.to_parquet(str(tmp_path / f"{split}.parquet"))

    write("train", ["NN", "VB"], ["O", "B-X", "I-X"])
    write("test", ["JJ", "NN"], ["B-Y", "B-X"])
    for scheme, ner in [
        ("IOB2", ["O", "B-X", "I-X", "B-Y", "I-Y"]),
        (None, ["O", "B-X", "I-X", "B-Y"]),
    ]:
        splits = load_dataset(tmp_path, scheme=scheme)
        for split, (pos, tagged) in {
            "train": (["NN", "VB"], ["O", "B-X"]),
            "test": (["JJ", "NN"], ["B-Y", "B-X"]),
        }.items():
            features = splits[split].features
            assert features["ner_tags"].feature.names == ner
            assert features["pos_tags"].feature.names == ["NN", "VB", "JJ"]
            assert features["pos_tags"].feature.int2str(splits[split][0]["pos_tags"]) == pos
            assert tags(splits[split]) == [tagged]


def test_a_parquet_file_names_each_label_once(tmp_path: Path) -> None:
    names = {"names": ["O", "B-X", "B-X"], "_type": "ClassLabel"}
    info = {"info": {"features": {"tags": {"feature": names, "_type": "Sequence"}}}}
    table = pa.table({"tokens": [["a"]], "tags": [[1]]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: column 'tags': names: 'B-X' stands there twice"):
        load_dataset(tmp_path / "a.parquet")


def test_a_token_may_begin_as_a_document_does(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- O\n\n-DOCSTART-x B-X\nb O\n-DOCSTART-\tO\nc O\n")
    assert load_dataset(path)["train"]["tokens"] == [["-DOCSTART-x", "b"], ["c"]]


@pytest.mark.parametrize("name", ["a.conll.gz", "a.jsonl"])
def test_a_compressed_file_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"a\tO\n"))
    with pytest.raises(DataError, match=rf"{name}: compressed by gzip; unpack it first"):
        load_dataset(path)


def test_a_parquet_file_with_two_columns_of_one_name_is_named(tmp_path: Path) -> None:
    words = pa.array([["a"]])
    pq.write_table(
        pa.Table.from_arrays([words, words, words], ["tokens", "ner_tags", "tokens"]), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match=r"a.parquet: column 'tokens' stands there twice; rename or drop one"):
        load_dataset(tmp_path / "a.parquet")
