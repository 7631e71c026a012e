"""`evenweave score` on the real files: the published figures, and one line for every bad file."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from evenweave.cli import app
from evenweave.errors import EvenweaveError

WNUT = {
    "arcada": 39.98,
    "drexel_cci": 26.30,
    "flytxt": 38.35,
    "mic-cis.txt": 37.06,
    "sjtu_adapt.txt": 40.42,
    "spinningbytes.txt": 40.78,
    "uh_ritual": 41.86,
}


def score(*arguments):
    result = CliRunner().invoke(app, ["score", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_conlleval_sample(shared_data):
    for name, flags in (("ground_truth.txt", []), ("ground_truth_inv.txt", ["--suffix"])):
        found = json.loads(score("seqeval", shared_data / "seqeval_fixtures" / name, *flags, "--json"))
        scores = found["systems"][name]
        percent = [
            round(100 * scores[f"overall_{key}"], 2) for key in ("accuracy", "precision", "recall", "f1")
        ]
        assert percent == [84.08, 68.83, 80.83, 74.35]
        assert sum(part["number"] for part in scores.values() if isinstance(part, dict)) == 459
        assert found["signature"].startswith("seqeval|mode:default")


def test_the_seven_submissions_to_wnut17(shared_data):
    wnut = shared_data / "wnut17"
    files = [wnut / "submissions" / name for name in WNUT]
    found = json.loads(
        score("seqeval", "--gold", wnut / "emerging.test.annotated", *files, "--compare", "--json")
    )
    f1 = {name: round(100 * scores["overall_f1"], 2) for name, scores in found["systems"].items()}
    assert f1 == WNUT
    tests = found["comparison"]["systems"]
    assert tests["drexel_cci"]["overall_f1"]["p_value"] < 0.01
    assert tests["spinningbytes.txt"]["overall_f1"]["p_value"] > 0.05


def test_published_bleu_of_wmt17(shared_data):
    wmt = shared_data / "wmt17_en_de"
    systems = sorted((wmt / "systems").glob("*uedin*")) + sorted((wmt / "systems").glob("*online-A*"))
    found = json.loads(score("sacrebleu", "--ref", wmt / "newstest2017.ref.de", *systems, "--json"))
    assert [round(result["score"], 2) for result in found["systems"].values()] == [28.30, 20.80]
    assert found["signature"].startswith("sacrebleu|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|")


def test_a_table_has_a_row_a_system_intervals_and_significance(tmp_path):
    gold, good, bad = tmp_path / "gold", tmp_path / "good", tmp_path / "bad"
    gold.write_text("a B-X\nb O\n\n" * 30)
    good.write_text("a B-X\nb O\n\n" * 30)
    bad.write_text("a O\nb O\n\n" * 15 + "a B-X\nb B-X\n\n" * 15)
    shown = score("seqeval", "--gold", gold, "--pred", good, "--pred", bad, "--confidence", 0.9, "--compare")
    assert "100.00" in shown
    assert "[100.00" in shown
    assert "p 0.00" in shown
    assert "seqeval|mode:default" in shown
    single = score("seqeval", "--gold", gold, "--pred", bad)
    assert "type" in single


def test_text_metrics_share_the_options(tmp_path):
    ref, hyp = tmp_path / "ref", tmp_path / "hyp"
    ref.write_text("the Cat sat on the mat\nhello there\n")
    hyp.write_text("the cat sat on a mat\nhello there\n")
    for arguments in (
        ["bleu", "--tokenize", "char", "--lowercase", "--smooth", "exp"],
        ["sacrebleu", "--tokenize", "intl", "--max-order", "2", "--confidence", "0.9"],
        ["rouge", "--rouge-types", "rouge1,rougeSU4", "--stemmer"],
    ):
        found = json.loads(score(*arguments, "--ref", ref, "--ref", ref, hyp, "--json"))
        assert found["systems"]["hyp"]
        assert found["signature"].startswith(arguments[0])
        assert ("|nrefs:2|" in found["signature"]) == ("bleu" in arguments[0])
        assert "hyp" in score(*arguments, "--ref", ref, hyp)


def test_bad_files_are_one_line_with_file_and_line(tmp_path):
    gold, short, latin, empty, bare, packed, wide = (
        tmp_path / name for name in ("gold", "short", "latin", "empty", "bare", "packed", "wide")
    )
    gold.write_text("a O\nb B-X\n\nc O\n")
    short.write_text("a O\nb B-X\n\nc O\nd O\n")
    latin.write_bytes(b"a O\ncaf\xe9 O\n")
    empty.write_text("\n")
    bare.write_text("a O\nb\n")
    packed.write_bytes(gzip.compress(b"a O\n"))
    wide.write_text("a O\n", encoding="utf-16")
    for arguments, message in (
        (["seqeval", "--gold", gold, short], r"short:4: sentence 2, 2 tags; .*gold:4 has 1"),
        (["seqeval", "--gold", gold, bare], r"bare:2: 1 column in 'b'"),
        (["seqeval", bare], r"bare:2: 1 column in 'b'"),
        (["seqeval", "--gold", latin, gold], r"latin:2: byte 0xe9 is not UTF-8"),
        (["seqeval", packed], "packed: compressed; unpack it: gunzip -k packed"),
        (["seqeval", wide], "wide:1: byte 0xff is not UTF-8; convert it: iconv -f utf-16"),
        (["seqeval", empty], "empty: no tags"),
        (["seqeval", tmp_path / "none"], "none: no such file"),
        (["seqeval", "--pred", gold], "--pred without --gold"),
        (["seqeval"], "no file to score"),
        (["bleu", "--ref", gold, bare], r"bare:2: 2 lines, .*gold has 4"),
        (["rouge", "--ref", tmp_path / "none", bare], "none: no such file"),
    ):
        with pytest.raises(EvenweaveError, match=message) as caught:
            score(*arguments)
        assert "\n" not in str(caught.value)


def test_help_answers_at_once():
    spent = []
    for _ in range(3):
        before = os.times()
        shown = subprocess.run(
            [sys.executable, "-m", "evenweave", "score", "--help"], capture_output=True, text=True, check=True
        )
        after = os.times()
        # Processor time: what the wall shows depends on who else is working.
        spent.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
        assert "seqeval" in shown.stdout
    assert min(spent) < 0.5


def test_perplexity_of_token_probabilities(tmp_path):
    tokens, texts, bad = tmp_path / "tokens", tmp_path / "texts", tmp_path / "bad"
    tokens.write_text("0.2\n0.3\n0.5\n0.7\n0.6\n")
    texts.write_text("-1.6094379124341003 -1.203972804325936\n\n-0.6931471805599453\n")
    bad.write_text("0.5\n0.5 x\n")
    found = json.loads(score("perplexity", tokens, tokens, "--json"))["systems"]
    assert found["tokens" if "tokens" in found else str(tokens)]["perplexity"] == pytest.approx(
        2.39842, abs=1e-5
    )
    assert len(found) == 2
    found = json.loads(score("perplexity", texts, "--log", "--json"))["systems"]["texts"]
    assert found["perplexity"] == pytest.approx((0.2 * 0.3 * 0.5) ** (-1 / 3))
    with pytest.raises(EvenweaveError, match=r"bad:2: 'x' is not a number; give numbers and blanks"):
        score("perplexity", bad)
    tokens.write_text("0.5\n0\n")
    assert '"perplexity": "Infinity"' in score("perplexity", tokens, "--confidence", 0.9, "--json")


def test_names_are_shown_as_they_are_and_levels_to_the_digit(tmp_path):
    file = tmp_path / "[red]a.txt"
    file.write_text("EU B-[/X] B-[/X]\nx O O\n")
    shown = score("seqeval", file)
    assert "[/X]" in shown
    assert "[red]a.txt" in shown
    shown = score("seqeval", file, "--confidence", 0.995, "--json")
    assert json.loads(shown)["systems"]["[red]a.txt"]["overall_f1"] == 1.0
    assert "99.5 % intervals" in score("seqeval", file, "--confidence", 0.995)


def test_both_tests_of_systems(tmp_path):
    text, other = tmp_path / "a", tmp_path / "b"
    text.write_text("the cat sat on the mat\n" * 5)
    other.write_text("the cat sat on the mat\n" * 4 + "a dog\n")
    for test in ("bootstrap", "randomisation"):
        call = ("bleu", "--ref", text, text, text, other, "--compare", "--test", test)
        found = json.loads(score(*call, "--json"))["comparison"]
        assert found["test"] == test
        assert list(found["systems"].values())[1]["bleu"]["p_value"] == 1.0
        assert "*" not in score(*call)
    with pytest.raises(EvenweaveError, match="test: 'x'; give 'bootstrap' or 'randomisation'"):
        score("bleu", "--ref", text, text, other, "--compare", "--test", "x")


def test_infinity_is_told_from_nothing_in_json(tmp_path):
    file = tmp_path / "p"
    file.write_text("0.5 0\n")
    assert json.loads(score("perplexity", file, "--json"))["systems"]["p"]["perplexity"] == "Infinity"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("EU NNP B-ORG B-ORG\nx VB O\n", [], ":2: 3 columns in 'x VB O', 4 in the lines before"),
        ("EU\nrejects O\n\nPeter O\n", ["--gold"], ":2: 2 columns in 'rejects O', 1 in the lines before"),
        ("EU\tB-ORG B-ORG\nx\tO\tO\n", [], ":2: 3 columns"),
        ("EU O O\n\nEU\n", [], ":3: 1 column in 'EU', 3 in the lines before"),
    ],
)
def test_a_line_of_other_columns_is_refused(tmp_path, text, options, message):
    file = tmp_path / "tags"
    file.write_text(text)
    with pytest.raises(EvenweaveError, match=message):
        score("seqeval", *(["--gold", file, "--pred", file] if options else [file]))


def test_an_empty_line_is_a_text_of_no_tokens_and_keeps_its_row(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("0.1 0.2\n\n0.3\n" * 9)
    second.write_text("0.1 0.2\n0.3\n\n" * 9)
    # The same tokens in other rows: their resamples differ, so the files are not the same system.
    found = json.loads(score("perplexity", first, second, "--compare", "--json"))
    assert found["systems"]["first"] == found["systems"]["second"]
    assert (
        found["comparison"]["systems"]["second"]["perplexity"]["mean"]
        != (found["comparison"]["systems"]["first"]["perplexity"]["mean"])
    )
    second.write_text("0.1 0.2\n0.3\n" * 9)
    with pytest.raises(EvenweaveError, match="first has 27, second has 18"):
        score("perplexity", first, second, "--compare")


def test_what_is_wrong_with_probabilities_is_named_by_file_and_line(tmp_path, caplog):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("0.5\n0.5\n0.5 0.1\n0.1\n")
    bad.write_text("0.5\n\n0.5\n0.5 7\n")
    with pytest.raises(EvenweaveError, match=r"bad:4: number 2, 7 is not a probability .* give --log$"):
        score("perplexity", good, bad)
    with pytest.raises(EvenweaveError, match=r"good:1: number 1, 0\.5 is not a log-.* leave out --log$"):
        score("perplexity", good, "--log")
    bad.write_text("0.5\n\n0.5\n0.5 0\n")
    score("perplexity", good, bad, "--compare")
    score("perplexity", good, bad, "--compare", "--json")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2  # once a run
    assert all(f"{bad}:4: number 2: the true token has probability 0" in line for line in said)


def test_no_number_of_a_wide_table_is_cut(tmp_path):
    path = tmp_path / "texts"
    path.write_text("the cat sat on the mat\na dog barked at me\n")
    types = [*(f"rouge{n}" for n in range(1, 10)), "rougeL", "rougeLsum"]
    shown = score("rouge", "--ref", path, path, "--rouge-types", ",".join(types), "--confidence", "0.95")
    assert "…" not in shown
    assert all(f" {name} " in shown for name in types)
    assert shown.splitlines()[0] == "rouge, percent; 95 % intervals; 1000 resamples, seed 0"
