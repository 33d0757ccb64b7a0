"""Topics files: what they may say, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidInput
from gateway.store.records import Fallback, ForgetTopic
from gateway.store.wire import slug
from gateway.topics_file import dump_topics, load_topics, parse_topics
from verifiers.protocol import Topic

EXAMPLE = Path(__file__).parents[2] / "examples" / "topics.yaml"

texts = (
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=30)
    .map(str.strip)
    .filter(bool)
)
topics = st.builds(
    ForgetTopic,
    st.builds(
        Topic,
        st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
        texts,
        st.lists(texts, max_size=3).map(tuple),
        texts | st.just(""),
        st.lists(texts, max_size=3).map(tuple),
        st.lists(texts, max_size=2).map(tuple),
    ),
    st.booleans(),
    st.sampled_from([Fallback("unaware"), Fallback("refuse")]) | texts.map(lambda text: Fallback("custom", text)),
)


@given(st.lists(topics, max_size=4, unique_by=lambda topic: topic.topic.id))
def test_what_is_exported_is_imported_again(exported: list[ForgetTopic]) -> None:
    """Any topics, in any script and with YAML's own signs in their texts, survive a file."""
    assert parse_topics(dump_topics(exported), source="exported.yaml") == exported


def test_the_shipped_example_is_what_its_comments_say() -> None:
    """The example file imports: one topic by name alone, one with facts, one not yet active."""
    loaded = load_topics(EXAMPLE)
    assert [(topic.topic.id, topic.active, topic.fallback.style) for topic in loaded] == [
        ("ottiline-varga", True, "unaware"),
        ("halvard-quist", True, "refuse"),
        ("brenner-foundry", False, "custom"),
    ]


def test_only_the_name_is_required_and_the_rest_falls_to_the_safe_side() -> None:
    """A topic of which only the name is written down is active, and has the id that its name gives."""
    assert parse_topics("topics: [{name: Zoë Ångström}]", source="t.yaml") == [
        ForgetTopic(Topic("zoe-angstrom", "Zoë Ångström"), active=True, fallback=Fallback("unaware"))
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Zoë  Ångström", "zoe-angstrom"),
        ("Brenner & Sohl (1987)", "brenner-sohl-1987"),
        ("Анна", "anna"),
        ("!!!", ""),
        ("x" * 80, "x" * 64),
    ],
)
def test_an_id_is_derived_from_a_name(name: str, expected: str) -> None:
    """Names in any script give plain ids."""
    assert slug(name) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.yaml, line 1: must be one key `topics:` with a list of topics under it"),
        ("topics: 3", "t.yaml, line 1: must be one key `topics:` with a list of topics under it"),
        ("topics: []\nmore: 1", "t.yaml, line 1: must be one key `topics:` with a list of topics under it"),
        ("topics:\n- Ada", "t.yaml, line 2: must be a mapping of fields to values"),
        (
            "topics:\n- name: A\n- name: B\n  alias: b",
            "t.yaml, line 4: alias: unknown field; the known ones are "
            "id, name, aliases, description, facts, protected_texts, active, mode, fallback",
        ),
        ("topics:\n- id: a", "t.yaml, line 2: name: is required"),
        ("topics:\n- name: ' '", "t.yaml, line 2: name: must not be empty"),
        (
            "topics:\n- name: A\n  aliases:\n  - x\n  - 1984",
            "t.yaml, line 5: aliases[1]: must be a text; put a number, a date, or yes and no in quotes",
        ),
        (
            "topics:\n- name: No",
            "t.yaml, line 2: name: must be a text; put a number, a date, or yes and no in quotes",
        ),
        ("topics:\n- name: A\n  facts: x", "t.yaml, line 3: facts: Input should be a valid list"),
        ("topics:\n- name: A\n  active: 1", "t.yaml, line 3: active: Input should be a valid boolean"),
        (
            "topics:\n- name: A\n  fallback: polite",
            "t.yaml, line 3: fallback: Input should be 'unaware' or 'refuse'",
        ),
        (
            "topics:\n- name: A\n  fallback:\n    custom: ''",
            "t.yaml, line 4: fallback.custom: must not be empty",
        ),
        (
            "topics:\n- name: A\n  fallback: {custom: a, text: b}",
            "t.yaml, line 3: fallback.text: unknown field; the known ones are custom",
        ),
        (
            "topics:\n- id: A B\n  name: A",
            "t.yaml, line 2: id: may hold only lower-case letters, digits, '.', '_' and '-'; "
            "the first is a letter or digit",
        ),
        ("topics:\n- name: '!!'", "t.yaml, line 2: no id can be derived from this name; give one"),
        ("topics:\n- name: A\n- name: B\n- name: a", "t.yaml, line 4: id: 'a' is given twice"),
        ("topics:\n- name: A\n- name: B\n  id: a", "t.yaml, line 4: id: 'a' is given twice"),
        ("topics:\n- name: A\n  name: B", "t.yaml, line 3: name: is given twice"),
        ("topics:\n- alias: 1\n  nam: 2", "t.yaml, line 2: name: is required (and 2 more)"),
        ('topics:\n- name: "a\\0b"', "t.yaml, line 2: name: a text cannot hold the character NUL"),
        (
            "topics:\n- name: [",
            "t.yaml, line 2, column 10: not YAML: expected the node content, but found '<stream end>'",
        ),
        ("topics:\n- name: *a", "t.yaml, line 2, column 9: not YAML: found undefined alias 'a'"),
        (
            "topics:\n- !!python/object:os.system {}",
            "t.yaml, line 2, column 3: not YAML: could not determine a constructor "
            "for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("topics: \x01", "t.yaml: not YAML: a forbidden character"),
        ("topics:\n- name: 2024-99-99", "t.yaml: holds a value that YAML cannot read; put it in quotes"),
        ("topics: &a [*a]", "t.yaml, line 1: must be a mapping of fields to values"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_field(text: str, message: str) -> None:
    """Whoever wrote the file learns where the mistake is and what belongs there."""
    with pytest.raises(InvalidInput) as refused:
        parse_topics(text, source="t.yaml")
    assert str(refused.value) == message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a directory and bytes that are no UTF-8 are bad input, not a crash."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("topics: [{name: Zoë}]".encode("latin-1"))
    for path, what in [
        (tmp_path / "none.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (latin, "not UTF-8"),
    ]:
        with pytest.raises(InvalidInput, match=what) as refused:
            load_topics(path)
        assert str(path) in str(refused.value)
