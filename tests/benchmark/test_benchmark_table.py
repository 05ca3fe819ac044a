"""The table: Student's interval by hand, what is marked, and failed cells that stay visible."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from fewgan.benchmark.cells import record_file
from fewgan.benchmark.estimates import estimate
from fewgan.benchmark.plan import cells
from fewgan.benchmark.protocol import load
from fewgan.benchmark.render import as_csv, as_markdown, as_page, as_terminal, write_tables
from fewgan.benchmark.table import Results
from fewgan.errors import FewganError
from fewgan.files import read_json, write_json
from fewgan.metrics.suite import Card, Figure

CARD = Card(
    metric="kid", extractor="random", dim=8, n_fake=40, n_real=30, reference="digits, held out",
    train="digits, 100 images", seed=0, k=5, steps=8, images_seen=64,
)  # fmt: skip
MACHINE = {
    "cores": 2, "threads": 1, "gpu": None, "torch": "2.13", "python": "3.11", "fewgan": "0.1.0",
}  # fmt: skip


def figures(coverage, kid, card=CARD):
    made = {"coverage": (coverage, "higher", 0.97), "kid": (kid, "lower", 0.0)}
    return [
        Figure(name=n, value=v, better=b, real=real, card=card).model_dump(mode="json")
        for n, (v, b, real) in made.items()
    ]


def finish(cell, coverage, kid=0.1, card=CARD):
    """Write the record of a cell that is done; its last checkpoint is half as good."""
    last = figures(coverage / 2, 2 * kid, card)
    write_json(
        record_file(cell),
        {
            "status": "done", "measure": cell.measure, "steps": 8, "images": 64, "seconds": 3.0,
            "memory": 500.0, "machine": MACHINE,
            "checkpoints": {
                "best": {"figures": figures(coverage, kid, card)}, "last": {"figures": last}
            },
        },
    )  # fmt: skip


@pytest.fixture
def results(write, tmp_path):
    """Three methods, three seeds: one clearly best, one near it, one with a failed cell."""
    plan, _ = load(write(methods=["dcgan", "cdcgan", "acgan"], seeds=[0, 1, 2]))
    found = cells(plan, tmp_path / "out")
    values = {
        "dcgan": (0.10, 0.11, 0.12),
        "cdcgan": (0.50, 0.60, 0.70),
        "acgan": (0.699, 0.701, None),
    }
    for cell in found:
        value = values[cell.label][cell.seed]
        if value is None:
            error = "training broke down | at step 5"
            write_json(record_file(cell), {"status": "failed", "error": error, "trace": ""})
        else:
            finish(cell, value)
    return Results(plan, "cpu", "fewgan benchmark tiny.yaml --budget cpu", found)


def test_interval_by_hand():
    # t(0.975, 2) = 4.3027; the values 1, 2, 3 have the standard deviation 1.
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half == pytest.approx(4.302653 / 3**0.5, abs=1e-6)
    assert (found.low, found.high) == (found.mean - found.half, found.mean + found.half)
    # t(0.975, 1) = 12.7062.
    assert estimate([0.0, 1.0]).half == pytest.approx(12.706205 * 0.5**0.5 / 2**0.5, abs=1e-5)


def test_one_seed_has_no_interval_and_none_no_mean():
    assert (estimate([4.0]).mean, estimate([4.0]).half, estimate([4.0]).low) == (4.0, None, None)
    assert estimate([]).mean is None
    assert not estimate([4.0]).overlaps(estimate([1.0, 9.0]))


def test_best_is_marked_and_what_overlaps_it(results):
    (panel,) = results.panels
    # acgan's mean 0.7 is best; cdcgan's interval 0.6 +- 0.25 reaches into its own, dcgan's not.
    assert panel.marks("coverage", "best") == {"acgan": "best", "cdcgan": "tied", "dcgan": ""}
    assert panel.marks("seconds", "best") == {}


def test_nothing_is_marked_where_cards_differ(results):
    other = CARD.model_copy(update={"n_fake": 41})
    finish(results.cells[0], 0.1, card=other)
    (panel,) = replace(results).panels
    assert panel.marks("coverage", "best") == {}
    assert len(panel.cards) == 2
    assert "41 generated" in as_markdown(replace(results))


def test_both_checkpoints_have_rows(results):
    (panel,) = results.panels
    assert [(row.label, row.checkpoint) for row in panel.rows] == [
        (label, c) for c in ("best", "last") for label in ("dcgan", "cdcgan", "acgan")
    ]
    best, last = (row.estimates["coverage"] for row in (panel.rows[1], panel.rows[4]))
    assert (best.mean, last.mean) == (pytest.approx(0.6), pytest.approx(0.3))
    assert panel.rows[0].estimates["seconds"].mean == 3
    assert panel.real["coverage"].mean == pytest.approx(0.97)


def test_where_the_best_is_the_last_it_has_one_row(write, tmp_path, capsys):
    from rich.console import Console

    plan, _ = load(write(methods=["dcgan", "acgan"], seeds=[0]))
    found = cells(plan, tmp_path / "out")
    for cell in found:
        finish(cell, 0.5)
        record = read_json(record_file(cell))
        record["checkpoints"]["last"] = record["checkpoints"]["best"]
        write_json(record_file(cell), record)
    results = Results(plan, "cpu", "fewgan benchmark tiny.yaml", found)
    (panel,) = results.panels
    assert [(row.label, row.checkpoint) for row in panel.rows] == [
        ("dcgan", "last"), ("acgan", "last")
    ]  # fmt: skip
    Console(width=80).print(as_terminal(results))
    assert capsys.readouterr().out.count("acgan") == 1


def test_of_notes_that_differ_only_the_common_part_is_told(results):
    for cell, around in zip(results.cells[:2], ("40, 2", "39, 3"), strict=True):
        note = f"uncalibrated; images around each: {around}"
        finish(cell, 0.5, card=CARD.model_copy(update={"note": note}))
    rest = "uncalibrated; more in each evaluation.json"
    (panel,) = replace(results, cells=results.cells[:2]).panels
    assert panel.notes == (f"coverage: {rest}", f"kid: {rest}")


def test_failed_cells_are_counted_named_and_complained_of(results):
    (panel,) = results.panels
    assert panel.rows[2].counts == {"done": 2, "failed": 1, "left": 0}
    assert results.failed == [("acgan on digits, seed 2", "training broke down | at step 5")]
    with pytest.raises(FewganError, match="1 of 9 cells failed"):
        results.complain()
    assert "2, 1 failed" in as_markdown(results)
    assert "training broke down \\| at step 5" in as_markdown(results)
    assert "Failed: acgan on digits, seed 2" in as_page(results)


def test_markdown_is_one_whole_table(results):
    text = as_markdown(results)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count(" | ") for line in rows}) == 1
    assert rows[0].startswith("| Method | Checkpoint | Seeds | Step | Coverage | KID |")
    assert rows[-1].startswith("| real images |")
    assert "≈ 0.60 ± 0.25" in text
    assert "fewgan benchmark tiny.yaml --budget cpu" in text
    assert "2 cores, 1 thread a cell, fewgan 0.1.0, torch 2.13" in text


def test_csv_and_json_hold_every_estimate_with_its_values(results, tmp_path):
    lines = list(csv.DictReader(io.StringIO(as_csv(results))))
    assert len(lines) == 3 * 2 * 4  # methods, checkpoints, two figures and two costs
    (line,) = [
        x for x in lines if (x["method"], x["checkpoint"], x["figure"])
        == ("cdcgan", "best", "coverage")
    ]  # fmt: skip
    assert [float(v) for v in line["values"].split()] == [0.5, 0.6, 0.7]
    assert float(line["low"]) == pytest.approx(0.6 - 4.302653 * 0.1 / 3**0.5, abs=1e-6)
    write_tables(results, tmp_path)
    content = read_json(tmp_path / "table.json")
    assert content["rows"] == json.loads(json.dumps(list(results.lines())))
    assert content["failed"][0]["cell"] == "acgan on digits, seed 2"
    assert content["protocol"]["images"] == 64


def test_a_table_of_nothing_yet(write, tmp_path):
    plan, _ = load(write())
    results = Results(plan, "", "fewgan benchmark tiny.yaml", cells(plan, tmp_path / "out"))
    write_tables(results, tmp_path)
    assert len(results.left) == 2
    assert "Not finished yet" in as_markdown(results)
    lines = list(csv.DictReader(io.StringIO(as_csv(results))))
    assert {(x["method"], x["done"], x["left"], x["mean"]) for x in lines} == {
        ("dcgan", "0", "1", ""), ("acgan", "0", "1", "")
    }  # fmt: skip
    results.complain()


def test_terminal_shows_the_best_checkpoints_in_eighty_columns(results, capsys):
    from rich.console import Console

    Console(width=80).print(as_terminal(results))
    printed = capsys.readouterr().out
    assert "cdcgan" in printed
    assert "0.60 ± 0.25 ≈" in printed
    assert "0.30" not in printed  # the last checkpoint's
    assert max(map(len, printed.splitlines())) <= 80


def test_page_asks_nobody_for_anything(results):
    page = as_page(results)
    assert "Content-Security-Policy" in page
    assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page) == []
