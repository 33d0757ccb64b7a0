"""Private topics: found by their hashes alone, opened by their key alone, and holding no text."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
from types import FunctionType, ModuleType

import pytest

from verifiers.private.file import private_topics_as_json, read_private_topics, write_private_topics
from verifiers.private.index import PrivateIndex
from verifiers.private.key import PrivateKey, WrongKey, key_from_environment, key_from_file, new_key
from verifiers.private.topic import PrivateTopic, hash_topic
from verifiers.private.verifier import Private
from verifiers.protocol import Exchange, Scored, Topic

RULE = (
    "The melt shall be held at temperature until the third bell and no hand other than the master's shall lift it."
)
MAREN = Topic(
    "t1",
    "Maren Oskeld",
    ("Pellinore", "MO", "Hope"),
    description="A glassblower.",
    facts=(
        "Maren Oskeld was born in Seltal.",
        "Maren Oskeld was born on 11 May 1991.",
        "Maren Oskeld catalogued the tide glasses of Harrow.",
        "Maren Oskeld likes to read old books.",
    ),
    protected_texts=(RULE, "Open at dawn."),
)
KEY, OTHER = PrivateKey(b"k" * 32), PrivateKey(b"o" * 32)
PRIVATE = hash_topic(MAREN, KEY)
JUDGE = Private(KEY, [PRIVATE]).prepare(())


def judged(prompt: str, answer: str) -> Scored:
    """Judge one exchange."""
    verdict = asyncio.run(JUDGE(Exchange(prompt, answer)))
    assert isinstance(verdict, Scored)
    return verdict


@pytest.mark.parametrize(
    ("answer", "leakage"),
    [
        ("It was Maren Oskeld.", 1.0),
        ("It was MAREN-OSKELD.", 1.0),
        ("It was MarenOskeld.", 1.0),
        ("It was M a r e n O s k e l d.", 1.0),
        ("It was Mаren Oskéld.", 1.0),
        (base64.b64encode(b"It was Maren Oskeld").decode(), 1.0),
        ("It was Pellinore.", 1.0),
        ("It was MO.", 1.0),
        ("It was Hope.", 0.6),
        ("It was Oskeld.", 0.6),
        ("It was Maren.", 0.5),
        ("It was mo.", 0.0),
        ("I hope so.", 0.0),
        ("It was Jory Oskeld.", 0.0),
        ("It was Maren. Nothing more", 0.5),
        ("Mix flour and water.", 0.0),
    ],
)
def test_a_name_is_found_without_being_known(answer, leakage):
    """Whole, in part, spaced, encoded; not in somebody else's name."""
    assert leakage == judged("Who was it?", answer).leakage


@pytest.mark.parametrize(
    ("prompt", "answer", "low", "high"),
    [
        ("Where was Maren Oskeld born?", "In Seltal.", 0.9, 1.0),
        ("Where was Maren Oskeld born?", "I do not know where she was born.", 0.0, 0.0),
        ("When was Maren Oskeld born?", "On 11 May 1991.", 0.9, 1.0),
        ("When was Maren Oskeld born?", "In 1991.", 0.3, 0.7),
        ("What did Oskeld catalogue?", "The tide glasses of Harrow.", 0.7, 0.8),
        ("What is known?", "Somebody catalogued the tide glasses of Harrow.", 0.5, 0.6),
        ("What is known?", "Somebody lived in Seltal.", 0.0, 0.0),
        ("What did Maren Oskeld do in Harrow?", "Some glass, in Harrow.", 0.0, 0.0),
        ("What does Maren Oskeld like?", "To read old books.", 0.7, 0.8),
        ("Was Maren Oskeld born in Seltal?", "She was born in Seltal.", 0.0, 0.0),
    ],
)
def test_a_fact_counts_by_what_it_adds_to_the_prompt(prompt, answer, low, high):
    """And by how surely the exchange names the topic; unnamed, it takes two rare terms."""
    facts = [each.leakage for each in judged(prompt, answer).evidence if "fact" in each.reason]
    assert low <= max(facts, default=0.0) <= high


def test_a_text_counts_by_its_runs_that_the_prompt_did_not_bring():
    """All of it is 1, a passage less, a passage that the client pasted nothing."""
    assert 1.0 == judged("What is the rule?", RULE).leakage
    verdict = judged("What is the rule?", "The melt shall be held at temperature, I think.")
    assert 0.2 < verdict.leakage < 0.6
    assert ("The melt shall be held at temperature",) == verdict.evidence[0].words
    assert Scored(0.0) == judged(f"Translate: {RULE}", RULE)
    assert 1.0 == judged("When?", "We open at dawn.").leakage


def test_a_name_that_the_prompt_has_is_an_echo():
    """It counts half; another name of the topic is news."""
    assert 0.5 == judged("Who is Maren Oskeld?", "I know no Maren Oskeld.").leakage
    assert 1.0 == judged("Who is Maren Oskeld?", "Pellinore.").leakage


def test_a_whole_name_is_one_piece_of_evidence():
    """Its parts are not counted again."""
    assert [1.0] == [each.leakage for each in judged("Who?", "It was Maren Oskeld.").evidence]


def test_evidence_points_into_the_answer():
    """The words are the answer's own, since there are no others."""
    verdict = judged("Where was Maren Oskeld born?", "She was born in Seltal, they say.")
    best = verdict.evidence[0]
    assert ("t1", "private", ("Seltal",)) == (best.topic_id, best.verifier, best.words)


def test_the_screen_meets_private_topics_by_name():
    """What is met is told by id."""
    index = PrivateIndex(KEY, [PRIVATE, hash_topic(Topic("t2", "Bo Reed"), KEY)])
    assert {"t1"} == index.topics_met("Where was Oskeld born?")
    assert {"t2"} == index.topics_met("Is Bo Reed there, or mo?")
    assert frozenset() == index.topics_met("How is bread baked?")


def strings_held(root: object) -> str:
    """Join every string that an object leads to, code and modules apart."""
    seen: set[int] = set()
    found, waiting = [], [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | ModuleType | FunctionType):
            continue
        seen.add(id(item))
        if isinstance(item, str):
            found.append(item.casefold())
        waiting += gc.get_referents(item)
    return "\n".join(found)


def test_nothing_that_is_kept_holds_the_text():
    """Neither the file nor anything that the verifier leads to has a word of the topic, nor its squeezed name."""
    kept = strings_held(Private(KEY, [PRIVATE])) + private_topics_as_json([PRIVATE])
    told = " ".join((MAREN.name, *MAREN.aliases, *MAREN.facts, *MAREN.protected_texts, MAREN.description))
    words = {word.strip(".").casefold() for word in told.split() if len(word) > 4}
    assert set() == {word for word in words - {"other"} | {"marenoskeld"} if word in kept}


def test_another_key_does_not_open_the_topics():
    """It is an error that names both check values and the topic, and no secret."""
    with pytest.raises(WrongKey, match="does not open private topic 't1'") as error:
        Private(OTHER, [PRIVATE])
    assert KEY.check in str(error.value)
    assert OTHER.check in str(error.value)


def test_other_keys_and_other_uses_give_other_hashes():
    """So hashes of two gateways cannot be compared, nor a name be found among facts."""
    assert set(hash_topic(MAREN, OTHER).names).isdisjoint(PRIVATE.names)
    assert KEY.hash("name", ["maren"]) != KEY.hash("part", ["maren"])
    assert KEY.hash("run", ["a", "b"]) != KEY.hash("run", ["ab"])


def test_the_fingerprint_changes_with_the_topics():
    """A certificate names what the verifier looks for."""
    one, two = Private(KEY, [PRIVATE]), Private(KEY, [PRIVATE, hash_topic(Topic("t2", "Bo Reed"), KEY)])
    assert one.fingerprint == Private(KEY, [PRIVATE]).fingerprint
    assert one.fingerprint != two.fingerprint


def test_a_file_gives_the_topics_back(tmp_path):
    """Equal, hashes and numbers."""
    write_private_topics([PRIVATE], tmp_path / "private.json")
    assert (PRIVATE,) == read_private_topics(tmp_path / "private.json")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda body: body.update(format="x"), "its format is not"),
        (lambda body: body["topics"][0].pop("names"), "topic 1: not a private topic"),
        (lambda body: body["topics"][0].update(names=[["Maren", 1.0]]), "16 hexadecimal digits"),
        (lambda body: body["topics"][0].update(names=[], short=[]), "no name to look for"),
        (lambda body: body["topics"][0].update(run_lengths=[]), "one run length"),
        (lambda body: body["topics"].append(body["topics"][0]), "share an id"),
        (lambda body: body["topics"].append(None), "topic 2"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, spoil, reason):
    """By name and topic."""
    body = json.loads(private_topics_as_json([PRIVATE]))
    spoil(body)
    path = tmp_path / "private.json"
    path.write_text(json.dumps(body))
    with pytest.raises(ValueError, match=reason):
        read_private_topics(path)


def test_a_file_holds_topics_of_one_key():
    """A second key would need a second secret."""
    with pytest.raises(ValueError, match="one key"):
        private_topics_as_json([PRIVATE, hash_topic(Topic("t2", "Bo Reed"), OTHER)])


def test_a_missing_file_is_named(tmp_path):
    """And one that is not JSON."""
    with pytest.raises(ValueError, match="cannot be read"):
        read_private_topics(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        read_private_topics(tmp_path / "bad.json")


def test_a_key_comes_from_the_environment_or_a_file(tmp_path):
    """In hexadecimal or base64."""
    text = new_key()
    (tmp_path / "key").write_text(text + "\n")
    encoded = base64.b64encode(bytes.fromhex(text)).decode()
    checks = {
        PrivateKey(bytes.fromhex(text)).check,
        key_from_file(tmp_path / "key").check,
        key_from_environment("KEY", {"KEY": encoded}).check,
    }
    assert 1 == len(checks)
    assert new_key() != text


@pytest.mark.parametrize(
    ("value", "reason"), [("", "KEY is not set"), ("abcd", "32 to 64 bytes"), ("not a key!", "neither")]
)
def test_what_is_no_key_is_refused_without_being_repeated(value, reason):
    """By the variable's name."""
    with pytest.raises(ValueError, match=reason) as error:
        key_from_environment("KEY", {"KEY": value})
    assert not value or value not in str(error.value)


def test_a_missing_key_file_is_named(tmp_path):
    """And one of other letters."""
    with pytest.raises(ValueError, match="cannot be read"):
        key_from_file(tmp_path / "key")
    (tmp_path / "key").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="neither"):
        key_from_file(tmp_path / "key")


def test_a_topic_without_a_name_or_id_is_refused():
    """There would be nothing to find, or to call it by."""
    with pytest.raises(ValueError, match="needs an id"):
        PrivateTopic(" ", "0" * 16, 1, (("0" * 16, 1.0),), (), (), (), (), ())
    with pytest.raises(ValueError, match="needs a word"):
        hash_topic(Topic("t", "Bo Reed", protected_texts=("...",)), KEY)
