"""The cache folder: where it is, and what two processes leave in it."""

from seqgen import cache


def test_the_cache_folder_is_where_users_expect_it(monkeypatch, tmp_path):
    monkeypatch.delenv("SEQGEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "seqgen"
    monkeypatch.setenv("SEQGEN_CACHE", str(tmp_path / "mine"))
    assert cache.cache_folder() == tmp_path / "mine"


def test_an_entry_that_another_process_wrote_first_stays(tmp_path):
    folder = tmp_path / "entry"
    with cache.appearing(folder) as draft:
        (draft / "a").write_text("later")
        folder.mkdir()
        (folder / "a").write_text("first")
    assert (folder / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]
