"""A process that owns a log and is stopped, dead, or has left children behind holds nobody up.

A plain second process, and a forked child that goes on to write, are in
`handlers/test_rotating.py`; several writers of one file by agreement in its tests of `shared`.
"""

import json
import os
import signal
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest
from processes import wait_for
from writers import LOG, PRELUDE, files, numbers_in, run, start, tell

from vlog.handlers.error_log import ERROR_LOG_NAME

WRITE = "emit({})\nhandler.close()"
# A child of C's fork has all descriptors, and none of Python's hooks has run in it.
FORK_IN_C = """
import ctypes
libc = ctypes.PyDLL(None)  # keeps the interpreter's lock: nothing of Python runs in the child
child = libc.fork()
if child == 0:
    libc.pause()
    libc._exit(0)
"""
FORK_BY_PYTHON = """
child = os.fork()
if child == 0:
    signal.pause()
"""
POPEN = """
import subprocess
child = subprocess.Popen(["sleep", "1000"], close_fds=False, stdout=subprocess.DEVNULL).pid
"""
TELL_AND_STAY = """
print(child, flush=True)
signal.pause()
"""
WORKERS = """
from torch.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 1000
    def __getitem__(self, index):
        if index: time.sleep(1000)
        return os.getpid()
batches = iter(DataLoader(Slow(), batch_size=1, num_workers=2))
child = next(batches).item()
"""


@pytest.fixture
def spawn():
    """Start owners, and kill them and their children in the end."""
    owners = []

    def spawn(script):
        owners.append(start(script, start_new_session=True))
        return owners[-1], int(owners[-1].stdout.readline())

    yield spawn
    for owner in owners:
        with suppress(ProcessLookupError):
            os.killpg(owner.pid, signal.SIGKILL)
        owner.communicate(timeout=60)


def kill(owner):
    owner.kill()
    owner.wait()


def state_of(pid):
    """Return its state as /proc has it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class TestAStoppedOwner:
    def test_leaves_the_others_their_own_files_and_goes_on(self):
        owner = start("emit(1)\nprint(flush=True)\ninput()\nemit(2)\nhandler.close()")
        owner.stdout.readline()
        owner.send_signal(signal.SIGSTOP)
        wait_for(lambda: state_of(owner.pid) == "T", "it is stopped", owner)
        second, _ = run(WRITE.format(10))
        third, _ = run(WRITE.format(20))
        owner.send_signal(signal.SIGCONT)
        tell(owner)
        owner.communicate(timeout=60)

        assert [1, 2] == numbers_in(LOG)
        assert [10] == numbers_in(f"run.pid{second}.jsonl")
        assert [20] == numbers_in(f"run.pid{third}.jsonl")
        assert 2 == Path(ERROR_LOG_NAME).read_text().count("is being written already")

    def test_in_the_midst_of_a_rotation_and_compression_leaves_nothing_behind(self):
        """It may have set the file aside and not told anybody yet, whenever it is stopped."""
        owner = start(
            """
            number = 0
            while number < 40_000 and not os.path.exists("enough"):
                emit(number)
                number += 1
            handler.close()
            print(number)
            """,
            PRELUDE.replace(f"{LOG!r})", f"{LOG!r}, max_mb=0.01)"),
        )
        wait_for(lambda: list(Path.cwd().glob("run.jsonl.*")), "a segment", owner)
        for _ in range(3):
            owner.send_signal(signal.SIGSTOP)
            wait_for(lambda: state_of(owner.pid) == "T", "it is stopped", owner)
            second, _ = run(WRITE.format(-1))
            assert [-1] == numbers_in(f"run.pid{second}.jsonl")
            owner.send_signal(signal.SIGCONT)
        Path("enough").touch()
        out, err = owner.communicate(timeout=60)

        assert "" == err
        own = [path for path in files() if ".pid" not in path.name]
        assert list(range(int(out))) == sorted(numbers_in(*own))


class TestADeadOwner:
    @pytest.mark.parametrize("child", [FORK_BY_PYTHON, POPEN], ids=["os.fork", "Popen"])
    def test_with_a_live_child_leaves_the_file_to_the_next(self, spawn, child):
        owner, left = spawn("emit(1)" + child + TELL_AND_STAY)
        kill(owner)
        run(WRITE.format(2))

        assert state_of(left) in "SRD"
        assert [1, 2] == numbers_in(LOG)
        assert not Path(ERROR_LOG_NAME).exists()

    def test_with_live_workers_of_a_data_loader_leaves_the_file_to_the_next(self, spawn):
        owner, left = spawn("emit(1)" + WORKERS + TELL_AND_STAY)
        kill(owner)
        run(WRITE.format(2))

        assert state_of(left) in "SRD"
        assert [1, 2] == numbers_in(LOG)

    def test_whose_child_c_forked_has_the_next_write_beside_and_say_so(self, spawn):
        owner, left = spawn("emit(1)" + FORK_IN_C + TELL_AND_STAY)
        kill(owner)
        second, _ = run(WRITE.format(2))
        os.kill(left, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{left}").exists() or state_of(left) == "Z", "its end")
        run(WRITE.format(3))

        assert [1, 3] == numbers_in(LOG)
        assert [2] == numbers_in(f"run.pid{second}.jsonl")
        said = f"is being written already; this process writes run.pid{second}.jsonl beside it"
        assert said in Path(ERROR_LOG_NAME).read_text()


NO_LOCKS = """
import errno, portalocker
def refuse(*_):
    raise portalocker.LockException(OSError(errno.ENOLCK, "No locks available"))
portalocker.lock = refuse
"""
LYING_LOCKS = """
import portalocker
portalocker.lock = lambda *_: None
"""


class TestAFileSystemWithoutLocks:
    def test_has_a_new_file_written_and_an_old_one_left_alone(self):
        run(NO_LOCKS + WRITE.format(1))
        second, _ = run(NO_LOCKS + WRITE.format(2))

        assert [1] == numbers_in(LOG)
        assert [2] == numbers_in(f"run.pid{second}.jsonl")
        assert "cannot be locked" in Path(ERROR_LOG_NAME).read_text()

    def test_has_a_file_that_was_opened_again_or_rotated_written_on(self):
        script = """
        emit(1)
        handler.close()
        for number in range(2, 40): emit(number)
        handler.close()
        """
        prelude = PRELUDE.replace(f"{LOG!r})", f"{LOG!r}, max_mb=1 / 1024)")
        run(NO_LOCKS + textwrap.dedent(script), prelude)

        assert list(range(1, 40)) == sorted(numbers_in(*files()))
        assert not list(Path.cwd().glob("*.pid*"))

    def test_that_grants_every_lock_mixes_whole_lines_and_loses_none(self):
        """As some network file systems do: two writers of one file, and neither knows."""
        script = """
        print(flush=True)
        input()
        for number in range(300):
            emit(f"{first + number} {'x' * (number * 37 % 20_000)}")
        handler.close()
        """
        code = LYING_LOCKS + textwrap.dedent(script)
        writers = [start(f"first = {first}\n{code}") for first in (0, 1000)]
        for writer in writers:
            writer.stdout.readline()
        for writer in writers:
            tell(writer)
        for writer in writers:
            writer.communicate(timeout=60)
            assert 0 == writer.returncode

        lines = [line for path in files() for line in path.read_bytes().splitlines() if line]
        numbers = [int(json.loads(line)["message"].split()[0]) for line in lines]
        assert [*range(300), *range(1000, 1300)] == sorted(numbers)
