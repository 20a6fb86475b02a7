"""How bytes stand in the vectors."""

import base64


def written(raw):
    """A text as it is, and the base64 of what is none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return binary(raw)


def binary(raw):
    """The base64 of bytes that are no text even where they could be read as one."""
    return {"base64": base64.b64encode(raw).decode()}
