"""The nine points of real wires, each a line. Ends with 1 if one of them fails.

Usage: checks.py IMAGE PACKAGE [ARM64_IMAGE] [--full] [--only N,N] [--seed N]
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback

import alarms
import arm64
import package
import power
from guest import Failed
from house import Installed


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("image")
    arguments.add_argument("package")
    arguments.add_argument("arm64", nargs="?")
    arguments.add_argument("--full", action="store_true")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    given = arguments.parse_args()
    points = [
        (1, "the package, installed", alarms.installed),
        (2, "motion", alarms.motion),
        (3, "beam, and pulses", alarms.beam_and_pulses),
        (4, "gas", alarms.gas),
        (5, "a broken camera", alarms.camera_fails),
        (6, "power cuts", lambda house: power.cuts(house, given.full, given.seed)),
        (7, "killed and frozen", power.killed_and_frozen),
        (8, "arm64", lambda house: arm64.without_package(given.arm64)),
        (9, "upgraded and purged", package.upgraded_and_purged),
    ]
    numbers = {point[0] for point in points} if given.full else set(range(1, 7))
    if given.only:
        numbers = {int(number) for number in given.only.split(",")} | {1}

    folder = tempfile.mkdtemp(prefix="asfaleia-hardware-")
    failed = []
    print(f"seed {given.seed}", flush=True)
    house = Installed(folder, given.image, given.package, given.seed)
    try:
        print(f"the guest booted in {house.boot():.0f} s", flush=True)
        for number, name, check in points:
            if number not in numbers:
                continue
            began = time.monotonic()
            try:
                said = check(house)
            except Exception as error:
                why = str(error) if isinstance(error, Failed) else traceback.format_exc()
                print(f"point {number}, {name}: FAILED: {why}\n{house.evidence()}", flush=True)
                failed.append(number)
                if number == 1 and "active" not in house.machine.sh(
                        "systemctl is-active asfaleia", may_fail=True).split():
                    break
            else:
                took = time.monotonic() - began
                print(f"point {number}, {name}: ok ({took:.0f} s): {said}", flush=True)
    finally:
        house.close()
    if failed:
        print(f"failed: {failed}; the guest's console and the peers' words are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


os.umask(0o077)
sys.exit(main())
