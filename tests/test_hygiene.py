"""What must hold for every file."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MOST_LINES = 300
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions, classes and their methods, without those inside a function and magic ones."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node, f"{prefix}{node.name}.")


def modules_after(statement: str, root: Path) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_no_file_is_named_after_nothing(checkout: Any) -> None:
    vague = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert [path for path in checkout.files if path.name in vague] == []


def test_every_module_opens_with_a_docstring(checkout: Any) -> None:
    assert len(checkout.files) > 50
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in checkout.files}
    assert [str(path) for path, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_everything_public_has_a_docstring(checkout: Any) -> None:
    bare = [
        f"{path}: {name}"
        for path in checkout.files
        for name, node in public_definitions(ast.parse(path.read_text(encoding="utf-8")))
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_the_search_for_bare_definitions_finds_them() -> None:
    source = 'def f():\n  pass\nclass C:\n  """C."""\n  def m(self): pass\n  def _n(self): pass\n'
    found = [name for name, node in public_definitions(ast.parse(source))]
    assert found == ["f", "C", "C.m"]


def test_no_module_is_too_long_to_be_read_at_once(checkout: Any) -> None:
    lines = {
        str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in checkout.files
    }
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_asking_for_a_prepared_set_imports_neither_tfds_nor_jax(checkout: Any) -> None:
    modules = modules_after("import wbc_jax.datasets.prepare", checkout.root)
    assert "wbc_jax.datasets.prepare" in modules
    assert modules.isdisjoint({"tensorflow_datasets", "tensorflow", "jax", "matplotlib"})


def test_nothing_imports_tensorflow(checkout: Any) -> None:
    imported = re.compile(r"^\s*(?:import|from)\s+(?:tensorflow|clu)\b(?!_)", re.MULTILINE)
    assert imported.search("import tensorflow as tf")
    assert not imported.search("    import tensorflow_datasets as tfds")
    files = [path for path in checkout.files if imported.search(path.read_text(encoding="utf-8"))]
    assert files == []


@pytest.mark.parametrize("package", ["configs", "wbc_jax"])
def test_every_folder_with_modules_is_a_package(package: str, checkout: Any) -> None:
    folders = {path.parent for path in (checkout.root / package).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def loads_of_objects(tree: ast.AST) -> list[str]:
    """What in a module could unpack objects, and with them run code, from a file."""
    packers = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.partition(".")[0] in packers]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module or ""] if (node.module or "").split(".")[0] in packers else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            settings = {word.arg: ast.unparse(word.value) for word in node.keywords}
            harmless = {
                "np.load": ("allow_pickle", "False"),
                "torch.load": ("weights_only", "True"),
            }
            name, value = harmless.get(called, ("", None))
            if (name and settings.get(name) != value) or called.endswith("read_pickle"):
                found.append(called)
    return found


def test_nothing_unpickles(checkout: Any) -> None:
    files = [*checkout.files, *(checkout.root / "benchmarks").rglob("*.py")]
    found = {
        str(path): some
        for path in files
        if (some := loads_of_objects(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


def test_the_search_for_pickles_finds_them() -> None:
    source = (
        "import pickle, numpy as np\nfrom joblib import load\nnp.load(f)\n"
        "np.load(f, allow_pickle=True)\nnp.load(f, allow_pickle=False)\ntorch.load(f)\n"
    )
    found = loads_of_objects(ast.parse(source))
    assert found == ["pickle", "joblib", "np.load", "np.load", "torch.load"]
