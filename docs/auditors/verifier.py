"""Verify a file of `lifecycle evidence` or of `lifecycle export --whole`, with Python alone.

    python verifier.py FILE [--key KEY]

Prints the key that signed and exits with 0; or says what is wrong and exits with 1.
"""

import argparse
import json
import sys
from base64 import b64decode
from hashlib import sha256, sha512
from pathlib import Path

# Ed25519 by RFC 8032: points (x, y) of a curve over the numbers modulo P.
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

def need(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)

def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x, y = a[0] * b[1] + a[1] * b[0], a[1] * b[1] + a[0] * b[0]
    return x * pow(1 + k, -1, P) % P, y * pow(1 - k, -1, P) % P

def times(number, point):
    double = times(number >> 1, add(point, point)) if number > 1 else (0, 1)
    return add(double, point) if number & 1 else double

def point_at(encoded):
    y = int.from_bytes(encoded, "little")
    odd, y = y >> 255, y % 2**255
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
    hashed = sha256(name.encode() + b"\n" + public).hexdigest()
    need(hashed[:8] == key_id and public[0] == 1, "the key has the id of another")
    text, _, signatures = note.rpartition("\n\n")
    made = [b64decode(line.split(" ")[2]) for line in signatures.splitlines() if name in line]
    ours = [each[4:] for each in made if each[:4].hex() == key_id]
    signed = ours and all(is_signature(public[1:], one, f"{text}\n".encode()) for one in ours)
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

def content(line, text, exact="context_base64", raw=None):
    return b64decode(line[exact]) if exact in line else line[text].encode() if text in line else raw

def checked(line, ends, body=None):
    """Return a record's header and stream; its body, and the one before it, are what it says."""
    says = json.loads(header := b64decode(line["header_base64"]))
    stream = {"item": "quarantine", "event": None}.get(says["record"], "control")
    stream = stream or f"order:{says['provider']}:{says['order_id']}"
    body, context = content(line, "body_text", "body_base64", body), content(line, "context")
    (version, before), what = ends.get(stream, (0, None)), f"record {says['version']} of {stream}"
    same = body is None or sha256(body).hexdigest() == says.get("stored_sha256", says.get("sha256"))
    same &= context is None or sha256(context).hexdigest() == says.get("context_sha256")
    need(same, f"{what} has another body than was recorded")
    follows = (says["version"], says.get("previous")) == (version + 1, before)
    need(follows, f"{what} does not follow the one before it")
    ends[stream] = (says["version"], sha256(header).hexdigest())
    return header, stream

def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

def verify_evidence(file, key):
    origin, size, root, *_ = signed_lines(file["checkpoint"], key)
    ends, last, order, complete = {}, -1, file["order"]["stream"], file["complete"]
    for line in file["records"]:
        header, stream = checked(line, ends)
        top = root_by(line["proof"], leaf(header), line["index"], int(size))
        need(top == b64decode(root), f"record {line['version']} was not in the log")
        need(stream == order and line["index"] > last, f"record {line['version']} is out of place")
        last = line["index"]
    sealed = signed_lines(file.pop("seal"), key)
    hashes = [f"{name} {sha256(canonical(file[name])).hexdigest()}" for name in sorted(file)]
    need(sealed == [f"{origin}/evidence", *hashes], "a part was changed since it was sealed")
    if complete:
        name, count, root, *more = signed_lines(complete["note"], key)
        end = leaf(canonical([order, *ends[order]]))
        top = root_by(complete["proof"], end, complete["index"], int(count))
        right = name == f"{origin}/streams" and f"log-size {size}" in more
        need(right and top == b64decode(root), "records of this order are missing")
    others = "and no other of it" if complete else "whether others did is not shown"
    return f"{len(file['records'])} records of {order} stood in the log of {origin}, {others}"

def verify_export(written, key, held):
    (*lines, last), leaves, ends = written.removesuffix(b"\n").split(b"\n"), [], {}
    for number, line in enumerate(lines):
        if b'"header_base64":"' in line:  # a line that could not be read stands as it came
            record = json.loads(line)
            raw = lines[number - 1] if record.get("control") == "bad_line" else None
            leaves.append(leaf(checked(record, ends, raw)[0]))
    need(key, "an export needs --key KEY, the public key of whoever signed its checkpoint")
    origin, size, root, *_ = signed_lines(held or json.loads(last)["signed"] or "", key)
    same = int(size) <= len(leaves) and root_of(leaves[: int(size)]) == b64decode(root)
    need(same, f"the records are not the {size} that the checkpoint saw")
    return f"{size} of {len(leaves)} records are those that the checkpoint of {origin} saw"

if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Verify evidence, or an export of a whole log")
    options.add_argument("file")
    options.add_argument("--key", help="the only public key to trust; an export needs it")
    options.add_argument("--checkpoint", help="a file with a checkpoint that you hold")
    asked = options.parse_args()
    try:
        written = Path(asked.file).read_bytes()
        evidence = json.loads(written) if b'"form"' in written[:64] else None
        key = asked.key or (evidence and evidence["key"]) or ""
        held = asked.checkpoint and Path(asked.checkpoint).read_text(encoding="utf-8")
        told = verify_evidence(evidence, key) if evidence else verify_export(written, key, held)
    except Exception as wrong:
        sys.exit(f"NOT VERIFIED: {wrong}")
    print(f"VERIFIED: {told}\nsigned with the key {key}")
