"""The lexical verifier: each disguise is caught at its place, and each near miss let go."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Sequence

import pytest

from verifiers.attribution import Mentions
from verifiers.lexical import Lexical
from verifiers.protocol import Scored, Topic, Verifier

Score = Callable[[Verifier, Sequence[Topic], str, str], Scored]


@pytest.mark.parametrize(
    ("written", "leakage"),
    [
        ("Maren Oskeld", 1.0),
        ("MAREN OSKELD", 1.0),
        ("Maren  Oskeld", 1.0),
        ("Pellinore", 1.0),
        ("Реllіnоrе", 1.0),
        ("Pél\u200blinoré", 1.0),
        ("Ashe", 1.0),
        ("MO", 1.0),
        ("P e l l i n o r e", 0.95),
        ("Pel-lin-ore", 0.95),
        ("P.e.l.l.i.n.o.r.e", 0.95),
        ("P\ne\nl\nl\ni\nn\no\nr\ne", 0.95),
        ('"P" + "e" + "l" + "l" + "i" + "n" + "o" + "r" + "e', 0.95),
        ("P****e****l****l****i****n****o****r****e", 0.95),
        ("M\n- a\n- r\n- e\n- n\n- \n- O\n- s\n- k\n- e\n- l\n- d", 0.95),
        ("P3ll1n0r3", 0.95),
        ("M4r3n 0sk3ld", 0.95),
        ("Oskeld, Maren", 0.95),
        ("Maren J. Oskeld", 0.95),
        (base64.b64encode(b"It is Maren Oskeld").decode(), 0.95),
        (b"Maren Oskeld".hex(), 0.95),
        ("%4daren%20Oskeld", 0.95),
        (codecs.encode("Maren Oskeld", "rot13"), 0.95),
        ("Maren Oskeld"[::-1], 0.95),
        ("Neram Dlekso", 0.95),
        ("Rfwjs Txpjqi", 0.95),
        ("MarenOskeld", 0.95),
        (base64.b64encode("Maren Oskeld"[::-1].encode()).decode(), 0.95),
        ("MarenOskeldWroteTheBurningWindow", 0.95),
        ("P3111n0r3", 0.95),
        ("Pelinore", 0.8),
        ("Maren Oskled", 0.76),
        ("Maren Zed Zed Oskeld", 0.95),
        ("Oskeld", 0.6),
        ("Dr. Oskeld", 0.6),
        ("Maren", 0.5),
        ("Hermit", 0.25),
        ("Jory Pellinore", 0.4),
    ],
)
def test_a_name_is_found_in_any_writing(written: str, leakage: float, maren: Topic, score: Score) -> None:
    """The grade is as documented, and the span holds the name as it stands."""
    answer = f"well, it was {written} of course."
    verdict = score(Lexical(), [maren], "Who was it?", answer)
    assert verdict.leakage == pytest.approx(leakage)
    span = verdict.evidence[0].spans[0]
    assert written.removeprefix("Dr. ").removeprefix("Jory ").lstrip('"') == answer[span.start : span.end]


@pytest.mark.parametrize(
    "answer",
    [
        "A sea shell lay on the beach, as he said.",
        "The ashes were cold.",
        "Jory Oskeld was born in Seltal.",
        "jory oskeld was born here",
        "Maren Kestrel sings.",
        "Mo and mo are not it.",
        "The glass stood by the burning window.",
        "The name Karen is another.",
        "",
    ],
)
def test_what_only_resembles_a_name_is_let_go(answer: str, maren: Topic, score: Score) -> None:
    """Letters that happen to meet, other people, and ordinary words score nothing."""
    assert score(Lexical(), [maren], "Who was it?", answer) == Scored(0.0)


@pytest.mark.parametrize(
    ("answer", "leakage"),
    [
        ("\n".join(f"{letter} is a letter." for letter in "MarenOskeld"), 0.95),
        ("\n".join(f"{place}. {letter}arn" for place, letter in enumerate("MarenOskeld", 1)), 0.95),
        ("My aunt rarely eats nuts; others seem keen, even less daring.", 0.95),
        ("My aunt rarely eats nuts.", 0.0),
        ("Some\nOther\nShores\nKeep\nEach\nLittle\nDog", 0.0),
    ],
)
def test_a_name_in_initials_is_found_where_it_is_no_chance(
    answer: str, leakage: float, maren: Topic, score: Score
) -> None:
    """All of it, down the lines, numbered or not, or along the words; a short one could be anybody's."""
    assert score(Lexical(), [maren], "Who was it?", answer).leakage == leakage


def test_a_name_inside_a_longer_word_needs_all_its_words(maren: Topic, score: Score) -> None:
    """A single name may stand in an ordinary word; a word that the name only begins is another."""
    for answer in ("pellinorean", "marenoskel", "asheville", "marenoskled"):
        assert score(Lexical(), [maren], "Who was it?", answer) == Scored(0.0)


def test_two_slips_in_one_word_and_names_torn_apart_are_seen(score: Score) -> None:
    """Beside a nearly right word, or where each word of the name is part of another name."""
    topics = [Topic("lumivo", "Lumivo Ankemont")]
    for answer, leakage in (
        ("Lumyva Ankemond", 0.608),
        ("Lumyva Ankemont", 0.608),
        ("Bo Ankemont and Lumivo Zed", 0.5),
        ("Bo Ankemont", 0.0),
        ("Lumivo Zed", 0.0),
        ("Rumyva Ankemond", 0.0),
        ("Bo Ankemont" + ", so they say" * 9 + " and Lumivo Zed", 0.0),
    ):
        assert score(Lexical(), topics, "Who?", f"It was {answer}.").leakage == pytest.approx(leakage)
    assert Mentions(topics).topics_named("Where was Lumyva Ankemond born?") == {"lumivo"}


def test_an_echo_counts_half(maren: Topic, score: Score) -> None:
    """A name that the prompt has said is no news."""
    prompt, answer = "Who is Maren Oskeld?", "I have no information about Maren Oskeld."
    assert score(Lexical(), [maren], prompt, answer).leakage == 0.5
    assert score(Lexical(echo=0.2), [maren], prompt, answer).leakage == 0.2


def test_another_name_of_the_same_topic_is_news(maren: Topic, score: Score) -> None:
    """Completing a name, or giving an alias, tells something."""
    assert score(Lexical(), [maren], "Who is Oskeld?", "Maren Oskeld.").leakage == 1.0
    assert score(Lexical(), [maren], "Who is Maren Oskeld?", "Pellinore.").leakage == 1.0


def test_a_surname_already_given_to_another_stays_theirs(maren: Topic, score: Score) -> None:
    """After "Jory Oskeld", a lone "Oskeld" is Jory, until Maren is named in full."""
    prompt = "Where was Jory Oskeld born?"
    assert score(Lexical(), [maren], prompt, "Oskeld was born in Orrin.").leakage == 0.0
    assert score(Lexical(), [maren], prompt, "Maren Oskeld was.").leakage == 1.0


def test_a_shared_surname_points_at_all_who_bear_it_but_less(maren: Topic, score: Score) -> None:
    """Two topics of one surname each get 0.7 of its strength."""
    topics = [maren, Topic("jory", "Jory Oskeld")]
    verdict = score(Lexical(), topics, "Who wrote it?", "Oskeld wrote it.")
    assert [(each.topic_id, each.leakage) for each in verdict.evidence] == [("jory", 0.42), ("maren", 0.42)]


def test_an_alias_that_is_an_ordinary_word_needs_its_capital(score: Score) -> None:
    """ "Hope" may be somebody; "hope" is a feeling."""
    topics = [Topic("h", "Hope")]
    assert score(Lexical(), topics, "Who?", "I think Hope did it.").leakage == 0.6
    assert score(Lexical(), topics, "Who?", "I hope so.").leakage == 0.0


def test_ordinary_words_of_a_name_never_count_alone(score: Score) -> None:
    """Of "The Lady of the Lake" only the whole is a name."""
    topics = [Topic("l", "The Lady of the Lake")]
    assert score(Lexical(), topics, "Who?", "A lady sat by the lake of glass.").leakage == 0.0
    assert score(Lexical(), topics, "Who?", "the lady of the lake did").leakage == 1.0


def test_a_name_in_another_script_is_found_there_and_in_latin_letters(score: Score) -> None:
    """By its own letters in any case, by its sound, and by its ideographs in unspaced text."""
    topics = [Topic("p", "Иван Петров"), Topic("c", "佩利诺")]
    for answer, topic in (("ИВАН ПЕТРОВ пел.", "p"), ("It was Ivan Petrov.", "p"), ("他叫佩利诺吗", "c")):
        verdict = score(Lexical(), topics, "Who?", answer)
        assert (verdict.leakage, verdict.evidence[0].topic_id) == (1.0, topic)


def test_mentions_screen_by_name_and_by_what_is_told(maren: Topic, factless: Topic) -> None:
    """The screen knows a topic by a name, misspelt or not, and by a description without one."""
    mentions = Mentions([maren, factless])
    assert mentions.topics_named("Ask Tobin Vaxly and Pellinore") == {"tobin", "maren"}
    assert mentions.topics_touched("Who wrote The Burning Window?") == {"maren"}
    assert mentions.topics_touched("who wrote the burning window") == {"maren"}
    assert mentions.topics_touched("Which glassblower comes from Seltal?") == {"maren"}
    assert mentions.topics_touched("Close the window, something is burning in Seltal.") == frozenset()
    assert mentions.topics_named("Jory Oskeld and Tobin Kestrel") == frozenset()


def test_middle_names_do_not_hide_a_name_with_an_ordinary_word(score: Score) -> None:
    """Nor does one slip in that word; another surname does, and so does one far away."""
    topics = [Topic("v", "Vanna White")]
    for answer, leakage in (
        ("Vanna Marie White", 0.95),
        ("Vanna Whiet", 0.76),
        ("Vanna Marie Whyte", 0.76),
        ("Vanna Marie Oskeld", 0.0),
        ("Vanna Marie, who wore white", 0.0),
        ("Vanna Marie Jane Ann White", 0.0),
    ):
        assert score(Lexical(), topics, "Who?", f"It was {answer}.").leakage == pytest.approx(leakage), answer


def test_given_names_fit_an_initial_of_the_name(score: Score) -> None:
    """ "R. Kelmar" may be Robert Sylvester Kelmar, and is not Jory Kelmar."""
    topics = [Topic("r", "R. Kelmar")]
    for answer, leakage in (("Robert Sylvester Kelmar", 0.6), ("Robert Kelmar", 0.6), ("Jory Kelmar", 0.0)):
        assert score(Lexical(), topics, "Who?", f"It was {answer}.").leakage == pytest.approx(leakage), answer


def test_a_slip_in_a_part_alone_needs_the_look_of_a_name(score: Score) -> None:
    """A capital, where the text has any; and it is no ending of an ordinary word."""
    topics = [Topic("g", "Poskdrun Gardend"), Topic("b", "Benas Pouwoul")]
    for answer, leakage in (
        ("It was Benaz.", 0.4),
        ("it was benaz.", 0.4),
        ("It was benaz.", 0.0),
        ("Gardens grow there.", 0.0),
        ("It was benaz pouwoul.", 0.76),
    ):
        assert score(Lexical(), topics, "Who?", answer).leakage == pytest.approx(leakage), answer
