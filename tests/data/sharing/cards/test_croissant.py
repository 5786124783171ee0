"""Croissant metadata: by mlcroissant where it is installed, and by checks of our own."""

import dataclasses
import hashlib
import json

import pytest

from offctx.data.about import About
from offctx.data.sharing.cards import CardFile, about_and_files, croissant
from offctx.data.storage.ids import dataset_folder
from tests.data.sharing.cards.test_hub import ABOUT, hostile


@pytest.fixture
def described(library_path, pendulum):
    about_and_files(pendulum.dataset_id)
    return croissant(
        pendulum, about_and_files(pendulum.dataset_id)[1], ABOUT, url="https://example.org", published="2026-11-22"
    )


def nodes(data):
    """Every table in the metadata."""
    if isinstance(data, dict):
        yield data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from nodes(value)


def test_it_is_json_with_the_core_fields(described):
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    core = {"@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished", "version"}
    assert core | {"citeAs", "distribution", "recordSet"} <= set(described)
    assert described["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert described["creator"] == [{"@type": "Person", "name": "A. N. Other"}]


def test_files_have_their_sha256(described, pendulum):
    folder = dataset_folder(pendulum.dataset_id)
    files = {file["@id"]: file for file in described["distribution"]}
    assert set(files) == {"data/main_data.hdf5", "data/metadata.json"}
    for path, file in files.items():
        content = (folder / path).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest() and file["contentSize"] == f"{len(content)} B"


def test_what_is_referred_to_is_there(described):
    identities = [node["@id"] for node in nodes(described) if "@id" in node and "@type" in node]
    assert len(identities) == len(set(identities))
    referred = {node["@id"] for node in nodes(described) if set(node) == {"@id"}}
    assert referred <= set(identities)


def test_record_sets_hold_contexts_and_describe_arrays(described, pendulum):
    sets = {each["@id"]: each for each in described["recordSet"]}
    assert set(sets) == {"contexts", "coordinates", "sums", "episodes"}
    for c, row in enumerate(sets["contexts"]["data"]):
        assert [row[f"contexts/coordinate_{name}"] for name in ["g", "m", "l", "tau"]] == pendulum.unique_contexts[c].tolist()
        assert row["contexts/mean_return"] == pytest.approx(pendulum.episode_returns[pendulum.episode_context_ids == c].mean())
    fields = {field["name"]: field for field in sets["episodes"]["field"]}
    assert fields["infos/dnext_observation_dcontext"]["arrayShape"] == "-1,3,4"
    assert fields["rewards"]["arrayShape"] == "-1" and fields["observations"]["dataType"] == "cr:Float32"


def test_responsible_ai_and_provenance(described, pendulum):
    fields = {key for key in described if key.startswith("rai:")}
    assert {"rai:dataCollection", "rai:dataLimitations", "rai:dataBiases", "rai:personalSensitiveInformation"} <= fields
    collection, derivatives = described["prov:wasGeneratedBy"]
    assert '"seed": 7' in collection["description"] and "autodiff" in derivatives["description"]
    assert {agent["name"] for agent in collection["prov:wasAssociatedWith"]} == set(pendulum.metadata.packages)


def test_flagged_derivatives_and_one_context_are_limitations(pendulum, runner):
    metadata = pendulum.metadata.model_copy(deep=True)
    metadata.derivatives.flagged, metadata.derivatives.tolerance = 3, 0.01
    said = croissant(dataclasses.replace(pendulum, metadata=metadata), [])["rai:dataLimitations"]
    assert any("3 transitions are flagged" in text for text in said) and not any("one context" in text for text in said)


def test_of_plain_minari_data_nothing_is_claimed_that_is_not_known(runner):
    described = croissant(dataclasses.replace(runner, metadata=None), [])
    assert "prov:wasGeneratedBy" not in described and "rai:personalSensitiveInformation" not in described
    assert {each["@id"] for each in described["recordSet"]} == {"contexts", "coordinates"}


def check(described, tmp_path, **options):
    """Reads metadata by mlcroissant, which raises ValidationError for what is not valid; returns the dataset."""
    mlcroissant = pytest.importorskip("mlcroissant")
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(described, allow_nan=False))
    dataset = mlcroissant.Dataset(jsonld=str(path), **options)
    assert not dataset.metadata.ctx.issues.errors and not dataset.metadata.ctx.issues.warnings
    return dataset


def test_mlcroissant_finds_no_fault_and_loads_records(described, pendulum, tmp_path):
    mapping = {"data/metadata.json": str(dataset_folder(pendulum.dataset_id) / "data" / "metadata.json")}
    dataset = check(described, tmp_path, mapping=mapping)
    (record,) = dataset.records("sums")
    assert record["sums/total_steps"] == len(pendulum)
    assert len(list(dataset.records("contexts"))) == 4
    assert dataset.metadata.data_collection.startswith("Simulated") and dataset.metadata.personal_sensitive_information


@pytest.mark.parametrize("name", ["runner", "pendulum", "chooser"])
def test_mlcroissant_finds_no_fault_in_hostile_metadata(library, name, tmp_path):
    dataset = library.datasets[name]
    evil = 'x\n\x1b[31m \ud800 " } <script>'
    about = About(description=evil, author=(evil,), license=evil, code_permalink=evil)
    files = [CardFile("data/metadata.json", 3, "0" * 64), CardFile("data/main_data.hdf5", 3, "0" * 64)]
    described = croissant(hostile(dataset), files, about, published="2026-11-22")
    json.dumps(described, ensure_ascii=False).encode()  # a surrogate would raise
    texts = [value for node in nodes(described) for value in node.values() if isinstance(value, str)]
    assert all(c.isprintable() or (c == "\n" and "@misc" in text) for text in texts for c in text)
    check(described, tmp_path)
