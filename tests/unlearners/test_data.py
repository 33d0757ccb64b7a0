"""Data files, and the assumptions that are checked on them."""

import numpy as np
import pytest

from unlearners.data import UNIT_ROWS, Dataset, read_csv, read_npz
from unlearners.protocol import Refused


def dataset(features, labels=(0, 1), ids=()):
    """Make a data set of two classes."""
    return Dataset(np.array(features, dtype=float), np.array(labels), ("a", "b"), ids)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("features", "labels"), ("x_train", "y_train")])
def test_an_npz_is_read_by_its_usual_names(tmp_path, x, y):
    """Numbers stay as they are; labels become classes in ascending order."""
    np.savez(tmp_path / "d.npz", **{x: np.array([[0.5, 1.5], [2, 3]]), y: np.array([10, 9])})
    read = read_npz(tmp_path / "d.npz")
    assert [[0.5, 1.5], [2.0, 3.0]] == read.features.tolist()
    assert (("9", "10"), [1, 0]) == (read.classes, read.labels.tolist())


def test_images_are_flattened_and_centred(tmp_path):
    """Bytes are pixels: pixel/255 - 0.5."""
    x = np.array([[[0, 255], [51, 102]]] * 2, dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_test=x, y_test=np.array([0, 1]))
    expected = [-0.5, 0.5, 0.2 - 0.5, 0.4 - 0.5]
    assert expected == pytest.approx(read_npz(tmp_path / "d.npz", "test").features[0].tolist())


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"z": np.ones(3)}, "no arrays x and y"),
        ({"x": np.ones((2, 2)), "y": np.ones(3)}, "needs features"),
        ({"x": np.ones(2), "y": np.ones(2, int)}, "needs features"),
        ({"x": np.ones((2, 2)), "y": np.array([0.5, 1.5])}, "whole numbers or texts"),
        ({"x": np.array([["a"], ["b"]]), "y": np.array([0, 1])}, "must be numbers"),
        ({"x": np.ones((2, 2)), "y": np.array([1, 1])}, "at least two classes"),
        ({"x": np.array([[1.0], [np.nan]]), "y": np.array([0, 1])}, "row 1 holds"),
        ({"x": np.ones((0, 2)), "y": np.ones(0, int)}, "at least one row"),
    ],
)
def test_an_unusable_npz_is_refused(tmp_path, arrays, words):
    """The message says what is wrong."""
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        read_npz(tmp_path / "d.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_a_torn_npz_is_refused(tmp_path, content):
    """Damage is a ValueError."""
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"as an \.npz file"):
        read_npz(tmp_path / "d.npz")


def test_a_csv_is_read_with_its_labels_and_ids(tmp_path):
    """The label and id columns stand anywhere."""
    (tmp_path / "d.csv").write_text("age,who,income,paid\n1,ann,2.5,no\n3,bob,4,yes\n", encoding="utf-8")
    read = read_csv(tmp_path / "d.csv", "paid", "who")
    assert [[1.0, 2.5], [3.0, 4.0]] == read.features.tolist()
    assert (("no", "yes"), [0, 1], ("ann", "bob")) == (read.classes, read.labels.tolist(), read.ids)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,y\n1,x\n", "at least two classes"),
        ("a,y\n1,x\nz,w\n", "line 3: a feature is not a number, in the column 'a'"),
        ("a,y\n1,x\n2\n", "line 3: 1 fields under 2 columns"),
        ("a,b\n1,x\n", "no column 'y'"),
        ("a,a,y\n1,1,x\n", "a column twice"),
        ("", "no column 'y'"),
        ("a,y\n", "at least one row"),
        ("y\nx\nw\n", "at least one row and one feature"),
        ('a,y\n1,"x\n', "cannot read"),
        ("a,y\n1,x\ninf,w\n", "finite"),
    ],
)
def test_an_unusable_csv_is_refused(tmp_path, text, words):
    """The message names the line or the column."""
    (tmp_path / "d.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read_csv(tmp_path / "d.csv", "y")


def test_ids_that_repeat_are_refused(tmp_path):
    """Whose row would be forgotten?"""
    (tmp_path / "d.csv").write_text("a,y,id\n1,x,1\n2,w,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="id of its own"):
        read_csv(tmp_path / "d.csv", "y", "id")


def test_rows_longer_than_one_are_refused_by_name():
    """The assumption is named, and the row."""
    with pytest.raises(Refused, match="row 1 has norm 5") as refusal:
        dataset([[0.1, 0], [3, 4]]).bounded()
    assert UNIT_ROWS == refusal.value.assumption
    dataset([[0.1, 0], [3, 4]]).with_unit_rows().bounded()


def test_a_row_of_zeros_cannot_be_scaled():
    """It is named."""
    with pytest.raises(Refused, match="row 1 is all zeros"):
        dataset([[1, 0], [0, 0]]).with_unit_rows()


def test_classes_are_chosen_grouped_and_numbered_in_the_order_asked_for():
    """As the published data are: all of one class, then all of the other."""
    data = Dataset(np.arange(4.0)[:, None], np.array([0, 1, 2, 0]), ("a", "b", "c"), ("p", "q", "r", "s"))
    chosen = data.of_classes(("c", "a"))
    assert ([[2.0], [0.0], [3.0]], [0, 1, 1]) == (chosen.features.tolist(), chosen.labels.tolist())
    assert (("c", "a"), ("r", "p", "s")) == (chosen.classes, chosen.ids)
    with pytest.raises(ValueError, match="no class 'z'"):
        data.of_classes(("z", "a"))


def test_the_digest_changes_with_content_alone():
    """A feature, a label or the order; not the ids."""
    one = dataset([[1, 2], [3, 4]])
    digests = {
        one.sha256,
        dataset([[1, 2], [3, 5]]).sha256,
        dataset([[1, 2], [3, 4]], (1, 0)).sha256,
        one.take(np.array([1, 0])).sha256,
        dataset([[1, 2, 3, 4]], (0,)).sha256,
    }
    assert 5 == len(digests)
    assert one.sha256 == dataset([[1, 2], [3, 4]], ids=("p", "q")).sha256


def test_a_row_is_called_by_its_id_in_a_complaint():
    """Its position is for files without ids."""
    with pytest.raises(Refused, match="row 'q' has norm 5"):
        dataset([[0, 1], [3, 4]], ids=("p", "q")).bounded()
    with pytest.raises(Refused, match="row 1 has norm 5"):
        dataset([[0, 1], [3, 4]]).bounded()
    with pytest.raises(ValueError, match="an id of its own, and 'p' names several"):
        dataset([[0, 1], [3, 4]], ids=("p", "p"))


def test_shapes_and_labels_that_disagree_are_refused():
    """Before anything is computed."""
    with pytest.raises(ValueError, match="needs features"):
        dataset([[1, 2]], (0, 1))
    with pytest.raises(ValueError, match="outside the classes"):
        dataset([[1, 2], [3, 4]], (0, 2))


def test_rows_that_rounding_made_too_long_are_shortened_and_others_keep_their_bits():
    """Never the unsafe side: afterwards no norm is above 1, whatever it was within the tolerance."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 50))
    rows *= rng.uniform(1 - 1e-6, 1 + 9e-7, (300, 1)) / np.linalg.norm(rows, axis=1, keepdims=True)
    one = Dataset(rows, np.arange(300) % 2, ("a", "b"))
    bounded = one.bounded()
    norms = np.linalg.norm(rows, axis=1)
    assert norms.max() > 1 + 5e-7
    assert np.linalg.norm(bounded.features.astype(np.longdouble), axis=1).max() <= 1
    assert bounded.features[norms <= 1].tobytes() == rows[norms <= 1].tobytes()
    assert np.abs(bounded.features - rows).max() < 1e-6
    assert bounded.bounded().sha256 == bounded.sha256
