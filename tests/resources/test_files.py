"""Kept descriptors: read again and again, found again when the file is another."""

import os
from pathlib import Path

import pytest

from vlog.resources.files import KeptFile, table_of


def descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


class TestKeptFile:
    def test_reads_what_is_there_now(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("one")
        file = KeptFile(path)
        assert b"one" == file.read()
        path.write_text("two")

        assert b"two" == file.read()

    def test_keeps_one_descriptor_and_gives_it_back(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("one")
        before = descriptors()
        file = KeptFile(path)
        for _ in range(3):
            file.read()
        assert 1 == len(descriptors()) - len(before)
        del file

        assert before == descriptors()

    def test_reads_a_long_file_of_the_kernel_to_its_end(self):
        content = KeptFile("/proc/self/mountinfo", is_long=True).read()

        assert Path("/proc/self/mountinfo").read_bytes() == content

    def test_says_where_there_is_nothing_and_finds_it_later(self, tmp_path):
        file = KeptFile(tmp_path / "file")
        with pytest.raises(FileNotFoundError):
            file.read()
        (tmp_path / "file").write_text("late")

        assert b"late" == file.read()

    def test_opens_again_where_the_descriptor_fails(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("one")
        file = KeptFile(path)
        file.read()
        os.close(file._descriptor)

        assert b"one" == file.read()

    def test_never_closes_a_descriptor_that_is_somebody_elses_by_now(self, tmp_path):
        for name in ("ours", "theirs"):
            (tmp_path / name).write_text(name)
        file = KeptFile(tmp_path / "ours")
        file.read()
        number = file._descriptor
        os.close(number)
        theirs = os.open(tmp_path / "theirs", os.O_RDONLY)
        assert number == theirs
        del file

        assert b"theirs" == os.read(theirs, 10)
        os.close(theirs)

    def test_reads_its_own_process_in_a_forked_child(self):
        """/proc/self of a descriptor that was opened before the fork is the parent's."""
        file = KeptFile("/proc/self/stat")
        file.read()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, file.read().split()[0])
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)

        assert child == int(os.read(reader, 100))
        os.close(reader)


class TestTableOf:
    def test_has_the_first_number_behind_each_name(self):
        content = b"MemFree:  12 kB\nnr_throttled 3\n\nalone\n"

        assert {b"MemFree": b"12", b"nr_throttled": b"3"} == table_of(content)
