"""Free text by its character n-grams, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.errors import ModelFileError
from glassnet.estimators.tabular import table_model
from glassnet.estimators.tabular.examine import understand
from glassnet.estimators.tabular.explanation import explain
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.serialize import from_plain, to_plain
from glassnet.tables import ngrams as module
from glassnet.tables.ngrams import HASHES, LONGEST, ngrams, words_of
from glassnet.tables.read_table import read_table
from glassnet.tables.table import Table
from glassnet.tables.target_statistics import Averaged
from glassnet.tables.text_encoder import FEW_GRAMS, TextEncoder


def hashed(gram: str) -> int:
    """The hash of an n-gram: FNV-1a over its characters, with the upper half mixed in."""
    bits = 0xCBF29CE484222325
    for sign in gram:
        bits = (bits ^ ord(sign)) * 0x100000001B3 % (1 << 64)
    return (bits ^ (bits >> 32)) % HASHES


def found(texts: list[str | None]) -> list[set[int]]:
    """The hashes of each text."""
    pairs = [
        (int(row), int(number))
        for rows, hashes in ngrams(texts)
        for row, number in zip(rows, hashes, strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    return [{number for row, number in pairs if row == place} for place in range(len(texts))]


def array(texts: list[Any]) -> Any:
    made = np.empty(len(texts), object)
    made[:] = texts
    return made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Oil  on CANVAS!", " oil on canvas "),
        ("3.5kg", " 3 5kg "),
        ("\ufb01ne\u00a0\u2167", " fine viii "),  # a ligature, a no-break space, a Roman 8
        ("Cafe\u0301", " caf\u00e9 "),  # an accent of its own
        ("\u0141\u00d3D\u0179", " \u0142\u00f3d\u017a "),
        ("— …", ""),
        ("", ""),
    ],
)
def test_words_are_lower_cased_between_spaces(text: str, words: str) -> None:
    assert words_of(text) == words


def test_the_ngrams_of_short_words_by_hand() -> None:
    assert found(["Ab", None, "a abcd", "-", "Ab"]) == [
        {hashed(gram) for gram in (" ab", "ab ", " ab ")},
        set(),
        {
            hashed(gram)
            for gram in (
                " a ",
                " ab",
                "abc",
                "bcd",
                "cd ",
                " abc",
                "abcd",
                "bcd ",
                " abcd",
                "abcd ",
            )
        },
        set(),
        {hashed(gram) for gram in (" ab", "ab ", " ab ")},
    ]


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["one two", None, "three two one", "", "Überfluß \U0001f600 \ud800"]
    whole = found(texts)
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    assert found(texts) == whole


def test_of_a_huge_cell_the_first_characters_count() -> None:
    assert found(["abc " * 1_000_000 + "end"]) == found(["abc " * (LONGEST // 4)])
    assert len(words_of("\ufdfa" * LONGEST)) <= 2 * LONGEST  # one sign that stands for 18


def averaged(goals: list[float], parts: list[int], names: tuple[str, ...] = ("y",)) -> Averaged:
    columns = np.array(goals)[:, None] * np.ones(len(names))
    return Averaged(columns, names, np.array(parts), 3, False)


def test_inputs_by_hand() -> None:
    """Three rows of "ox", whose goals lie 3, 0, and 6 above the mean; and three others."""
    texts = array(["ox", "ox", "ox", "zzz q", None, "-"])
    rows = np.arange(6)
    encoder = TextEncoder.fit("t", texts, rows)
    ox = sorted(hashed(gram) for gram in (" ox", "ox ", " ox "))
    assert encoder.grams == tuple(ox)  # those of "zzz" stand in one row
    assert encoder.flag
    assert encoder.encode(texts).x.tolist() == [[1, 1, 1, 0]] * 3 + [
        [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0],
    ]  # fmt: skip
    goals = averaged([13.0, 10.0, 16.0, 7.0, 7.0, 7.0], [0, 1, 2, 0, 1, 2])
    full = encoder.with_statistics(texts, rows, goals)
    assert full.statistics is not None
    assert full.inputs[4:] == ["t: mean of y", "t: rows of that value"]
    scale = full.statistics.scales[0] * full.spreads[0]
    x = full.encode(array(["Ox ox!", "ox pp", "pp", None])).x[:, 4:]
    # 9 in 3 rows, of each of its n-grams; those of "pp" are unknown and do not count
    assert x[:, 0] * scale == pytest.approx([9 / 13, 9 / 13, 0, 0])
    assert x[:, 1] * full.spreads[1] == pytest.approx([3 / 13, 3 / 13, 0, 0])
    trained = full.encode(texts, goals.parts).x[:3, 4]
    assert trained * scale == pytest.approx([6 / 12, 9 / 12, 3 / 12])  # without their own part
    assert (full.encode(texts, goals.parts).x[:, 4] ** 2).mean() == pytest.approx(1.0)


def test_the_order_of_rows_does_not_matter() -> None:
    random = np.random.default_rng(3)
    words = ["red", "blue", "green", "house", "garden", "sea", "old", "new"]
    texts = array([" ".join(random.choice(words, 3)) for _ in range(90)])
    goals, parts = random.integers(0, 9, 90).astype(float), random.integers(0, 3, 90)
    order = random.permutation(90)
    one, two = (
        TextEncoder.fit("t", texts, rows).with_statistics(
            texts, rows, averaged(goals[rows].tolist(), parts[rows].tolist())
        )
        for rows in (np.arange(90), order)
    )
    assert len(one.grams) == FEW_GRAMS
    assert one.grams == two.grams
    assert one.statistics is not None
    assert two.statistics is not None
    assert one.statistics.levels == two.statistics.levels
    assert one.statistics.counts == two.statistics.counts
    np.testing.assert_allclose(one.encode(texts).x, two.encode(texts).x, rtol=1e-12)


def test_many_classes_have_no_statistics() -> None:
    texts, rows = array(["ox"] * 6), np.arange(6)
    names = tuple("abcdefghi")
    encoder = TextEncoder.fit("t", texts, rows)
    assert encoder.with_statistics(texts, rows, averaged([0.0] * 6, [0] * 6, names)) == encoder


def test_a_column_of_rare_words_has_an_input() -> None:
    encoder = TextEncoder.fit("t", array(["ab cd", "ef gh"]), np.arange(2))
    assert encoder.inputs == ["t missing"]
    assert encoder.encode(array([None, "ij"])).x.tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"grams": [1, 1]}, "twice"),
        ({"grams": [HASHES]}, "at most 262,143"),
        ({"spreads": [1.0]}, "as many spreads"),
        ({"spreads": [0.0, 1.0]}, "above 0"),
        ({"levels": "x"}, "'x' is no hash"),
        ({"levels": "262144"}, "is no hash"),
    ],
)
def test_a_damaged_encoder_is_refused(change: dict[str, Any], part: str) -> None:
    texts, rows = array(["ox", "ox", "ox"]), np.arange(3)
    whole = TextEncoder.fit("t", texts, rows).with_statistics(
        texts, rows, averaged([1.0, 2.0, 4.0], [0, 1, 2])
    )
    plain = to_plain(whole)
    assert from_plain(TextEncoder, json.loads(json.dumps(plain)), "it") == whole
    if "levels" in change:
        plain["statistics"]["levels"] = [change["levels"], *plain["statistics"]["levels"][1:]]
    else:
        plain |= change
    with pytest.raises(ValueError, match=part):
        from_plain(TextEncoder, json.loads(json.dumps(plain)), "it")


def remarks(folder: Path, rows: int = 240) -> Table:
    """Prices that depend on a word of a remark."""
    random = np.random.default_rng(8)
    lines: list[str] = []
    for number in range(rows):
        good = bool(random.integers(0, 2))
        words = "lovely renovated" if good else "damp ruined"
        text = "" if number % 20 == 7 else f"A {words} house near lake {random.integers(0, 9999)}"
        price = (9 if good else 1) + random.random()
        lines.append(f"{text},{random.integers(0, 99)},{price if text else 5 + price / 10:.3f}")
    path = folder / "remarks.csv"
    path.write_text("remark,size,price\n" + "\n".join(lines) + "\n")
    return read_table(path)


def test_a_model_uses_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = remarks(tmp_path)
    fitted = fit_table(table, "price", threads=1)
    assert fitted.score.value < 2.0  # the spread of all prices is 4
    path = tmp_path / "m.safetensors"
    fitted.model.save(path)
    again = TableModel.load(path)
    assert again.schema == fitted.model.schema
    np.testing.assert_array_equal(again.predict(table).values, fitted.model.predict(table).values)
    row = tmp_path / "row.csv"
    row.write_text('remark,size\n"LOVELY, renovated",1\nXYZZY,1\n,1\ndamp and ruined,1\n')
    given = again.predict(read_table(row)).values
    assert np.isfinite(given).all()
    assert given[0] > given[3] + 4
    why = explain(again, table)
    assert why.importances[0].column == "remark"
    assert [one.column for one in why.curves] == ["size"]
    # a version without text refuses the file by its number
    monkeypatch.setattr(table_model, "FORMAT_VERSIONS", table_model.FORMAT_VERSIONS[:-1])
    with pytest.raises(ModelFileError, match="has format 8, this program reads 1 and 2"):
        TableModel.load(path)


@pytest.mark.parametrize(
    ("kind", "used"), [("text", True), ("drop", False), ("category", True), (None, True)]
)
def test_the_kind_can_be_set(tmp_path: Path, kind: str | None, used: bool) -> None:
    kinds = {} if kind is None else {"remark": kind}
    found = understand(remarks(tmp_path, 30), "price", kinds)
    column = found.columns[0]
    assert (column.kind, column.used) == (kind or "text", used)
    assert ("free text" in [note.rule for note in found.notes]) == (kind is None)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["The Sea", "Old Man", "Plate 3 of Five", "Untitled"], "text"),
        (["Braund, Mr. Owen", "Heikkinen, Miss. Laina", "Allen, Mr. William"], "text"),
        (["red, blue", "green; red", "blue | black"], "text"),
        (["BIRD FOUND DEAD NEAR RUNWAY", "NO DAMAGE WAS SEEN AT ALL"], "text"),
        (["LOT 7 BATCH XK", "LOT 8 BATCH QR", "LOT 9 BATCH ZV"], "identifier"),
        (["anna", "bert", "carl"], "identifier"),
        (["a1b2 c3d4", "e5f6 a7b8", "c9d0 e1f2"], "identifier"),
    ],
)
def test_what_is_text(tmp_path: Path, cells: list[str], kind: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("t,x\n" + "".join(f'"{text}",{place}.5\n' for place, text in enumerate(cells)))
    assert understand(read_table(path)).columns[0].kind == kind


def test_a_schema_without_text_is_written_as_before(tmp_path: Path) -> None:
    found = fit_table(remarks(tmp_path, 60), "price", kinds={"remark": "drop"}, epochs=1).model
    _, texts = found.contents()
    assert texts["format_version"] == "2"
    assert json.loads(texts["schema"])["version"] == 2
    assert not replace(found.schema, columns=found.schema.columns[:1]).has_text
