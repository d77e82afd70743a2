from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torchlgg
from torchlgg.records import Environment, environment, source_commit
from torchlgg.records import _environment as module


def test_the_environment_says_what_is_installed():
    found = environment(gpus=["a card"])
    assert found.torchlgg == torchlgg.__version__
    assert found.python == platform.python_version()
    assert found.packages["torch"] == metadata.version("torch")
    assert found.packages["numpy"] == metadata.version("numpy")
    assert found.cpu_count >= 1
    assert found.cpu
    assert found.gpus == ("a card",)
    assert Environment.from_json(found.to_json()) == found


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("torch", "no-package-has-this-name"))
    assert list(environment().packages) == ["torch"]


def test_a_system_that_cannot_say_which_processors_it_lends_says_how_many_it_has(monkeypatch):
    monkeypatch.delattr(module.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 7)
    assert environment().cpu_count == 7


def git(folder, *command):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", folder, *identity, *command], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def checkout(tmp_path, monkeypatch):
    """A checkout whose copy of the module believes it is torchlgg's."""
    package = tmp_path / "src" / "torchlgg" / "records"
    package.mkdir(parents=True)
    (package / "_environment.py").write_text("a = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    monkeypatch.setattr(module, "__file__", str(package / "_environment.py"))
    return package


def test_a_checkout_has_its_commit_and_says_when_files_differ_from_it(tmp_path, monkeypatch):
    package = checkout(tmp_path, monkeypatch)
    assert source_commit() is None  # nothing committed yet
    git(tmp_path, "commit", "--quiet", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert source_commit() == head
    (tmp_path / "untracked").write_text("x")
    assert source_commit() == head
    (package / "_environment.py").write_text("a = 2\n")
    assert source_commit() == head + "+changes"


def test_a_hook_of_another_repository_does_not_redirect_it(tmp_path, monkeypatch):
    (tmp_path / "ours").mkdir()
    checkout(tmp_path / "ours", monkeypatch)
    git(tmp_path / "ours", "commit", "--quiet", "-m", "one")
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init", "--quiet")
    head = git(tmp_path / "ours", "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert source_commit() == head


def test_an_installed_package_has_no_commit(tmp_path, monkeypatch):
    elsewhere = tmp_path / "site-packages" / "torchlgg" / "records" / "_environment.py"
    monkeypatch.setattr(module, "__file__", str(elsewhere))
    assert source_commit() is None


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    checkout(tmp_path, monkeypatch)
    git(tmp_path, "commit", "--quiet", "-m", "one")
    assert source_commit() is not None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commit() is None


def test_the_module_knows_where_it_lies():
    root = Path(module.__file__).resolve().parents[3]
    assert (root / "src" / "torchlgg" / "records").is_dir()
