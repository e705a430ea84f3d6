from wbc_jax.nested import flatten


def test_leaves_keep_their_values_and_order_under_dotted_names():
    nested = {"a": {"b": {"c": 1}, "d": []}, "e": None, "f": (1, 2), "g": {}}
    assert list(flatten(nested).items()) == [("a.b.c", 1), ("a.d", []), ("e", None), ("f", (1, 2))]
