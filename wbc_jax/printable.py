r"""Names that others gave, fit to be shown.

printable("caf\udce9\n.png")        # backslash escapes for what cannot be printed
"""


def printable(name: str) -> str:
    """Returns a file's name with what no terminal, table or page can show written as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in name
    )
