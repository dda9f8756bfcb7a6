"""Verify evidence, or an export of a whole log, with Python alone: python verifier.py FILE."""

import argparse
import json
import sys
from base64 import b64decode, b64encode
from hashlib import sha256, sha512
from pathlib import Path

BESIDE = "position number index proof header_base64 body_text body_base64 body_masked context"
BESIDE = {*BESIDE.split(), "context_base64", "erased"}  # what a line has beside its header
def need(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)
def once(pairs):
    need(len(dict(pairs)) == len(pairs), "a name stands twice in one object")
    return dict(pairs)
def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

# Ed25519 by RFC 8032: points (x, y) of a curve over the numbers modulo P.
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x, y = a[0] * b[1] + a[1] * b[0], a[1] * b[1] + a[0] * b[0]
    return x * pow(1 + k, -1, P) % P, y * pow(1 - k, -1, P) % P
def times(number, point):
    double = times(number >> 1, add(point, point)) if number > 1 else (0, 1)
    return add(double, point) if number & 1 else double
def point_at(encoded):
    odd, y = divmod(int.from_bytes(encoded, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    need(y < P and x * x % P == square and (x or not odd), "no point of the curve is encoded")
    return x if x & 1 == odd else P - x, y
def is_signature(public, made, text):
    s = int.from_bytes(made[32:], "little")
    h = int.from_bytes(sha512(made[:32] + public + text).digest(), "little") % Q
    base = point_at((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    shown = add(point_at(made[:32]), times(h, point_at(public)))
    return len(made) == 64 and s < Q and times(s, base) == shown

def signed_lines(note, key):
    """Return the lines of a signed note (C2SP) once it is found to be signed with the key."""
    name, key_id, encoded = key.split("+", 2)
    public = b64decode(encoded)
    need(public[0] == 1, "the key is none of Ed25519")
    text, _, signatures = note.rpartition("\n\n")
    made = [b64decode(line.split(" ")[2]) for line in signatures.splitlines() if name in line]
    made = [each for each in made if each[:4].hex() == key_id and b64encode(each).decode() in note]
    signed = made and all(is_signature(public[1:], one[4:], f"{text}\n".encode()) for one in made)
    need(signed, f"not signed with the key of {name}: {text.splitlines()[0]}")
    return text.split("\n")

# The Merkle tree of RFC 9162: a leaf, the root of leaves, the root that a proof leads to.
def leaf(entry):
    return sha256(b"\0" + entry).digest()
def root_of(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256().digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()
def root_by(proof, hashed, index, size):
    need(0 <= index < size and (size == 1) == (not proof), "a proof has the wrong length")
    if size == 1:
        return hashed
    half, last = 1 << ((size - 1).bit_length() - 1), b64decode(proof[-1])
    if index < half:
        return sha256(b"\1" + root_by(proof[:-1], hashed, index, half) + last).digest()
    return sha256(b"\1" + last + root_by(proof[:-1], hashed, index - half, size - half)).digest()

def hash_in(line, text, exact="context_base64", raw=None):
    held = b64decode(line[exact]) if exact in line else line[text].encode() if text in line else raw
    return None if held is None else sha256(held).hexdigest()
def checked(line, ends, raw=None):
    """Return a record's header and stream; the line, and the record before, are what it says."""
    says = json.loads(header := b64decode(line["header_base64"]))
    stream = {"item": "quarantine", "event": None}.get(says["record"], "control")
    told = {"attempt": 1, "kind": line["kind"], "control": "bad_line"} | says
    told = line | says | {"kind": "control"} if stream == "control" else told
    stream = stream or f"order:{says['provider']}:{says['order_id']}"
    (version, before), what = ends.get(stream, (0, None)), f"record {says['version']} of {stream}"
    other = [name for name in line if name not in BESIDE and line[name] != told.get(name)]
    need(not other, f"{what} tells another {' and '.join(other)} than was recorded")
    body, context = hash_in(line, "body_text", "body_base64", raw), hash_in(line, "context")
    same = body in (None, says.get("sha256"), says.get("stored_sha256"))
    same &= "key_id" in says or context in (None, says.get("context_sha256"))
    need(same, f"{what} has another body than was recorded")
    need((says["version"], says.get("previous")) == (version + 1, before), f"{what} is no next one")
    ends[stream] = (says["version"], sha256(header).hexdigest())
    return header, stream

def verify_evidence(written, trusted, held):
    file = json.loads(written, object_pairs_hook=once)
    origin, size, root, *_ = signed_lines(file["checkpoint"], key := trusted or file["key"])
    ends, last, order, complete = {}, -1, file["order"]["stream"], file["complete"]
    for line in file["records"]:
        in_order = checked(line, ends)[1] == order and last < (last := line["index"])
        need(in_order, f"record {line['version']} is out of place")
    for line in file["in_force"] + file["records"]:
        says = json.loads(header := b64decode(line["header_base64"]))
        told = all(line.get(name, says[name]) == says[name] for name in says)
        top = root_by(line["proof"], leaf(header), line["index"], int(size))
        need(told and top == b64decode(root), f"record {line['version']} was not in the log")
    sealed = signed_lines(seal := file.pop("seal"), key)
    hashes = [f"{name} {sha256(canonical(file[name])).hexdigest()}" for name in sorted(file)]
    same = sealed == [f"{origin}/evidence", *hashes] and seal.count("\n") == len(file) + 3
    need(same, "a part was changed since it was sealed")
    need(not held or signed_lines(held, key)[:3] == [origin, size, root], "by another checkpoint")
    if complete:
        name, count, root, *more = signed_lines(complete["note"], key)
        end = leaf(canonical([order, *ends[order]]))
        top = root_by(complete["proof"], end, complete["index"], int(count))
        right = name == f"{origin}/streams" and f"log-size {size}" in more
        need(right and top == b64decode(root), "records of this order are missing")
    others = "and no other of it" if complete else "whether others did is not shown"
    return f"{len(file['records'])} records of {order} stood in the log of {origin}, {others}", key

def verify_export(written, key, held):
    lines, records, ends = written.removesuffix(b"\n").split(b"\n"), [], {}
    end = json.loads(lines.pop(), object_pairs_hook=once)
    while lines:  # from the end: a line that could not be read stands before its record
        record = json.loads(lines.pop(), object_pairs_hook=once)
        raw = lines.pop() if record.get("control") == "bad_line" else None
        need(raw is None or not {"body_text", "body_base64"} & {*record}, "a line has two bodies")
        records.append((record, raw))
    leaves = [leaf(checked(record, ends, raw)[0]) for record, raw in reversed(records)]
    need(key and (note := held or end["signed"]), "an export needs --key and a signed checkpoint")
    origin, size, root, *_ = signed_lines(note, key)
    top = root_of(leaves[: int(size)])
    need(top == b64decode(root), f"the records are not the {size} that the checkpoint saw")
    return f"{size} of {len(leaves)} records are those that the checkpoint of {origin} saw", key

if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Verify evidence, or an export of a whole log")
    options.add_argument("file")
    options.add_argument("--key", help="the only public key to trust; an export needs it")
    options.add_argument("--checkpoint", help="a file with a checkpoint that you hold")
    asked = options.parse_args()
    try:
        written = Path(asked.file).read_bytes()
        held = asked.checkpoint and Path(asked.checkpoint).read_text(encoding="utf-8")
        verify = verify_evidence if b'"format"' in written[:64] else verify_export
        told, key = verify(written, asked.key, held)
    except Exception as wrong:
        sys.exit(f"NOT VERIFIED: {wrong}")
    own = "" if asked.key else "\nby the key in the file itself: compare it"
    print(f"VERIFIED: {told}\nsigned with the key {key}{own}")
