"""Enrols, searches, counts and deletes on a fingerprint module, with pyfingerprint: a client that is
not ours. Usage: finger_client.py PORT

Speaks a line of JSON a step, and waits for a line of input where a finger is to be laid or lifted."""

import json
import sys

from pyfingerprint.pyfingerprint import PyFingerprint


def say(what):
    print(json.dumps(what), flush=True)


def ask(what):
    """Somebody does it, and says so."""
    say(what)
    if not sys.stdin.readline():
        sys.exit("nobody is there")


def read_into(reader, buffer):
    while not reader.readImage():
        pass
    reader.convertImage(buffer)


wrong = PyFingerprint(sys.argv[1], 57600, 0xFFFFFFFF, 0x11111111)
say({"wrong password": wrong.verifyPassword()})
del wrong
reader = PyFingerprint(sys.argv[1], 57600, 0xFFFFFFFF, 4711)
say({"right password": reader.verifyPassword(), "capacity": reader.getStorageCapacity()})
say({"count": reader.getTemplateCount(), "finger": reader.readImage()})

ask("lay Anna's")
read_into(reader, 1)
say({"found": reader.searchTemplate()[0]})
ask("lift")
say({"finger": reader.readImage()})
ask("lay Ben's")
read_into(reader, 2)
say({"same": reader.compareCharacteristics() > 0, "template": reader.createTemplate()})
ask("lay Anna's")
read_into(reader, 2)
say({"same": reader.compareCharacteristics() > 0, "template": reader.createTemplate()})
say({"stored": reader.storeTemplate()})
say({"stored": reader.storeTemplate(150)})
table = reader.getTemplateIndex(0)
say({"count": reader.getTemplateCount(), "pages": [page for page, used in enumerate(table) if used]})

read_into(reader, 1)
page, score = reader.searchTemplate()
say({"found": page, "score": score > 0})
ask("lay a stranger's")
read_into(reader, 1)
say({"found": reader.searchTemplate()[0]})
ask("lay a dirty one")
while not reader.readImage():
    pass
try:
    say({"read": reader.convertImage(1)})
except Exception as why:
    say({"refused": str(why)})
say({"loaded": reader.loadTemplate(150, 1)})
say({"found": reader.searchTemplate()[0]})
say({"deleted": reader.deleteTemplate(0)})
say({"found": reader.searchTemplate()[0], "count": reader.getTemplateCount()})
say({"cleared": reader.clearDatabase(), "left": reader.getTemplateCount()})
