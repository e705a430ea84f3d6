"""The lines of use at the head of a module call what it has, the way it is called."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def synopses(docstring: str) -> Iterator[ast.Module]:
    """The paragraphs of a docstring that are Python, parsed."""
    for paragraph in docstring.split("\n\n")[1:]:
        try:
            tree = ast.parse(textwrap.dedent(paragraph.strip("\n")))
        except SyntaxError:  # prose, or a shell's commands
            continue
        if any(isinstance(node, ast.Call) for node in ast.walk(tree)):
            yield tree


def own_calls(tree: ast.AST, module: ModuleType) -> Iterator[tuple[ast.Call, Any]]:
    """Calls of functions and classes that the module itself defines, with what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = getattr(module, node.func.id, None)
            is_error = inspect.isclass(called) and issubclass(called, BaseException)  # takes all
            if getattr(called, "__module__", None) == module.__name__ and not is_error:
                yield node, called


def mistake(call: ast.Call, called: Any) -> str:
    """Why the call cannot be made; empty where it can. `...` as an argument stands for others."""
    is_short = any(isinstance(a, ast.Constant) and a.value is ... for a in call.args)
    given = [a for a in call.args if not (isinstance(a, ast.Constant) and a.value is ...)]
    if any(isinstance(a, ast.Starred) for a in given) or any(k.arg is None for k in call.keywords):
        return ""
    signature = inspect.signature(called)
    bind = signature.bind_partial if is_short else signature.bind
    try:
        bind(*given, **{str(k.arg): k.value for k in call.keywords})
    except TypeError as error:
        return f"{ast.unparse(call)}: {error}"
    return ""


def mistakes(module: ModuleType) -> list[str]:
    return [
        f"{module.__name__}: {found}"
        for tree in synopses(module.__doc__ or "")
        for call, called in own_calls(tree, module)
        if (found := mistake(call, called))
    ]


def test_every_synopsis_can_be_called_as_it_stands(checkout: Any) -> None:
    files = [*checkout.files, *(checkout.root / "benchmarks").rglob("*.py")]
    wrong, num_calls = [], 0
    for path in files:
        if path.name in ("__init__.py", "__main__.py", "launch.py"):
            continue
        name = ".".join(path.relative_to(checkout.root).with_suffix("").parts)
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != "torch":  # an extra, which some benchmarks need
                raise
            continue
        wrong += mistakes(module)
        trees = synopses(module.__doc__ or "")
        num_calls += sum(1 for tree in trees for _ in own_calls(tree, module))
    assert wrong == []
    assert num_calls > 50


def test_a_synopsis_that_lacks_an_argument_is_found() -> None:
    module = ModuleType("a_module", "Adds.\n\nadd(1)\nadd(1, 2)\nadd(..., c=3)\nadd(...)\n")
    exec("def add(a, b):\n    return a + b\n", module.__dict__)
    assert [found.partition(": ")[2] for found in mistakes(module)] == [
        "add(1): missing a required argument: 'b'",
        "add(..., c=3): got an unexpected keyword argument 'c'",
    ]
