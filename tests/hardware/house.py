"""The house that is guarded: a machine, a mail server, a telephone service and a NodeMCU."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from guest import (
    BEAM, BUZZER, DOOR, EXHAUST, LEFT, PIR, RIGHT, Failed, Process, amd64, arm64,
    connect, until)
from package import next_version

# What the owner puts beside the configuration.
SECRETS = """
    mkdir -p /etc/asfaleia/secrets
    echo s3cret >/etc/asfaleia/secrets/smtp-password
    echo t0ken >/etc/asfaleia/secrets/twilio-token
    chmod 700 /etc/asfaleia/secrets
    chmod 600 /etc/asfaleia/secrets/*
"""
HERE = os.path.dirname(os.path.abspath(__file__))


class Peer:
    """One of tests/peers on the host's loopback, and what reached it: (host's time, what)."""

    def __init__(self, script, folder, login):
        # It gets the listener itself: nobody else takes the port in between.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            # Debian's python3, which sees Debian's python3-aiosmtpd.
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", "-u",
                 os.path.join(HERE, "..", "peers", script),
                 f"{folder}/server.pem", f"{folder}/server-key.pem", *login],
                stdin=listener, stdout=subprocess.PIPE,
                stderr=open(f"{folder}/{script}.log", "wb"))
        self.told = []
        threading.Thread(target=self._read, daemon=True).start()
        until(f"{script}: see {folder}/{script}.log", lambda: self.told, 60)
        self.told.clear()

    def _read(self):
        for line in self.child.stdout:
            self.told.append((time.monotonic(), json.loads(line)))

    def hang(self):
        """From now on it takes connections and says nothing."""
        self.child.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.child.send_signal(signal.SIGCONT)

    def first(self, fits=lambda it: True, since=0, seconds=120, what="something"):
        """The first thing that reached it at or after this time of the host's, and fits."""
        def found():
            return next((it for it in list(self.told) if it[0] >= since and fits(it[1])), None)
        return until(f"{what} to arrive", found, seconds)


class Node:
    """The NodeMCU's end of the serial line: a line each second, and at once on a change."""

    def __init__(self, machine):
        self.machine = machine
        self.gas = False
        self.cable = None
        self.lock = threading.Lock()
        self.seq = 0
        self.began = time.monotonic()
        threading.Thread(target=self._beat, daemon=True).start()

    def plug(self):
        with self.lock:
            if not self.cable:
                self.cable = connect(self.machine.path("node"))

    def unplug(self):
        with self.lock:
            if self.cable:
                self.cable.close()
            self.cable = None

    def say(self, gas):
        """Returns the host's time just before the line was written."""
        with self.lock:
            self.gas = gas
            return self._write()

    def _beat(self):
        while True:
            time.sleep(1)
            with self.lock:
                self._write()

    def _write(self):
        now = time.monotonic()
        self.seq += 1
        # The value of a heater that lives is never twice the same for long.
        raw = (700 if self.gas else 200) + self.seq % 7
        text = f"ASF1 kitchen {self.seq} {int(now - self.began)} gas={int(self.gas)} raw={raw}"
        if self.cable:
            try:
                self.cable.sendall(f"{text} *{crc16(text.encode()):04X}\n".encode())
            except OSError:
                self.cable = None
        return now


def crc16(data):
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x1021 if crc & 0x8000 else 0)
            crc &= 0xFFFF
    return crc


class House:
    """The peers, and what a check does with the service. What it runs on comes from below."""

    def __init__(self, folder):
        self.folder = folder
        certificates(folder)
        self.mail = Peer("mail_server.py", folder, ["me@example.org", "s3cret"])
        account = ["ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "t0ken"]
        self.telephone = Peer("telephone_service.py", folder, account)

    def configuration(self):
        with open(f"{HERE}/house.toml") as file:
            text = file.read()
        return (text.replace("MAIL_PORT", str(self.mail.port))
                .replace("TELEPHONE_PORT", str(self.telephone.port)))

    def close(self):
        self.machine.switch_off()
        for peer in (self.mail, self.telephone):
            peer.child.kill()
            peer.child.wait()

    def boot(self):
        """Switches the machine on, watches its outputs, plugs the node in."""
        took = self.machine.switch_on()
        self.machine.watch(BUZZER, EXHAUST)
        return took

    def plug(self):
        """Puts the node's cable in until the kernel has its port: an emulated adapter that is
        plugged in while its hub sleeps is not always noticed."""
        for _ in range(5):
            self.node.plug()
            try:
                return until("the kernel to see the adapter",
                             lambda: "ttyUSB" in self.machine.sh("ls /sys/class/tty"), 15, 0.2)
            except Failed:
                print("the adapter was not noticed; plugged in again: "
                      + self.machine.sh("dmesg | grep -i usb | tail -n 3"), flush=True)
                self.node.unplug()
                time.sleep(1)
        raise Failed("the emulated USB adapter does not come")

    def run(self, command, seconds=180, may_fail=False):
        return self.machine.sh(f"asfaleia {command}", seconds, may_fail)

    def status(self):
        return json.loads(self.run("status --json"))

    def until_status(self, what, check, seconds=180):
        """The status, once it fits. Asked over the service's socket, so not too often."""
        def found():
            said = self.run("status --json", may_fail=True)
            if said.startswith("{"):
                status = json.loads(said)
                return status if check(status) else None
            return None
        return until(what, found, seconds, pause=0.2)

    def until_state(self, state, seconds=180):
        return self.until_status(f"the state {state}", lambda it: it["state"] == state, seconds)

    def events(self, after):
        """The history after this number."""
        return self._events(f"--after {after}")

    def newest(self, count):
        """The history's end."""
        return self._events(f"-n {count}")

    def last_event(self):
        return max((it["id"] for it in self.newest(1)), default=0)

    def _events(self, which):
        return [json.loads(line) for line in self.run(f"events --json {which}", 120).splitlines()]

    def calm(self, armed=True):
        """Everything well and quiet, and the panel armed or not, whatever was before."""
        for peer in (self.mail, self.telephone):
            peer.go_on()
        machine = self.machine
        machine.network(True)
        machine.sh("modprobe vivid; udevadm settle; /opt/hardware/wires lose 0", may_fail=True)
        machine.pull(False, PIR, DOOR, LEFT, RIGHT)
        machine.pull(True, BEAM)
        self.plug()
        self.node.say(False)
        self.start()
        self.until_status("an answer", lambda it: True)
        self.run("ack")
        self.run("disarm")
        self.until_status("the house to be calm", lambda it: (
            it["state"] == "disarmed" and it["gas"] == "clear" and not it["incidents"] and
            all(sensor["state"] == "inactive" for sensor in it["sensors"]) and
            not it["outputs"]["exhaust"]["active"] and not it["outbox"]["waiting"]))
        if armed:
            self.run("arm away")
            self.until_state("armed_away")

    def host_time(self, guest_time):
        """The host's time at this time of the guest, by the quickest word that came from it."""
        offset = min(host - at for at, _, _, host in self.machine.edges)
        return guest_time + offset

    def evidence(self):
        """What the service said, for whoever has to find out why."""
        try:
            return self.machine.sh(f"{self.LOG}; asfaleia status; asfaleia events -n 40", 30, True)
        except (Failed, OSError) as error:
            return f"(the guest says nothing: {error})"


class Installed(House):
    """Debian with systemd, and the package to be installed on a second disk."""

    LOG = ("journalctl -u asfaleia -b --no-pager -o short-precise | tail -n 60; "
           "systemctl status asfaleia --no-pager | head -n 12")

    def __init__(self, folder, image, package, seed):
        super().__init__(folder)
        payload = pack(folder, package, self.configuration())
        self.disk = Process(
            ["/usr/bin/python3", "-u", f"{HERE}/disk.py", f"{image}/disk.img", f"{folder}/disk",
             str(seed)], f"{folder}/disk.log")
        self.disk.until_said("ready")
        self.machine = amd64(folder, image, payload)
        self.node = Node(self.machine)

    def start(self):
        self.machine.sh("systemctl start asfaleia")

    def close(self):
        super().close()
        self.disk.kill()


class Bare(House):
    """The arm64 binary without package and systemd, on a machine that runs from memory."""

    LOG = "tail -n 60 /run/asfaleia.log"

    def __init__(self, folder, image):
        super().__init__(folder)
        self.machine = arm64(folder, image)
        self.node = Node(self.machine)

    def start(self):
        self.machine.sh("asfaleia status >/dev/null 2>&1 || "
                        "setsid asfaleia run >>/run/asfaleia.log 2>&1 </dev/null &")

    def set_up(self):
        with open(f"{self.folder}/ca.pem") as file:
            authority = file.read()
        self.machine.sh(f"""
            mkdir -p /etc/asfaleia /run/asfaleia /var/lib/asfaleia
            cat >/etc/asfaleia/asfaleia.toml <<'E'\n{self.configuration()}\nE
            cat >/etc/asfaleia/ca.pem <<'E'\n{authority}\nE
            cp /etc/asfaleia/ca.pem /etc/ssl/certs/ca-certificates.crt
            {SECRETS}""")


def photo(mail, number=0):
    """A mail's photo as (width, height, rows of pixels), decoded by libjpeg."""
    if len(mail["attachments"]) <= number:
        raise Failed(f"no photo {number} in the mail {mail['subject']!r}: {mail['text']}")
    jpeg = base64.b64decode(mail["attachments"][number]["base64"])
    result = subprocess.run(["djpeg", "-ppm"], input=jpeg, capture_output=True, timeout=60)
    if result.returncode != 0:
        raise Failed(f"the photo does not decode: {result.stderr.decode()}")
    _, size, _, pixels = result.stdout.split(b"\n", 3)
    width, height = map(int, size.split())
    return width, height, pixels


def colour_bars(width, height, pixels):
    """The names of the colours from left to right, below the middle of the picture: the webcam's
    test pattern."""
    names = {(1, 1, 1): "white", (1, 1, 0): "yellow", (0, 1, 1): "cyan", (0, 1, 0): "green",
             (1, 0, 1): "magenta", (1, 0, 0): "red", (0, 0, 1): "blue", (0, 0, 0): "black"}
    row = height * 3 // 4 * width
    centres = [row + width * (2 * bar + 1) // 16 for bar in range(8)]
    return [names[tuple(int(it > 96) for it in pixels[3 * at:3 * at + 3])] for at in centres]


def certificates(folder):
    """An authority of our own, and its certificate for the names in the guest's /etc/hosts."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "30", "-subj", "/CN=house", "-keyout", "ca-key.pem",
            "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=mail.house.test", "-keyout", "server-key.pem",
            "-out", "server.csr")
    with open(f"{folder}/names", "w") as file:
        file.write("subjectAltName=DNS:mail.house.test,DNS:telephone.house.test\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-days", "30", "-extfile", "names", "-out", "server.pem")


def pack(folder, package, configuration):
    """The guest's second disk: the package, the configuration, the authority."""
    source, image = f"{folder}/payload", f"{folder}/payload.img"
    os.makedirs(source)
    shutil.copy(package, f"{source}/asfaleia.deb")
    shutil.copy(f"{folder}/ca.pem", source)
    shutil.copy(f"{HERE}/../fixtures/faces/upright.png", f"{source}/face.png")
    next_version(package, f"{folder}/next", f"{source}/next.deb")
    with open(f"{source}/asfaleia.toml", "w") as file:
        file.write(configuration)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", source, image, "64M"],
                   check=True, capture_output=True)
    return image
