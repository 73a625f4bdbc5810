"""Versions are those that importlib.metadata tells, and are not looked up twice for nothing."""

from importlib import metadata

import pytest

from vlog.describe.packages import version_of, versions_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that Python imports from."""
    path = tmp_path / "packages"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    return path


def install(folder, name, text, file="METADATA"):
    kind = "dist-info" if file == "METADATA" else "egg-info"
    place = folder / f"{name}-0.{kind}"
    place.mkdir()
    (place / file).write_text(text)


class TestVersionOf:
    def test_is_that_of_the_metadata_of_every_installed_package(self):
        found = list(metadata.distributions())

        assert 50 < len(found)
        assert [each.version for each in found] == list(map(version_of, found))

    @pytest.mark.parametrize(
        "text",
        [
            "Name: planted\nVersion: 1.0\n",
            "Metadata-Version: 2.1\nVersion:\t2.0+local\nName: planted\n\nVersion: 3.0\n",
            "Name: planted\nSummary: one\n Version: 9\nVersion: 1.5\n",
            "Name: planted\nversion: 4.0\n\nVersion: 5.0\n",
            "Name: planted\r\nVersion: 6.0\r\n\r\nText\r\n",
        ],
    )
    def test_is_read_from_the_headers_alone(self, folder, text):
        install(folder, "planted", text)
        distribution = metadata.distribution("planted")

        assert distribution.version == version_of(distribution)

    def test_is_that_of_an_egg(self, folder):
        install(folder, "planted", "Name: planted\nVersion: 7.0\n", file="PKG-INFO")

        assert "7.0" == version_of(metadata.distribution("planted"))


class TestVersionsOf:
    def test_leaves_out_what_is_not_installed(self):
        assert {"torch": metadata.version("torch")} == versions_of(("torch", "not-here"))

    def test_tells_what_is_installed_later(self, folder):
        """In a notebook, between two runs."""
        before = versions_of(("planted",))
        install(folder, "planted", "Name: planted\nVersion: 1.0\n")

        assert ({}, {"planted": "1.0"}) == (before, versions_of(("planted",)))

    def test_looks_them_up_once(self, folder, monkeypatch):
        install(folder, "planted", "Name: planted\nVersion: 1.0\n")
        first = versions_of(("planted",))
        (folder / "log.jsonl").touch()  # a script's own folder is one that Python imports from
        monkeypatch.delattr(metadata, "distribution")

        assert {"planted": "1.0"} == first == versions_of(("planted",))
