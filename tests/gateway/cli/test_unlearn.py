"""`lethe unlearn langevin` and `pcmu` through typer's own runner, on real files."""

from __future__ import annotations

import json

import pytest

from unlearners.promise import Indistinguishable

CSV = "--data {people.csv}"
LANGEVIN = f"train langevin {CSV} --label answer --id person --set batch=20 --set training_epochs=5"


@pytest.fixture
def trained(terminal):
    """Begin with a head, and a file that asks for p3 and p17."""
    terminal.done(LANGEVIN + " --out {head} --seed 1")
    terminal.write("ids.txt", "p3\n\np17\n")
    return terminal


def forget(method="langevin", model="head", ids="ids.txt", out="new", data="people.csv", more=""):
    """Write the command."""
    return f"unlearn {method} --model {{{model}}} --data {{{data}}} --forget {{{ids}}} --out {{{out}}} {more}"


def test_a_request_is_certified_and_the_certificate_verifies(trained):
    """The words, the file, and the check by another command agree; the old head stays as it was."""
    old = trained.weights("head")
    said = trained.done(forget())
    certificate = trained.certificate("new")
    assert Indistinguishable(1.0, 1 / 60, "deletion", "tight") == certificate.promise
    assert ((3, 17),) == tuple(one.rows for one in certificate.served)
    assert "(1, 0.0167)-indistinguishable from retraining" in said
    assert "lethe certificate verify" in said
    assert "its promise follows from its parameters" in trained.done("certificate verify {new}")
    assert old == trained.weights("head")
    assert old != trained.weights("new")


def test_verify_compares_the_data_with_the_certificate_s(trained):
    """Read as the directory says or as the options say; other rows are unsound, exit code 4."""
    trained.done(forget())
    for file in ("{new}", "{new/unlearning.json} --label answer --id person"):
        said = trained.done(f"certificate verify {file} --data {{people.csv}}")
        assert "people.csv is what was trained on: 60 rows of 3 features with digest " in said
    other = trained("certificate verify {new} --data {long.csv}")
    assert (4, True) == (other.exit_code, "the certificate is about 60 rows of 3 features" in other.stderr)
    assert "none.csv" in trained.refused("certificate verify {new} --data {none.csv}")
    assert "has no column 'label'" in trained.refused(
        "certificate verify {new/unlearning.json} --data {people.csv}"
    )


def test_a_list_with_a_byte_order_mark_is_read(trained):
    """As a spreadsheet or an editor may leave it; so is a table."""
    trained.write("ids.txt", "\ufeffp3\np17\n")
    trained.write("people.csv", "\ufeff" + (trained.folder / "people.csv").read_text())
    trained.done(forget())
    trained.write("more.jsonl", '\ufeff{"id": "p40"}\n')
    trained.done(forget(model="new", ids="more.jsonl", out="newer"))
    assert ((3, 17), (40,)) == tuple(one.rows for one in trained.certificate("newer").served)


def test_what_was_kept_and_what_was_forgotten_is_told_and_recorded(trained):
    """In accuracy before and after, beside the commonest answer's; and what the next request will cost."""
    said = trained.done(forget())
    assert "Answered right, before → after:" in said
    assert "forget (2 rows)" in said
    assert "retain (58 rows)" in said
    assert "always the commonest answer" in said
    assert "  1 row in the next request: " in said
    figures = json.loads((trained.folder / "new" / "measured.json").read_text())["figures"]
    assert [("forget", 2), ("retain", 58)] == [(one["name"], one["units"]) for one in figures]


def test_a_second_request_builds_on_the_first(trained):
    """Both are in the certificate, and it verifies."""
    trained.done(forget())
    trained.write("more.jsonl", json.dumps({"id": "p40", "text": "whatever"}) + "\n")
    trained.done(forget(model="new", ids="more.jsonl", out="newer"))
    assert ((3, 17), (40,)) == tuple(one.rows for one in trained.certificate("newer").served)
    trained.done("certificate verify {newer}")


def test_requests_can_be_made_one_by_one(trained):
    """Each row its own request, in the order of the file."""
    trained.done(forget(more="--one-by-one"))
    assert ((3,), (17,)) == tuple(one.rows for one in trained.certificate("new").served)


def test_the_same_seed_forgets_to_the_same_weights(trained):
    """So does the whole way from the training on."""
    assert "continuing" not in trained(forget()).stderr
    trained.done(forget(out="again"))
    assert trained.weights("new") == trained.weights("again")


def test_a_row_that_is_not_in_the_data_is_refused(trained):
    """The assumption is named, and nothing is written."""
    trained.write("ids.txt", "p3\nstranger\n")
    complaint = trained.refused(forget())
    assert "there is no row 'stranger'; the ids are such as 'p0', 'p1' (violated assumption: " in complaint
    assert not (trained.folder / "new").exists()
    assert not list(trained.folder.glob(".*"))


def test_a_row_is_forgotten_once(trained):
    """A second request for it is refused."""
    trained.done(forget())
    complaint = trained.refused(forget(model="new", out="newer"))
    assert "(violated assumption: a row is forgotten once)" in complaint


def test_other_data_than_the_training_s_is_refused(trained):
    """One changed number is enough: the promise is about the data that were trained on."""
    first, second, *rest = (trained.folder / "people.csv").read_text().splitlines()
    person, _, *others = second.split(",")
    trained.write("people.csv", "\n".join((first, ",".join((person, "0.01", *others)), *rest)) + "\n")
    complaint = trained.refused(forget())
    assert "(violated assumption: the model was trained on this data with these settings)" in complaint


def test_a_budget_that_is_spent_refuses_and_says_what_to_do(terminal):
    """Requests within it leave the weights as they are; the next one is refused."""
    terminal.done(
        "train pcmu --data {people.npz} --set variant=sampled --set steps=3 --set rate=0.1 --set threshold=0.1"
        " --set sigma=0.9 --set epsilon=5 --out {coded}"
    )
    budget = terminal.certificate("coded").remaining.rows
    terminal.write("all.txt", "\n".join(map(str, range(budget))))
    terminal.write("one.txt", "50")
    terminal.done(forget("pcmu", "coded", "all.txt", "spent", "people.npz"))
    assert terminal.weights("coded") == terminal.weights("spent")
    assert 0 == terminal.certificate("spent").remaining.rows
    terminal.done("certificate verify {spent}")
    complaint = terminal.refused(forget("pcmu", "spent", "one.txt", "beyond", "people.npz"))
    assert "retrain on the rows that are left" in complaint
    assert not (terminal.folder / "beyond").exists()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (forget(out="head"), "exists already; name a new directory"),
        (forget(model="nowhere"), "does not hold a model made here: it has no recipe.json"),
        (forget("pcmu"), "was trained by langevin: use lethe unlearn langevin"),
        (forget(ids="none.txt"), "none.txt: No such file"),
        (forget(ids="people.npz"), "people.npz is not a text of ids"),
        (forget(ids="empty.txt"), "names at least one row"),
        (forget(ids="twice.txt"), "names a row twice"),
        (forget(ids="bad.jsonl"), "bad.jsonl, line 2: the field 'id' is missing"),
        (forget(ids="other.jsonl"), "line 1: a replacement for 'p1' is given, and rows are deleted here"),
        (forget(data="none.csv"), "none.csv"),
        (forget(data="fewer.csv"), "fewer.csv is not what "),
        (forget(data="fewer.csv"), "was trained on: it has no column 'b' and the column 'd' is new"),
        (forget(more="--backbone {people.csv}"), "--backbone is for what was trained on a backbone"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(trained, command, complaint):
    """Exit code 2, and nothing is left behind."""
    trained.write("empty.txt", "\n")
    trained.write("twice.txt", "p1\np1\n")
    trained.write("other.jsonl", '{"id": "p1", "replacement": {"a": 1}}\n')
    trained.write("fewer.csv", (trained.folder / "people.csv").read_text().replace(",b,", ",d,", 1))
    trained.write("bad.jsonl", '{"id": "p1"}\n{"name": "p2"}\n')
    assert complaint in trained.refused(command)
    assert not (trained.folder / "new").exists()
    assert not list(trained.folder.glob(".*"))


def test_only_the_first_of_several_processes_speaks(trained, monkeypatch):
    """`accelerate launch` numbers them. A refusal is one line of the first and the same exit code of all."""
    assert "lethe:" in trained(forget(out="head")).stderr
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("RANK", "1")
    refused = trained(forget(out="head"))
    assert (2, "") == (refused.exit_code, refused.output)
    assert "" == trained(forget()).output
    assert (trained.folder / "new").is_dir()


def test_the_help_says_which_methods_promise_something(terminal):
    """The certified methods stand apart from the others."""
    certified, heuristic = terminal.done("unlearn --help").split("Nothing is promised: for any chat model")
    assert [True, True] == [name in certified.split("Certified")[1] for name in ("langevin", "pcmu")]
    named = ("graddiff", "npo", "simnpo", "rmu", "impair-repair")
    assert [True] * 5 == [name in heuristic for name in named]
