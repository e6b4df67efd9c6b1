"""Point 8: the arm64 binary, without package and systemd."""

import os
import re
import tempfile

import alarms
from guest import Failed, Process, until
from house import Bare

PI_LIMIT = 240  # seconds; it never ends by itself


def without_package(image):
    """Points 2 to 4 on a machine with a Pi's processor, then the outputs of an emulated Pi 3."""
    said = [on_a_pi(image)]
    folder = tempfile.mkdtemp(prefix="asfaleia-arm64-")
    house = Bare(folder, image)
    try:
        said.append(f"booted in {house.boot():.0f} s")
        house.set_up()
        for check in (alarms.motion, alarms.beam_and_pulses, alarms.gas):
            said.append(check(house))
    except Failed as error:
        raise Failed(f"{error}\n{house.evidence()}\n(its console is in {folder})") from None
    finally:
        house.close()
    return "; ".join(said)


def on_a_pi(image):
    """rppal names the board, and what is written to its outputs is in its registers."""
    folder = tempfile.mkdtemp(prefix="asfaleia-pi-")
    pi = Process([
        "qemu-system-aarch64", "-M", "raspi3b", "-display", "none", "-no-reboot",
        "-serial", "stdio", "-serial", "null",
        "-kernel", os.path.join(image, "vmlinuz"), "-initrd", os.path.join(image, "initrd.img"),
        "-dtb", os.path.join(image, "pi3.dtb"),
        "-append", "console=ttyAMA0,115200 rdinit=/init panic=-1 quiet iomem=relaxed",
    ], os.path.join(folder, "console"))
    try:
        until("the Pi's checks", lambda: "PI done" in pi.said() or pi.ended(), PI_LIMIT, 0.5)
    finally:
        pi.kill()
    said = pi.said()
    model = re.search(r'board="?([^"\n]*?)"? chip', said)
    if not model or "3" not in model.group(1):
        raise Failed(f"rppal does not name the board:\n{said}")
    for output in ("buzzer", "relay"):
        if f"PI {output} 0 1 0" not in said:
            raise Failed(f"the {output}'s line did not go from 0 to 1 and back:\n{said}")
    return f"on the emulated Pi: {model.group(1)}, buzzer and relay read back 0, 1, 0"
