"""The machine, the versions, the code and the command that a run was started with."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlog.describe.exception import described
from vlog.describe.packages import versions_of
from vlog.schema import GB

_PACKAGES = (
    "vlog-training",
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "tokenizers",
    "bitsandbytes",
    "deepspeed",
    "flash-attn",
    "unsloth",
    "numpy",
)
_SLURM = (
    "JOB_ID",
    "JOB_NAME",
    "NODELIST",
    "NNODES",
    "NTASKS",
    "PROCID",
    "PARTITION",
    "JOB_END_TIME",
)
_LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "CUDA_VISIBLE_DEVICES")


def describe_environment() -> dict[str, Any]:
    """Return versions, git commit, command line, host, container, launcher and Slurm.

    A part that does not apply is absent; one that cannot be found out says why. Nothing is
    executed: the commit is read from `.git`.
    """
    folder = _working_directory()
    found = {
        "versions": described(_versions),
        "git": described(_git, folder) if folder else None,
        "command_line": [sys.executable, *getattr(sys, "argv", ())],
        "working_directory": str(folder) if folder else None,
        "host": described(_host),
        "container": described(_container),
        "slurm": {
            name.lower(): os.environ[f"SLURM_{name}"]
            for name in _SLURM
            if f"SLURM_{name}" in os.environ
        },
        "launcher": {name.lower(): os.environ[name] for name in _LAUNCHER if name in os.environ},
    }
    return {key: value for key, value in found.items() if value}


def _working_directory() -> Path | None:
    with suppress(OSError):  # somebody deleted it
        return Path.cwd()
    return None


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), **versions_of(_PACKAGES)}
    torch = sys.modules.get("torch")
    if torch is not None and torch.version.cuda:
        versions["cuda"] = str(torch.version.cuda)
    return versions


def _host() -> dict[str, Any]:
    host: dict[str, Any] = {
        "hostname": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
    }
    model = _cpu_model()
    if model:
        host["cpu_model"] = model
    with suppress(AttributeError, OSError, ValueError):
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        host["memory_total_gb"] = round(pages * size / GB, 3)
    with suppress(AttributeError):
        host["cpu_usable"] = len(os.sched_getaffinity(0))
    return host


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _container() -> dict[str, str]:
    """Return the kind of container, and its pod where it has one; empty outside of one."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return {"kind": "kubernetes", "name": os.environ.get("HOSTNAME", "")}
    if Path("/.dockerenv").exists():
        return {"kind": "docker"}
    if Path("/run/.containerenv").exists():
        return {"kind": "podman"}
    for variable in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        if variable in os.environ:
            return {"kind": "apptainer", "name": os.environ[variable]}
    return {}


def _git(folder: Path) -> dict[str, str]:
    """Return branch and commit of the checkout around `folder`, as its files have them."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.is_file():  # a worktree or submodule: the file names the real folder
            with suppress(OSError):
                git = parent / git.read_text().partition("gitdir:")[2].strip()
        if git.is_dir():
            with suppress(OSError, UnicodeDecodeError):
                return _git_head(git)
            return {}
    return {}


def _git_head(git: Path) -> dict[str, str]:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return {"commit": head}
    ref = head.removeprefix("ref: ")
    found = {"branch": ref.removeprefix("refs/heads/")}
    shared = git
    if (git / "commondir").is_file():  # a worktree keeps its branches in the main checkout
        shared = git / (git / "commondir").read_text().strip()
    if (shared / ref).is_file():
        return found | {"commit": (shared / ref).read_text().strip()}
    packed = shared / "packed-refs"
    for line in packed.read_text().splitlines() if packed.is_file() else ():
        commit, _, name = line.partition(" ")
        if name == ref:
            return found | {"commit": commit}
    return found
