from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from evenweave.report.highlight import highlight, kinds_in, legend

SPANS = st.lists(
    st.builds(
        lambda a, n, label: {"start": a, "end": a + n, "label": label},
        st.integers(0, 25),
        st.integers(0, 9),
        st.sampled_from(["PER", "<b>", 'L"&']),
    ),
    max_size=6,
)


@given(text=st.text(max_size=25), spans=SPANS)
def test_without_its_marks_the_html_is_the_text(text: str, spans: list[dict[str, object]]) -> None:
    html = highlight(text, spans)
    bare = re.sub(r"<small>[^<]*</small>|</?mark[^>]*>", "", html)
    assert "<" not in bare
    assert bare == _escaped(text)


def _escaped(text: str) -> str:
    for plain, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        text = text.replace(plain, safe)
    return text


def test_spans_of_the_pipeline_and_of_gold_look_alike() -> None:
    gold = [{"start": 0, "end": 2, "label": "PER"}]
    assert highlight("Al", gold) == highlight("Al", [{"start": 0, "end": 2, "entity_group": "PER"}])
    assert 'class="k0 same"' in highlight("Al", gold, same=gold)
    assert 'class="k0 same"' not in highlight("Al", gold, same=[{"start": 0, "end": 2, "label": "LOC"}])


def test_kinds_keep_their_colours() -> None:
    kinds = kinds_in([{"label": "B"}], [{"entity": "A"}])
    assert kinds == ["A", "B"]
    assert 'class="k1"' in highlight("x", [{"start": 0, "end": 1, "label": "B"}], kinds=kinds)
    assert legend(["<A>"]) == '<p class="legend"><mark class="k0">&lt;A&gt;</mark></p>'
