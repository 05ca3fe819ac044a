import io
import json

import pytest
from rich.console import Console

from fewgan.errors import InputError
from fewgan.report.compare import compare, rows_of, write_comparison
from fewgan.report.terminal import comparison_table, figures_table
from fewgan.report.view import RunView

from .conftest import FIGURES, figure, log_lines, make_run


@pytest.fixture
def make(tmp_path):
    """A run view of some figures."""

    def run(name, *figures, **more):
        return RunView.read(make_run(tmp_path / name, figures=list(figures) or None, **more))

    return run


def written(renderable, width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_the_best_is_marked_in_the_direction_of_the_figure(make):
    a = make("a", figure("kid", 0.2, "lower"), figure("coverage", 0.9))
    b = make("b", figure("kid", 0.1, "lower"), figure("coverage", 0.8))
    found = compare([a, b])
    assert found.marks("kid") == {0: "", 1: "best"}
    assert found.marks("coverage") == {0: "best", 1: ""}
    assert found.notes == []


def test_what_lies_within_the_spreads_is_tied(make):
    runs = [
        make(f"r{i}", figure("accuracy", v, spread=0.03)) for i, v in enumerate((0.9, 0.87, 0.8))
    ]
    assert compare(runs).marks("accuracy") == {0: "best", 1: "tied", 2: ""}


def test_a_figure_of_one_run_or_without_value_has_no_best(make):
    a, b = (
        make("a", figure("kid", 0.2, "lower"), figure("cas", 0.5)),
        make("b", figure("kid", None)),
    )
    found = compare([a, b])
    assert found.marks("kid") == found.marks("cas") == {}


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"extractor": "random"}, "extractor differs (a: in-domain"),
        ({"about": "another classifier"}, "extractor differs"),
        ({"dim": 128}, "number of features differs (a: 64; b: 128)"),
        ({"reference": "mnist, test"}, "reference differs (a: digits, held out; b: mnist, test)"),
        ({"n_fake": 5000}, "number of generated images differs (a: 1,000; b: 5,000)"),
        ({"n_real": 10}, "number of real images differs"),
        ({"k": 3}, "k differs (a: 5; b: 3)"),
    ],
)
def test_different_cards_are_said_and_no_best_is_named(make, card, said):
    a = make("a", figure("coverage", 0.5, card={"metric": "prdc"}))
    b = make("b", figure("coverage", 0.9, card={"metric": "prdc"} | card))
    found = compare([a, b])
    assert found.marks("coverage") == {}
    (note,) = found.notes
    assert note.startswith("Not comparable: Coverage: ")
    assert said in note


def test_seeds_steps_and_neighbours_that_are_not_asked_for_do_not_matter(make):
    a = make("a", figure("kid", 0.1, "lower"))
    b = make("b", figure("kid", 0.2, "lower", card={"seed": 1, "steps": 9, "k": 3}))
    assert compare([a, b]).marks("kid") == {0: "best", 1: ""}


def test_one_figure_with_another_card_leaves_the_others_comparable(make):
    a = make("a", figure("kid", 0.1, "lower"), figure("fid", 3.0, "lower"))
    b = make("b", figure("kid", 0.2, "lower"), figure("fid", 2.0, "lower", card={"n_fake": 9}))
    found = compare([a, b])
    assert found.marks("kid") == {0: "best", 1: ""}
    assert found.marks("fid") == {}


def test_other_data_budgets_and_missing_figures_are_said(make):
    a = make("a", figure("kid", 0.1, "lower"))
    b = make("b", data="mnist", lines=log_lines(1000))
    notes = " ".join(compare([a, b]).notes)
    assert "b has no figures" in notes
    assert "Trained on different images (a: digits, 1,442 images; b: mnist, 1,442 images)" in notes
    assert "images seen (a: 128,000; b: 64,000)" in notes


def test_runs_of_one_name_are_told_apart(tmp_path):
    runs = [RunView.read(make_run(tmp_path / place / "run")) for place in ("x", "y")]
    assert compare(runs).names == [str(run.path) for run in runs]


def test_rows_are_plain_data(make):
    rows = rows_of([make("a", *FIGURES), make("b", *FIGURES)])
    assert json.loads(json.dumps(rows)) == rows
    assert (rows[0]["method"], rows[0]["steps"], rows[0]["images"]) == ("acgan", 2000, 128000)
    kid = rows[0]["figures"]["kid"]
    assert (kid["value"], kid["best"], kid["comparable"]) == (0.0573, True, True)
    assert kid["card"]["extractor"] == "in-domain"


def test_markdown_bolds_the_best_and_takes_names_literally(make, tmp_path):
    a = make("a|b*<i>", figure("kid", 0.1, "lower"))
    b = make("b", figure("kid", 0.2, "lower"))
    write_comparison([a, b], tmp_path / "c.md")
    lines = (tmp_path / "c.md").read_text().splitlines()
    assert "|  | a\\|b\\*\\<i\\> | b | real |" in lines
    assert "| KID | **0.1000** | 0.2000 | 0.9000 |" in lines
    assert any("1,000 generated against 355 real" in line for line in lines)


def test_the_page_shows_samples_side_by_side_and_escapes(run_folder, make, tmp_path):
    runs = [RunView.read(run_folder), make("<script>", figure("kid", 0.1, "lower"))]
    write_comparison(runs, tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    # The grid; then the best check beside the worst one after it.
    assert text.count("data:image/png;base64,") == 3
    assert "http://" not in text
    assert "https://" not in text


def test_what_cannot_be_compared_or_written_is_refused(make, tmp_path):
    with pytest.raises(InputError, match="name the runs"):
        compare([])
    with pytest.raises(InputError, match=r"FILE\.md or FILE\.html"):
        compare([make("a", *FIGURES)], tmp_path / "c.pdf")


def test_the_terminal_shows_figures_with_cards():
    text = written(figures_table(FIGURES))
    for said in ("KID", "0.057 ± 0.025", "-0.0111", "no weights here", "1,000 generated", "seed 7"):
        assert said in text


def test_the_terminal_takes_names_literally_and_marks_the_best(make):
    a = make("[red]x", figure("kid", 0.1, "lower"))
    b = make("b", figure("kid", 0.2, "lower", card={"note": "[bold]n[/nope]"}))
    text = written(comparison_table([a, b]))
    assert "[red]x" in text
    assert "0.1000 *" in text
    assert "0.2000 *" not in text
    assert "[bold]n[/nope]" in written(figures_table(b.figures))
