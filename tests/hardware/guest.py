"""The QEMU guest: boots, runs commands, tells what its lines do, has its power cut."""

import base64
import json
import os
import queue
import socket
import subprocess
import threading
import time

# The wires of house.toml.
PIR, BEAM, DOOR, LEFT, RIGHT, BUZZER, EXHAUST = 18, 23, 24, 22, 27, 17, 4
BOOT_LIMIT = 150  # seconds; an idle machine needs 17


class Failed(Exception):
    """A check failed, or something it needs did not come."""


class Late(Failed):
    """Everything was right, but a bound on speed was not kept."""


def soon(check, tries=5):
    """What `check` says the first time that nothing in it is late. A host that is busy with something
    else makes an emulated machine late, and never wrong: what is wrong fails at once."""
    for left in reversed(range(tries)):
        try:
            return check()
        except Late as error:
            if not left:
                raise
            print(f"  {error}; once more", flush=True)


def until(what, check, seconds=120.0, pause=0.05):
    """Waits until `check` gives something, and returns it. The limit is there for what never comes."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds:g} s for {what}")
        time.sleep(pause)


def connect(path, seconds=60):
    """A connection to a Unix socket that is about to be there."""
    deadline = time.monotonic() + seconds
    while True:
        end = socket.socket(socket.AF_UNIX)
        try:
            end.connect(path)
            return end
        except OSError:
            end.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class Process:
    """A process of ours, ended by its own id, and by the kernel should we be killed."""

    def __init__(self, command, log):
        self.log = log
        with open(log, "wb") as file:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)

    def said(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def until_said(self, word, seconds=60):
        until(f"{word!r} in {self.log}", lambda: word in self.said() or self.ended(), seconds)
        if word not in self.said():
            raise Failed(f"{self.log}: {self.said()}")

    def ended(self):
        return self.child.poll() is not None

    def kill(self):
        self.child.kill()
        self.child.wait()


class Machine:
    """A machine that can be switched on, cut off, and on again; `command` is QEMU's."""

    def __init__(self, folder, command):
        self.folder = folder
        self.command = command
        self.qemu = None
        self.boot_id = None
        self.edges = []  # (seconds since the guest's boot, line, value, host's monotonic seconds)
        self.boots = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def switch_on(self):
        """Boots, and returns how long it took to the agent. An emulated machine that hangs in its
        boot, as happens on a busy host, is switched off and on once."""
        began = time.monotonic()
        for last in (False, True):
            self._begin()
            try:
                self.boot_id, _ = self.booted.get(timeout=BOOT_LIMIT)
                return time.monotonic() - began
            except queue.Empty:
                said = f"the guest did not boot in {BOOT_LIMIT} s: {self.qemu.said()[-2000:]}"
            if last:
                raise Failed(said)
            print(f"{said}; again", flush=True)
            self.cut_power()

    def _begin(self):
        for name in ("agent", "edges", "qmp", "node"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        self.boots += 1
        self.edges = []
        self.qemu = Process(self.command, self.path(f"console-{self.boots}"))
        self.answers = {}
        self.booted = queue.Queue()
        self.count = 0
        self.agent = connect(self.path("agent"))
        tells = connect(self.path("edges"))
        for each, end in ((self._listen, self.agent), (self._watch, tells)):
            threading.Thread(target=self._until_off, args=(each, end), daemon=True).start()
        self.monitor = connect(self.path("qmp")).makefile("rw")
        self.monitor.readline()
        self.ask("qmp_capabilities")

    def cut_power(self):
        """As if the plug were pulled. What the guest had not flushed may be lost."""
        self.qemu.kill()
        self.agent.close()
        self.monitor.close()

    def switch_off(self):
        if self.qemu and not self.qemu.ended():
            self.cut_power()

    def ask(self, what, **arguments):
        """Something of QEMU's monitor."""
        self.monitor.write(json.dumps({"execute": what, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                raise Failed(f"QEMU: {what}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def network(self, up):
        self.ask("set_link", name="net", up=up)

    def start(self, script):
        """Begins a shell script in the guest; `answer` waits for it."""
        self.count += 1
        self.answers[self.count] = queue.Queue()
        text = base64.b64encode(script.encode()).decode()
        self.agent.sendall(f"{self.count} {text}\n".encode())
        return self.count

    def answer(self, number, seconds=180):
        try:
            status, said = self.answers[number].get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"no answer from the guest within {seconds} s") from None
        del self.answers[number]
        return status, said

    def sh(self, script, seconds=180, may_fail=False):
        """What a script in the guest says."""
        status, said = self.answer(self.start(script), seconds)
        if status != 0 and not may_fail:
            raise Failed(f"in the guest, status {status}: {script}\n{said}")
        return said

    def now(self):
        """Seconds since the guest's boot, by its clock."""
        return float(self.sh("cat /proc/uptime").split()[0])

    def pull(self, up, *lines):
        """Pulls input lines of the board up or down; returns the guest's time just before."""
        word = "pull-up" if up else "pull-down"
        pulls = "; ".join(f"echo {word} >/run/pins/sim_gpio{line}/pull" for line in lines)
        return float(self.sh(f"read -r up _ </proc/uptime; {pulls}; echo $up"))

    def watch(self, *lines):
        """Tells every change of these lines from now on, in `edges`."""
        folders = " ".join(f"/run/pins/sim_gpio{line}" for line in lines)
        self.sh(f"setsid /opt/hardware/wires watch {folders} >/dev/virtio-ports/edges "
                "2>/run/watch.log </dev/null &")
        until("the lines' levels", lambda: len({edge[1] for edge in self.edges}) >= len(lines))

    def changes(self, line, since=0):
        """(guest's time, value, host's time) of the line's changes, from this guest time on."""
        return [(at, value, host) for at, of, value, host in self.edges
                if of == line and at >= since]

    def until_line(self, line, value, since=0, seconds=120):
        """The first change of the line to this value."""
        def found():
            return next((it for it in self.changes(line, since) if it[1] == value), None)
        return until(f"line {line} to be {value}", found, seconds, pause=0.005)

    @staticmethod
    def _until_off(each, end):
        try:
            each(end)
        except OSError:
            pass  # the machine was switched off

    def _listen(self, agent):
        for line in agent.makefile():
            words = line.split()
            if words[:1] == ["ready"]:
                self.booted.put((words[1], float(words[2])))
            elif len(words) in (2, 3):
                said = base64.b64decode(words[2]) if len(words) == 3 else b""
                if int(words[0]) in self.answers:
                    self.answers[int(words[0])].put((int(words[1]), said.decode(errors="replace")))

    def _watch(self, tells):
        for line in tells.makefile():
            at, name, value = line.split()
            line = int(name.removeprefix("sim_gpio"))
            self.edges.append((int(at) / 1e9, line, int(value), time.monotonic()))


def amd64(folder, image, payload):
    """A PC with Debian and systemd, and our disk."""
    return Machine(folder, [
        "qemu-system-x86_64", "-cpu", "max", "-M", "q35",
        "-append", "console=ttyS0 root=/dev/vda rw loglevel=5 systemd.show_status=0 panic=-1",
        "-drive", f"file=nbd+unix:///?socket={folder}/disk,if=virtio,format=raw,cache=writeback",
        "-drive", f"file={payload},if=virtio,format=raw,readonly=on",
        *common(folder, image)])


def arm64(folder, image):
    """A machine with a Pi 3's processor, that runs from memory."""
    return Machine(folder, [
        "qemu-system-aarch64", "-cpu", "cortex-a53", "-M", "virt,gic-version=3",
        "-append", "console=ttyAMA0 rdinit=/init quiet panic=-1",
        *common(folder, image)])


def common(folder, image):
    """Network to the host's loopback, the agent's ports, and a USB serial adapter for the NodeMCU
    that is plugged in while the host's end of it is connected."""
    def socket_of(name):
        return "-chardev", f"socket,id={name},path={folder}/{name},server=on,wait=off"
    return [
        "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024",
        "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-kernel", os.path.join(image, "vmlinuz"), "-initrd", os.path.join(image, "initrd.img"),
        "-netdev", "user,id=host", "-device", "virtio-net-pci,netdev=host,id=net,romfile=",
        "-device", "virtio-serial-pci",
        *socket_of("agent"), "-device", "virtserialport,chardev=agent,name=agent",
        *socket_of("edges"), "-device", "virtserialport,chardev=edges,name=edges",
        *socket_of("qmp"), "-mon", "chardev=qmp,mode=control",
        "-device", "qemu-xhci", *socket_of("node"), "-device", "usb-serial,chardev=node",
    ]
