"""The words that stand wherever a leaky protocol's figures stand, so that nobody can miss them.

mark("CNN on blood_cells", is_leaky=True)            # "LEAKY PROTOCOL: CNN on blood_cells"
"""

WORDS = (
    "copies of the same smear are on both sides, in training and in test. These figures do not "
    "show how well unseen smears are classified."
)


def mark(title: str, *, is_leaky: bool) -> str:
    """Returns the title of a figure, marked where its numbers come from a leaky protocol."""
    return f"LEAKY PROTOCOL: {title}" if is_leaky else title
