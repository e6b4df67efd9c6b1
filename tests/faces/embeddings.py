"""Two builds of the program look at the same pictures: the same embeddings to four decimals?

embeddings.py MODELS PROGRAM PROGRAM: each is started as the service starts its child.
"""

import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "faces"
# One picture of each of so many people: an emulated processor takes seconds for each.
PEOPLE = 10
FOUR_DECIMALS = 0.5e-4
# An emulator that hangs must not hold whoever waits.
PATIENCE = 600


def pictures():
    files = sorted(path for path in FIXTURES.iterdir() if path.suffix in (".png", ".jpg", ".pgm"))
    faces = os.environ.get("ASFALEIA_FACES")
    if faces and Path(faces).is_dir():
        people = sorted(path for path in Path(faces).iterdir() if path.is_dir())
        files += [min(person.iterdir()) for person in people[:PEOPLE]]
    return files


def exactly(stream, count):
    data = stream.read(count)
    assert len(data) == count, "the child ended"
    return data


def looks(command, models, files):
    """What it sees in each: None, or the face's numbers."""
    child = subprocess.Popen(
        [*command.split(), "recognise", "--side", "320", "--models", models],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    watchdog = threading.Timer(PATIENCE, child.kill)
    watchdog.start()
    seen = []
    for file in files:
        picture = file.read_bytes()
        child.stdin.write(struct.pack("<I", len(picture)) + picture)
        child.stdin.flush()
        (length,) = struct.unpack("<I", exactly(child.stdout, 4))
        answer = json.loads(exactly(child.stdout, length))
        assert "looked" in answer, f"{file}: {answer}"
        face = answer["looked"]["seen"]
        seen.append(face and face["embedding"])
    child.stdin.close()
    child.wait()
    watchdog.cancel()
    return seen


def main():
    models, one, other = sys.argv[1:]
    files = pictures()
    faces, greatest = 0, 0.0
    for file, a, b in zip(files, looks(one, models, files), looks(other, models, files)):
        assert (a is None) == (b is None), f"{file}: a face for one build alone"
        if a is None:
            continue
        faces += 1
        difference = max(abs(x - y) for x, y in zip(a, b, strict=True))
        greatest = max(greatest, difference)
        assert difference <= FOUR_DECIMALS, f"{file}: they differ by {difference:.2e}"
    assert faces > 0, "no face in any picture"
    print(
        f"embeddings: {faces} faces in {len(files)} pictures, "
        f"the builds differ by {greatest:.1e} at most"
    )


main()
