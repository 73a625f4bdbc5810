"""The environment is read from files and variables; nothing is executed."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from vlog.describe import describe_environment

COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b"
OTHER = "89e6c98d92887913cadf06b2adb97f26cde4849b"
PACKED = f"# pack-refs with: peeled fully-peeled sorted \n{OTHER} refs/heads/old\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def repository(tmp_path):
    write(tmp_path / "code" / ".git" / "HEAD", "ref: refs/heads/feature/x\n")
    return tmp_path / "code"


@pytest.fixture
def git_at(monkeypatch):
    """Return what is told of git in a folder; running any program is an error."""

    def refuse(*_args, **_options):
        raise AssertionError("a program was started")

    def git(folder):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(subprocess, "Popen", refuse)
        monkeypatch.setattr(os, "system", refuse)
        return describe_environment().get("git")

    return git


class TestGit:
    def test_is_a_loose_branch(self, repository, git_at):
        write(repository / ".git" / "refs" / "heads" / "feature" / "x", f"{COMMIT}\n")

        assert {"branch": "feature/x", "commit": COMMIT} == git_at(repository)

    def test_is_a_packed_branch(self, repository, git_at):
        packed = f"{PACKED}{COMMIT} refs/heads/feature/x\n^{OTHER}\n"
        write(repository / ".git" / "packed-refs", packed)

        assert {"branch": "feature/x", "commit": COMMIT} == git_at(repository)

    def test_is_the_loose_branch_where_there_are_both(self, repository, git_at):
        write(repository / ".git" / "packed-refs", f"{OTHER} refs/heads/feature/x\n")
        write(repository / ".git" / "refs" / "heads" / "feature" / "x", f"{COMMIT}\n")

        assert COMMIT == git_at(repository)["commit"]

    def test_is_a_commit_without_branch(self, repository, git_at):
        write(repository / ".git" / "HEAD", f"{COMMIT}\n")

        assert {"commit": COMMIT} == git_at(repository)

    def test_is_found_from_a_folder_below(self, repository, git_at):
        write(repository / ".git" / "HEAD", f"{COMMIT}\n")
        below = repository / "a" / "b"
        below.mkdir(parents=True)

        assert {"commit": COMMIT} == git_at(below)

    @pytest.mark.parametrize("is_packed", [False, True])
    def test_is_the_branch_of_a_worktree(self, repository, tmp_path, git_at, is_packed):
        """A worktree has its own HEAD, and its branches in the main checkout."""
        own = repository / ".git" / "worktrees" / "tree"
        write(own / "HEAD", "ref: refs/heads/y\n")
        write(own / "commondir", "../..\n")
        write(tmp_path / "tree" / ".git", f"gitdir: {own}\n")
        if is_packed:
            write(repository / ".git" / "packed-refs", f"{PACKED}{COMMIT} refs/heads/y\n")
        else:
            write(repository / ".git" / "refs" / "heads" / "y", COMMIT)

        assert {"branch": "y", "commit": COMMIT} == git_at(tmp_path / "tree")

    def test_is_that_of_a_submodule_with_a_relative_path(self, repository, git_at):
        write(repository / ".git" / "modules" / "sub" / "HEAD", f"{COMMIT}\n")
        write(repository / "sub" / ".git", "gitdir: ../.git/modules/sub\n")

        assert {"commit": COMMIT} == git_at(repository / "sub")

    def test_is_the_branch_alone_before_its_first_commit(self, repository, git_at):
        assert {"branch": "feature/x"} == git_at(repository)

    def test_is_absent_where_it_cannot_be_read(self, repository, git_at):
        (repository / ".git" / "HEAD").write_bytes(b"\xff\xfe")

        assert git_at(repository) is None


class TestDescribeEnvironment:
    def test_tells_versions_and_how_the_process_was_started(self, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.1"])
        found = describe_environment()

        assert ".".join(map(str, sys.version_info[:3])) == found["versions"]["python"]
        assert metadata.version("torch") == found["versions"]["torch"]
        assert [sys.executable, "train.py", "--lr", "0.1"] == found["command_line"]
        assert str(Path.cwd()) == found["working_directory"]

    def test_tells_of_the_host(self):
        host = describe_environment()["host"]

        assert psutil.virtual_memory().total / 2**30 == pytest.approx(
            host["memory_total_gb"], rel=0.01
        )
        assert 0 < host["cpu_usable"] <= host["cpu_count"]

    def test_tells_of_launcher_and_slurm_where_they_are(self, monkeypatch):
        monkeypatch.setenv("SLURM_JOB_ID", "42")
        monkeypatch.setenv("RANK", "3")
        found = describe_environment()

        assert "42" == found["slurm"]["job_id"]
        assert "3" == found["launcher"]["rank"]

    def test_leaves_out_what_does_not_apply(self, monkeypatch):
        for name in os.environ:
            if name.startswith(("SLURM_", "MASTER_", "CUDA_")):
                monkeypatch.delenv(name)
        found = describe_environment()

        assert {"launcher", "slurm", "git"}.isdisjoint(found)

    def test_does_without_a_working_directory(self, tmp_path, monkeypatch):
        """Somebody deleted the folder that the run was started in."""
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        found = describe_environment()

        assert "working_directory" not in found
        assert "versions" in found

    def test_says_which_part_cannot_be_found_out(self, tmp_path, monkeypatch):
        """A broken installation of one package must not cost the run its first entry."""

        def refuse(_package):
            raise KeyError("Version")

        monkeypatch.syspath_prepend(tmp_path)  # what was found before does not count
        (tmp_path / "other.egg").touch()
        monkeypatch.setattr(metadata, "distribution", refuse)
        monkeypatch.delattr(sys, "argv")
        found = describe_environment()

        assert {"not_described": "KeyError: 'Version'"} == found["versions"]
        assert [sys.executable] == found["command_line"]
        assert "hostname" in found["host"]
