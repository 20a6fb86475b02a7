"""What a commit file of a Delta table says: which commit it is, and which files it adds."""

import json
import re
import urllib.parse

from blake3 import blake3

from verdict import Invalid, need


def files_added(body, what, table_id, version, previous):
    """The files that a commit adds: {path: (size, blake3)}. `what` names the commit, which has to say the same of itself."""
    says = [info.get("dab") for info in actions(body, "commitInfo")]
    mine = {"tableId": table_id, "version": version, "previous": previous}
    need(len(says) == 1 and isinstance(says[0], dict), f"{what}: the commit file has no commitInfo.dab")
    need({name: says[0].get(name) for name in mine} == mine, f"{what}: commitInfo.dab speaks of another commit")
    need(len(actions(body, "metaData")) < 2, f"{what}: no list of Delta actions has a second metaData")
    files = {}
    for add in actions(body, "add"):
        path, size, tag = add.get("path"), add.get("size"), (add.get("tags") or {}).get("dab.blake3")
        need(isinstance(path, str) and path.isprintable() and path not in files, f"{what}: path {path!r}")
        sized = type(size) is int and 0 <= size < 1 << 64
        need(sized and re.fullmatch("[0-9a-f]{64}", str(tag)), f"{what}: {path} has no size or digest")
        for spelling in (path, urllib.parse.unquote(path)):
            odd = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|.*\\", spelling) or {"", ".", ".."} & {*spelling.split("/")}
            need(not odd, f"{what}: path {path!r}")
        files[path] = size, tag
    return files


def actions(body, kind):
    """The actions of one kind in a Delta commit file."""
    try:
        lines = body.decode().removesuffix("\n").split("\n")
        found = [json.loads(line, object_pairs_hook=once, parse_float=finite, parse_constant=finite) for line in lines]
        one_each = all(isinstance(action, dict) and len(action) == 1 for action in found)
        need(one_each, "no list of Delta actions: a line has none or two")
        found = [action[kind] for action in found if kind in action]
        need(all(isinstance(action.get("tags") or {}, dict) for action in found), "tags are no object")
        return found
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(f"the commit file is no list of Delta actions: {error}") from None


def once(pairs):
    """An object whose keys stand once: of two equal ones, the next reader could take the other."""
    need(len({key for key, _ in pairs}) == len(pairs), "no list of Delta actions: a key stands twice")
    return dict(pairs)


def finite(text):
    need(abs(float(text)) < float("inf"), f"no list of Delta actions: {text} is no number")
    return float(text)


def check_data(path, fact, content):
    need(len(content) == fact[0], f"{path}: {len(content)} bytes where {fact[0]} were notarized")
    need(blake3(content).hexdigest() == fact[1], f"{path}: the data file's BLAKE3 differs")
