"""Protocols: what a file means, equal images seen, and one line for whatever is wrong in it."""

import re
from pathlib import Path

import pytest
import yaml

from fewgan import methods
from fewgan.benchmark import plan as planning
from fewgan.benchmark.plan import cells
from fewgan.benchmark.protocol import Protocol, load, merged, shipped
from fewgan.errors import InputError
from fewgan.networks.build import ImageSpec

SHIPPED = sorted(shipped())


def budgets_of(name):
    return list(yaml.safe_load(shipped()[name])["budgets"])


@pytest.fixture(autouse=True)
def described_sources(monkeypatch):
    """Sources as they will be, without the data that they will be trained on."""
    spec = ImageSpec(3, 64, 2)
    monkeypatch.setattr(planning, "_lender", lambda cell: planning.Lender(cell, spec, 0))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_are_whole(name):
    assert budgets_of(name) == ["smoke", "cpu", "full"]
    for budget in budgets_of(name):
        plan, chosen = load(name, budget)
        assert (plan.name, chosen) == (name, budget)
        found = cells(plan, Path("out"))
        assert len(found) == len(plan.methods) * len(plan.data) * len(plan.shots) * len(plan.seeds)
        named = {cell.config.method.partition(":")[0] for cell in found}
        assert named <= set(methods.available())


def test_conditional_shares_its_networks_and_spends_the_same_images():
    plan, budget = load("conditional")
    assert budget == "cpu"
    found = cells(plan, Path("out"))
    shared = ("trunk", "width", "latent_dim", "norm", "d_norm")
    assert len({tuple(cell.config.settings[s] for s in shared) for cell in found}) == 1
    for cell in found:
        seen = cell.config.steps * cell.config.batch_size * cell.config.settings["d_steps"]
        assert plan.images <= seen < plan.images * 1.01
    assert any(cell.config.settings["d_steps"] == 5 for cell in found)


def test_continual_shares_its_networks_and_spends_the_same_images_over_whole_streams():
    plan, budget = load("continual")
    assert budget == "cpu"
    found = cells(plan, Path("out"))
    assert {cell.config.settings["width"] for cell in found} == {32}
    for cell in found:
        experiences = {"fashion-mnist-pairs": 5}.get(cell.data, 10)
        assert len(cell.config.stream.split("/")) == experiences
        a_step = cell.config.batch_size * cell.config.settings["d_steps"]
        seen = cell.config.steps * experiences * a_step
        assert plan.images <= seen < plan.images * 1.01
    pairs = [cell for cell in found if cell.data == "fashion-mnist-pairs"]
    assert {cell.config.data for cell in pairs} == {"fashion-mnist"}
    assert {cell.folder.parts[-3] for cell in pairs} == {"fashion-mnist-pairs"}


def test_steps_follow_from_images_and_updates(write):
    entries = {"once": {"method": "acgan"}, "five": {"method": "acgan", "settings": {"d_steps": 5}}}
    plan, _ = load(write(methods=entries, images=1001, checks=4))
    once, five = (cell.config for cell in cells(plan, Path("out")))
    assert (once.steps, once.check_every) == (126, 32)  # 1001 / 8, and a fourth of that
    assert (five.steps, five.check_every) == (26, 7)  # 1001 / 40


def test_cells_have_folders_of_their_own_and_a_whole_first_seed_first(write):
    path = write(shots=[5, "all"], seeds=[0, 1], data=["digits", "glyphs:4x30"])
    found = cells(load(path)[0], Path("out"))
    assert [cell.seed for cell in found] == [0] * 8 + [1] * 8
    assert found[0].folder == Path("out/dcgan/digits/5/0")
    assert found[-1].folder == Path("out/acgan/glyphs-4x30/all/1")
    assert (found[0].config.shots, found[-1].config.shots) == (5, None)
    assert len({cell.folder for cell in found}) == 16
    assert found[-1].name == "acgan on glyphs:4x30, seed 1"


def test_settings_of_method_win_over_data_over_protocol(write):
    path = write(
        settings={"size": 16, "width": 8, "batch_size": 8, "latent_dim": 10},
        data={"digits": {"settings": {"width": 16, "latent_dim": 20}}},
        methods={"acgan": {"settings": {"latent_dim": 30}}},
    )
    (cell,) = cells(load(path)[0], Path("out"))
    settings = cell.config.settings
    assert (cell.config.batch_size, settings["width"], settings["latent_dim"]) == (8, 16, 30)


def test_a_change_joins_mappings_chooses_from_them_and_replaces_the_rest():
    base = {"data": {"a": {"n": 1}, "b": None}, "seeds": [0, 1], "settings": {"x": 1, "y": 2}}
    assert merged(base, {"settings": {"y": 3}})["settings"] == {"x": 1, "y": 3}
    assert merged(base, {"data": ["a", "c"]})["data"] == {"a": {"n": 1}, "c": None}
    assert merged(base, {"seeds": [5]})["seeds"] == [5]
    assert base["settings"]["y"] == 2


def test_budget_then_changes(write):
    path = write(budgets={"cpu": {"images": 80}, "long": {"images": 800, "seeds": [0, 1]}})
    assert load(path)[0].images == 80
    assert load(path, "long")[0].seeds == (0, 1)
    plan, _ = load(path, "long", {"seeds": [7], "methods": ["cdcgan"]})
    assert (plan.images, plan.seeds, list(plan.methods)) == (800, (7,), ["cdcgan"])
    assert load(write(), None)[1] == ""


def test_the_protocol_that_is_written_down_reads_as_itself(write):
    plan, _ = load(write(shots=["all", 3]))
    path = write(**plan.model_dump(mode="json", exclude_none=True))
    assert load(path)[0] == plan


WRONG = {
    "unknown entry": ({"metods": []}, "entry of protocol .*'metods': did you mean 'methods'"),
    "lacking": ({"images": None}, "lacks 'images'"),
    "no methods": ({"methods": []}, "methods"),
    "method out of its folder": ({"methods": {"../up": {"method": "dcgan"}}}, "methods"),
    "unknown method": ({"methods": ["acgn"]}, "unknown method 'acgn': did you mean 'acgan'"),
    "unknown data": ({"data": ["digit"]}, "unknown data set 'digit'"),
    "unknown metric": ({"metrics": ["fdi"]}, "unknown metric 'fdi'"),
    "unknown metric of data": ({"data": {"digits": {"metrics": ["x"]}}}, "unknown metric 'x'"),
    "unknown extractor": ({"data": {"digits": {"extractor": "eyes"}}}, "unknown extractor 'eyes'"),
    "unknown setting": ({"settings": {"widht": 4}}, "unknown setting 'widht'"),
    "bad setting": ({"settings": {"width": 1}}, "greater than or equal to 4"),
    "steps": ({"settings": {"steps": 10}}, "leave it out and give 'images'"),
    "seed": ({"methods": {"acgan": {"settings": {"seed": 1}}}}, "leave it out and give 'seeds'"),
    "seed twice": ({"seeds": [1, 1]}, "the same name"),
    "no seeds": ({"seeds": []}, "seeds"),
    "bad shots": ({"shots": ["few"]}, "shots"),
    "bad budget": ({"budgets": {"cpu": {"imges": 3}}}, "budget cpu, 'imges': did you mean"),
    "budgets a list": ({"budgets": ["cpu"]}, "'budgets' must map"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(case, write):
    changes, says = WRONG[case]
    with pytest.raises(InputError, match=says) as error:
        cells(load(write(**changes))[0], Path("out"))
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 300


def test_few_shot_adapts_one_source_for_as_many_steps_by_every_method():
    plan, _ = load("few-shot")
    found = cells(plan, Path("out"))
    (source,) = planning.sources(plan, Path("out"))  # and not that of the smoke test
    assert (source.folder, source.config.shots) == (Path("out/sources/faces"), None)
    methods_of = {cell.config.method for cell in found}
    ways = {m.name for m in methods.available().values() if m.regime == "adapt"}
    assert methods_of == ways - {"each", "inner"}  # many of these, or from meta-trained runs
    for cell in found:
        assert (cell.config.source, cell.config.shots) == (str(source.folder), 10)
        assert (cell.config.size, cell.config.channels) == (64, 3)
        for name in ("width", "d_norm", "spectral"):
            assert cell.config.settings[name] == source.config.settings[name]
    for cell in found:  # of which one, nst, learns nothing
        assert cell.config.steps == (1 if cell.config.method == "nst" else 400)


def test_files_that_are_no_protocols(tmp_path, write):
    with pytest.raises(InputError, match="unknown protocol 'conditonal': did you mean 'condition"):
        load("conditonal")
    with pytest.raises(InputError, match="unknown budget 'huge': choose from smoke, cpu, full"):
        load("conditional", "huge")
    with pytest.raises(InputError, match="has no budgets: leave out --budget"):
        load(write(), "cpu")
    with pytest.raises(InputError, match="cannot read protocol"):
        load(tmp_path / "gone.yaml")
    for text in ("methods: [unclosed", "x: !!python/object/apply:os.getpid []"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(InputError, match="is not YAML"):
            load(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("- acgan")
    with pytest.raises(InputError, match="is empty"):
        load(tmp_path / "bad.yaml")


def test_the_example_of_the_page_is_a_protocol(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "benchmark.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    (tmp_path / "mine.yaml").write_text(text)
    whole, small = (
        cells(load(tmp_path / "mine.yaml", b)[0], Path("out")) for b in ("cpu", "smoke")
    )
    assert (len(whole), len(small)) == (12, 2)


def test_every_field_of_a_protocol_is_explained():
    assert [n for n, field in Protocol.model_fields.items() if not field.description] == []
