"""Point 9: the package is upgraded, removed and purged."""

import os
import subprocess

from guest import EXHAUST, Failed

# What the machine itself writes meanwhile.
NOT_OURS = ("/var/log", "/var/cache", "/var/tmp", "/var/lib/dpkg", "/var/lib/systemd/timers",
            "/var/lib/systemd/random-seed", "/var/lib/ucf")
# What the owner made beside the package's own files.
OWNERS = {"/etc/asfaleia", "/etc/asfaleia/ca.pem", "/etc/asfaleia/secrets",
          "/etc/asfaleia/secrets/smtp-password", "/etc/asfaleia/secrets/twilio-token"}


def next_version(package, folder, out):
    """The same package as a later version, with another shipped configuration: dpkg has to decide
    between the owner's and ours."""
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)

    def change(name, old, new):
        with open(os.path.join(folder, name)) as file:
            text = file.read()
        if old not in text:
            raise Failed(f"no {old!r} in the package's {name}")
        with open(os.path.join(folder, name), "w") as file:
            file.write(text.replace(old, new, 1))
    change("DEBIAN/control", "\nVersion: ", "\nVersion: 1:")
    change("etc/asfaleia/asfaleia.toml", "#", "# Shipped with a later version.\n#")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, out],
                   check=True, capture_output=True)


def files(machine):
    skip = " -o ".join(f"-path {path}" for path in NOT_OURS)
    return set(machine.sh(
        f"find /etc /usr /lib /var /opt /srv -xdev \\( {skip} \\) -prune -o -print").splitlines())


def upgraded_and_purged(house):
    """Point 9, the rest of it: point 1 has installed the package."""
    machine = house.machine
    house.calm()
    house.node.say(True)
    machine.until_line(EXHAUST, 1)
    house.until_status("the gas alarm", lambda it: it["gas"] == "alarm")
    before = machine.sh("sha256sum /etc/asfaleia/asfaleia.toml")
    at = machine.now()
    # As unattended-upgrades does it.
    machine.sh("mountpoint -q /payload || mount -o ro /dev/vdb /payload; "
               "DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold "
               "-i /payload/next.deb", 240)
    if machine.sh("sha256sum /etc/asfaleia/asfaleia.toml") != before:
        raise Failed("the upgrade changed the owner's configuration")
    machine.sh("dpkg -s asfaleia | grep -q '^Version: 1:'; systemctl is-active asfaleia")
    house.until_status("armed, with gas, as before",
                       lambda it: it["state"] == "armed_away" and it["gas"] == "alarm")
    if machine.changes(EXHAUST, at):
        raise Failed(f"the fan's line changed in the upgrade: {machine.changes(EXHAUST, at)}")
    house.node.say(False)
    machine.until_line(EXHAUST, 0, at)

    machine.sh("dpkg --remove asfaleia", 240)
    if machine.sh("systemctl is-active asfaleia", may_fail=True).strip() == "active":
        raise Failed("it still runs after its removal")
    if machine.sh("sha256sum /etc/asfaleia/asfaleia.toml") != before:
        raise Failed("the removal took the owner's configuration")
    machine.sh("test -e /var/lib/asfaleia/asfaleia.db")

    machine.sh("dpkg --purge asfaleia", 240)
    left = files(machine) - house.before
    if left - OWNERS:
        raise Failed(f"purged, and left behind: {sorted(left - OWNERS)}")
    if OWNERS - left:
        raise Failed(f"the purge took what the owner made: {sorted(OWNERS - left)}")
    gone = machine.sh("getent passwd asfaleia; getent group asfaleia gpio; "
                      "systemctl cat asfaleia", may_fail=True)
    if "asfaleia:" in gone or "ExecStart" in gone or "gpio:" in gone:
        raise Failed(f"purged, and still there: {gone}")
    return ("upgraded with the owner's configuration, armed, the fan kept on; removed with "
            "configuration and history kept; purged: only the owner's files are left")
