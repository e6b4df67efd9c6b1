"""Points 6 and 7: power cuts at the worst moments, and a service that is killed or frozen."""

import base64
import datetime
import os
import random
import sqlite3
import time

from guest import BEAM, BUZZER, DOOR, EXHAUST, PIR, Failed, until

STORE = "/var/lib/asfaleia/asfaleia.db"
WATCHDOG = 30  # seconds, as in the unit
NODE_KEEPS_QUIET = 4  # seconds after a boot in which the fan has only the store to go by


def cuts(house, full, seed):
    """Point 6."""
    which = [entry_delay, everything_at_once]
    if full:
        dice = random.Random(seed)
        which = [armed, entry_delay, in_an_alarm, with_gas, without_network, everything_at_once]
        which += 10 * [lambda house: at_a_random_moment(house, dice)]
    for cut in which:
        # Each takes as long as a boot: told at once.
        print(f"  power cut: {cut(house)}", flush=True)
    return f"{len(which)} power cuts"


def armed(house):
    house.calm()
    told = cut_and_boot(house)
    came_back_as(house, "armed_away")
    house.mail.first(lambda it: "back after" in it["subject"], told, 120,
                     "the boot report")
    return "armed: armed, and reported"


def entry_delay(house):
    house.calm()
    began = house.machine.pull(True, DOOR)
    house.machine.until_line(BUZZER, 1, began)
    before = seconds_left(house, house.until_state("pending"))
    told = cut_and_boot(house)
    came_back_as(house, "pending")
    after = seconds_left(house, house.status())
    if not 0 < after <= 46:  # date tells whole seconds
        raise Failed(f"{before:.0f} s of the entry delay were left, and {after:.0f} s after the cut")
    house.machine.until_line(BUZZER, 1)
    house.mail.first(lambda it: "back after" in it["subject"], told, 120,
                     "the boot report")
    return f"entry delay: goes on with {after:.0f} s (before: {before:.0f} s), and reported"


def in_an_alarm(house):
    house.calm()
    since = time.monotonic()
    trigger(house)
    house.mail.first(lambda it: "motion in hall" in it["subject"], since, what="the first mail")
    before = house.status()
    cut_and_boot(house)
    still_triggered(house, before)
    return "alarm: triggered, the siren sounds"


def with_gas(house):
    house.calm()
    gas(house)
    house.until_status("the gas alarm", lambda it: it["gas"] == "alarm" and it["incidents"])
    cut_and_boot(house)
    return fan_runs_on(house)


def without_network(house):
    house.calm()
    house.machine.network(False)
    trigger(house)
    before = house.until_status("waiting messages", lambda it: it["outbox"]["waiting"] >= 2)
    told = cut_and_boot(house)
    still_triggered(house, before)
    return waiting_messages(house, before, told, ["motion in hall"])


def everything_at_once(house):
    """An alarm and gas with the fan on, and no network."""
    house.calm()
    house.machine.network(False)
    trigger(house)
    gas(house)
    before = house.until_status(
        "both incidents and their messages",
        lambda it: it["outbox"]["waiting"] >= 4 and len(it["incidents"]) == 2)
    told = cut_and_boot(house)
    fan = fan_runs_on(house, gas_goes_on=True)
    still_triggered(house, before)
    messages = waiting_messages(house, before, told, ["motion in hall", "gas at kitchen gas"])
    aired(house)
    return f"alarm, gas and no network: triggered, {fan}, {messages}"


def trigger(house):
    began = house.machine.pull(True, PIR)
    house.machine.until_line(BUZZER, 1, began)


def gas(house):
    began = house.machine.now()
    house.node.say(True)
    house.machine.until_line(EXHAUST, 1, began)


def aired(house):
    """The gas is gone, and the fan stops."""
    began = house.machine.now()
    house.node.say(False)
    house.machine.until_line(EXHAUST, 0, began)


def cut_and_boot(house):
    """Pulls the plug, and boots with the node's cable out. Returns the host's time of the cut."""
    house.node.unplug()
    house.machine.cut_power()
    told = time.monotonic()
    house.boot()
    return told


def came_back_as(house, state, goes_on=True):
    """The first thing in the history of this boot is that the panel came back as it was, and so it
    still is if that `goes_on`."""
    status = house.until_status("the service", lambda it: True)
    started = last_start(house)
    data = started["data"]
    if not data["new_boot"]:
        raise Failed(f"it does not know that this is another boot: {started}")
    if data["state"] != state or goes_on and status["state"] != state:
        raise Failed(f"it came back {data['state']}, is now {status['state']}, and was {state}")
    if data["gap_seconds"] is None:
        raise Failed("it does not know how long the power was away")
    return status


def last_start(house):
    """The last start in this boot, once it is in the history."""
    return until("a start in this boot", lambda: [
        it for it in house.newest(200)
        if it["kind"] == "started" and it["boot_id"] == house.machine.boot_id], pause=0.5)[-1]


def still_triggered(house, before):
    status = came_back_as(house, "triggered")
    house.machine.until_line(BUZZER, 1)
    was, now = ({it["id"] for it in them["incidents"]} for them in (before, status))
    if not was <= now:
        raise Failed(f"incidents {was} went on, now {now}")
    if seconds_left(house, status) > 600:
        raise Failed(f"the siren sounds until {status['until']}")


def fan_runs_on(house, gas_goes_on=False):
    """The fan is on before the node has said a word, and goes by the node when it does."""
    at, _, _ = house.machine.until_line(EXHAUST, 1)
    time.sleep(NODE_KEEPS_QUIET)
    if [value for _, value, _ in house.machine.changes(EXHAUST, at)] != [1]:
        raise Failed(f"the fan did not stay on: {house.machine.changes(EXHAUST)}")
    house.plug()
    if gas_goes_on:
        house.node.say(True)
    else:
        aired(house)
    return f"the fan on {at:.0f} s after power-on, before the node spoke"


def waiting_messages(house, before, told, subjects):
    for subject in subjects:
        house.mail.first(lambda it: subject in it["subject"], told, 120, f"the mail {subject!r}")
    house.telephone.first(since=told, seconds=120, what="the call that waited")
    house.mail.first(lambda it: "back after" in it["subject"], told, 120,
                     "the boot report")
    nothing_waits(house)
    return f"{before['outbox']['waiting']} messages waited and came"


def nothing_waits(house):
    """Once somebody has acknowledged: until then a ladder waits to call again."""
    def done(status):
        if any(it["acknowledged_by"] is None for it in status["incidents"]) or \
                status["outbox"]["waiting"]:
            house.run("ack")
            return False
        return True
    house.until_status("all messages to be gone", done, 180)


def seconds_left(house, status):
    until_then = datetime.datetime.fromisoformat(status["until"]).timestamp()
    return until_then - float(house.machine.sh("date +%s"))


def at_a_random_moment(house, dice):
    """What was in the history stays, every incident is told, and the store is sound."""
    base = house.last_event()
    house.calm(armed=dice.random() < 0.7)
    states = [house.status()["state"]]
    for _ in range(dice.randint(0, 2)):
        act(house, dice)()
        time.sleep(dice.uniform(0, 2))
    known = house.events(base)
    # The last deed is not waited for: the cut may come in the midst of it.
    act(house, dice)()
    time.sleep(dice.uniform(0, 0.6))
    cut_and_boot(house)
    house.until_status("the service", lambda it: True)
    last_start(house)
    now = house.events(base)
    if now[:len(known)] != known:
        raise Failed("events that were in the history have changed or gone")
    start = max(n for n, it in enumerate(now) if it["kind"] == "started")
    states += [it["data"]["to"] for it in now[:start] if it["kind"] == "state"]
    state = states[-1]
    came_back_as(house, state, goes_on=False)
    fan = [it["data"]["on"] for it in now[:start] if it["kind"] == "exhaust"][-1:] == [True]
    if fan:
        house.machine.until_line(EXHAUST, 1)
    house.plug()
    house.node.say(False)
    nothing_waits(house)
    told = [it["incident"] for it in house.events(base)
            if it["kind"] == "message" and it["data"]["outcome"] == "delivered"]
    untold = [it["incident"] for it in now if it["kind"] == "incident_opened"
              and it["incident"] not in told]
    if untold:
        raise Failed(f"no mail about the incidents {untold}")
    sound(house)
    return f"at a random moment, {state}{', fan on' if fan else ''}: nothing lost, the store is sound"


def act(house, dice):
    machine = house.machine
    return dice.choice([
        lambda: machine.start(f"echo pull-up >/run/pins/sim_gpio{PIR}/pull"),
        lambda: machine.start(f"echo pull-down >/run/pins/sim_gpio{BEAM}/pull"),
        lambda: machine.start(f"echo pull-up >/run/pins/sim_gpio{DOOR}/pull"),
        lambda: house.node.say(True),
        lambda: machine.start("asfaleia disarm"),
        lambda: machine.start("asfaleia arm away --force"),
    ])


def sound(house):
    """The store as it lies on the disk passes SQLite's own check."""
    machine = house.machine
    machine.sh("systemctl stop asfaleia")
    copy = os.path.join(house.folder, "store.db")
    for suffix in ("", "-wal"):
        said = machine.sh(f"base64 {STORE}{suffix}", 120, may_fail=bool(suffix))
        with open(copy + suffix, "wb") as file:
            file.write(b"" if "No such file" in said else base64.b64decode(said))
    database = sqlite3.connect(copy)
    result = database.execute("PRAGMA integrity_check").fetchall()
    database.close()
    if result != [("ok",)]:
        raise Failed(f"the store is damaged: {result}")
    machine.sh("systemctl start asfaleia")


def killed_and_frozen(house):
    """Point 7."""
    house.calm()
    gas(house)
    trigger(house)
    house.until_state("triggered")
    said = []
    for signal, name, limit in (("KILL", "killed", 60), ("STOP", "frozen", WATCHDOG + 20)):
        was = main_pid(house)
        at = house.machine.now()
        house.machine.sh(f"kill -{signal} {was}")
        until(f"another process after SIG{signal}",
              lambda: main_pid(house) not in (was, "0"), limit, 0.3)
        house.until_state("triggered")
        back = house.machine.now()
        if house.status()["gas"] != "alarm":
            raise Failed(f"{name}: the gas alarm is gone")
        dropped = house.machine.changes(EXHAUST, at)
        if dropped:
            raise Failed(f"{name}: the fan's line did not keep its level: {dropped}")
        house.machine.until_line(BUZZER, 1, back)
        said.append(f"{name}: back after {back - at:.1f} s, triggered, fan kept")
    aired(house)
    return "; ".join(said) + "; the fan stops when the gas is gone"


def main_pid(house):
    return house.machine.sh("systemctl show asfaleia --value -p MainPID").strip()
