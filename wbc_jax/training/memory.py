"""Too little memory for what was asked is the user's to mend: the error becomes a message.

message = out_of_memory(error)          # None: the error is another one
"""

_MARKS = ("RESOURCE_EXHAUSTED", "Out of memory")  # of XLA, whose errors have no type of their own
_MOST = 200  # characters of its explanation, which may list every buffer


def out_of_memory(error: Exception) -> str | None:
    """Returns what to tell the user where an error says that memory ran out; else None."""
    reason = str(error)
    if not isinstance(error, MemoryError) and not any(mark in reason for mark in _MARKS):
        return None
    first = reason.strip().partition("\n")[0][:_MOST] or "no reason given"
    return (
        f"the memory is used up ({first}): lower train.batch_size, eval.batch_size, "
        "data.image_size or the widths of the model; what was saved before is intact"
    )
