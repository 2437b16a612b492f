"""Words by which tickets are found, in both languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.tickets.search_words import LONGEST, _of_cjk, ask, marks, runs, segments, words


def test_latin_words_are_folded_and_ids_fall_apart() -> None:
    assert words(["Lift 3: DÖOR does not close", "power_factor_low", "ＡＢＣ"]) == sorted(
        ["lift", "3", "door", "does", "not", "close", "power", "factor", "low", "abc"]
    )


def test_chinese_is_found_by_each_letter_and_each_pair() -> None:
    assert words(["2号电梯困人"]) == sorted(["2", "号", "电", "梯", "困", "人", "号电", "电梯", "梯困", "困人"])


def test_a_question_in_chinese_asks_for_pairs_and_a_single_letter_for_itself() -> None:
    assert ask("电梯困人").words == ("电梯", "梯困", "困人")
    assert ask("泵").words == ("泵",)
    assert ask("3 号梯").words == ("3", "号梯")


def test_a_word_with_letters_may_be_a_beginning_and_a_number_must_be_whole() -> None:
    question = ask("Trans 12 k5")
    assert (question.words, question.prefixes) == (("12",), ("trans", "k5"))
    assert question.for_sqlite() == '"12" AND "trans" * AND "k5" *'
    assert question.for_postgresql() == "'12' & 'trans':* & 'k5':*"


@pytest.mark.parametrize("text", ["", "  ", "!?…", "%_", "' OR 1=1", '"; DROP TABLE ticket; --', "\x00"])
def test_signs_are_no_words(text: str) -> None:
    question = ask(text)
    assert all(letter not in word for word in (*question.words, *question.prefixes) for letter in "'\"%_;\x00")


def test_what_was_found_is_marked_where_it_stands() -> None:
    assert segments("Contactor K5 welded", ask("k5 contact")) == [
        ("Contactor", True),
        (" ", False),
        ("K5", True),
        (" welded", False),
    ]
    assert segments("电梯困人，困人已解救", ask("困人")) == [
        ("电梯", False),
        ("困人", True),
        ("，", False),
        ("困人", True),
        ("已解救", False),
    ]
    assert segments("a" * 100 + " door " + "b" * 100, ask("door"), 5) == [
        ("…", False),
        ("aaaa ", False),
        ("door", True),
        (" bbbb", False),
        ("…", False),
    ]


@given(st.text(), st.text())
def test_pieces_put_together_are_the_text(text: str, wanted: str) -> None:
    assert "".join(piece for piece, _ in segments(text, ask(wanted))) == text


@given(st.text(max_size=40))
def test_a_text_is_found_by_itself(text: str) -> None:
    question, there = ask(text), set(words([text]))
    assert set(question.words) <= there
    assert all(any(word.startswith(one) for word in there) for one in question.prefixes)
    assert all(start < end for start, end in marks(text, question))


@given(
    st.text(st.sampled_from("aZ9 é'\u0301-_/.,：，升降机泵水か゚ｱ㈱Ⅳß\u3005\u4e00\u9fff") | st.characters(), max_size=30)
)
def test_words_of_common_letters_are_found_as_those_of_any(text: str) -> None:
    slowly = {word for run in runs(text) for word in (_of_cjk(run.text) if run.is_cjk else (run.text[:LONGEST],))}
    assert words([text]) == sorted(slowly)
