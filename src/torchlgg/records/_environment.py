"""The machine and the software a run had; read without importing torch."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from torchlgg.records._record import Record

_PACKAGES = (
    "torch",
    "numpy",
    "torchvision",
    "timm",
    "scikit-learn",
    "scipy",
    "pyarrow",
    "pillow",
    "safetensors",
)


class Environment(Record):
    """Software and hardware that a number may depend on.

    Args:
        torchlgg: its version.
        python: its version.
        packages: versions of the installed packages that results depend on, by name.
        system: the operating system.
        cpu: the processor's model.
        cpu_count: how many processors this process may use.
        gpus: the accelerators' names, as the caller passed them.

    Example:
        >>> Environment(torchlgg="0.1.0", python="3.12.1", packages={}, system="Linux", cpu="x",
        ...             cpu_count=2).gpus
        ()
    """

    torchlgg: str
    python: str
    packages: dict[str, str]
    system: str
    cpu: str
    cpu_count: int
    gpus: tuple[str, ...] = ()


def differences(before: Environment, now: Environment) -> tuple[str, ...]:
    """What changed between two environments, in words.

    Args:
        before: the earlier one.
        now: the later one.

    Returns:
        A phrase for each difference; none where a number may be expected again.

    Example:
        >>> before = Environment(torchlgg="0.1.0", python="3.12.1", packages={"torch": "2.6"},
        ...                      system="Linux", cpu="x", cpu_count=2)
        >>> differences(before, before.model_copy(update={"packages": {"torch": "2.7"}}))
        ("torch was '2.6' and is '2.7'",)
    """
    versions = [
        {"torchlgg": found.torchlgg, "python": found.python, **found.packages}
        | {"the processor": found.cpu, "the accelerators": found.gpus}
        for found in (before, now)
    ]
    return tuple(
        f"{name} was {versions[0].get(name)!r} and is {versions[1].get(name)!r}"
        for name in dict.fromkeys((*versions[0], *versions[1]))
        if versions[0].get(name) != versions[1].get(name)
    )


def environment(*, gpus: Sequence[str] = ()) -> Environment:
    """Describe this process: versions from the installed packages' metadata, system, processor.

    Args:
        gpus: names of the accelerators in use; asking for them needs torch, so the caller does.

    Returns:
        A record; a package that is not installed is not in it.

    Example:
        >>> "torch" in environment().packages
        True
    """
    packages = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    try:
        cpu_count = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux can say what this process may use
        cpu_count = os.cpu_count() or 1
    return Environment(
        # by name: the package above is not ours to import, and its metadata may be of another copy
        torchlgg=str(sys.modules["torchlgg"].__version__),
        python=platform.python_version(),
        packages=packages,
        system=platform.platform(),
        cpu=_cpu_model(),
        cpu_count=cpu_count,
        gpus=tuple(gpus),
    )


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n"):
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def source_commit() -> str | None:
    """The commit of torchlgg's own source, where it runs from a git checkout.

    Returns:
        40 hexadecimal digits, followed by ``"+changes"`` if tracked files differ from it; ``None``
        for an installed package, without git, and in a checkout without a commit.

    Example:
        >>> commit = source_commit()
        >>> commit is None or len(commit.removesuffix("+changes")) == 40
        True
    """
    root = Path(__file__).resolve().parents[3]
    if root / "src" / "torchlgg" / "records" != Path(__file__).resolve().parent:
        return None
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return commit + ("+changes" if changes else "")


def _git(root: Path, *command: str) -> str:
    """What git prints, empty where it fails; variables of a hook around us do not redirect it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *command],
            capture_output=True,
            check=True,
            env=variables,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
