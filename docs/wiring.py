#!/usr/bin/env python3
"""Draws wiring.svg and wiring-nodemcu.svg beside itself. Edit here, run, look at both."""

from pathlib import Path
from xml.sax.saxutils import escape

INK, PAPER, DIM = "#1b1f24", "#ffffff", "#6a737d"
RED, AMBER, BLACK, SIGNAL = "#c62828", "#b26a00", "#24292f", "#1565c0"
POWER = {"5 V": RED, "3.3 V": AMBER, "GND": BLACK}

# The header of every Pi with 40 pins: odd pins in the row away from the board's edge, even pins at it.
HEADER = """
3.3 V|5 V  GPIO 2|5 V  GPIO 3|GND  GPIO 4|GPIO 14  GND|GPIO 15  GPIO 17|GPIO 18  GPIO 27|GND
GPIO 22|GPIO 23  3.3 V|GPIO 24  GPIO 10|GND  GPIO 9|GPIO 25  GPIO 11|GPIO 8  GND|GPIO 7
GPIO 0|GPIO 1  GPIO 5|GND  GPIO 6|GPIO 12  GPIO 13|GND  GPIO 19|GPIO 16  GPIO 26|GPIO 20
GND|GPIO 21
""".replace("\n", "  ").strip().split("  ")
PINS = {2 * row + side + 1: name
        for row, pair in enumerate(HEADER) for side, name in enumerate(pair.split("|"))}


class Drawing:
    """Shapes of an SVG, collected."""

    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13" fill="{INK}">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        ]
        self.text(20, 34, title, size=19, weight="bold")

    def text(self, x, y, words, anchor="start", fill=INK, size=13, weight="normal"):
        self.parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}" '
                          f'font-size="{size}" font-weight="{weight}">{escape(words)}</text>')

    def box(self, x, y, width, height, fill="#f6f8fa", stroke=INK, round_=6):
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" '
                          f'rx="{round_}" fill="{fill}" stroke="{stroke}" stroke-width="1.4"/>')

    def wire(self, *points, colour=SIGNAL):
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          f'stroke-width="2.4" stroke-linejoin="round"/>')

    def dot(self, x, y, colour=SIGNAL):
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>')

    def tag(self, x, y, words, colour, width=None):
        """A filled label whose left edge is at `x`; returns its width."""
        width = width or 8 * len(words) + 12
        self.box(x, y - 10, width, 20, fill=colour, stroke=colour, round_=10)
        self.text(x + width / 2, y + 4.5, words, "middle", PAPER, 12, "bold")
        return width

    def resistor(self, x, y, upright, colour=SIGNAL):
        """Of 36 pixels, in the middle of a wire."""
        width, height = (12, 36) if upright else (36, 12)
        self.box(x - width / 2, y - height / 2, width, height, PAPER, colour, 1)

    def ground(self, x, y):
        for step, half in enumerate((10, 6, 2)):
            self.wire((x - half, y + 5 * step), (x + half, y + 5 * step), colour=BLACK)

    def part(self, x, y, width, title, rows, notes, towards):
        """A device: rows are (terminal, what it goes to); `towards` is the side its wires leave at.
        Returns the height of each terminal's wire."""
        height = 34 + 26 * len(rows) + 17 * len(notes) + (6 if notes else 0)
        self.box(x, y, width, height)
        self.text(x + 12, y + 22, title, weight="bold", size=14)
        heights = {}
        for index, (terminal, goes_to) in enumerate(rows):
            at = y + 46 + 26 * index
            heights[terminal] = at
            edge = x + width if towards == "right" else x
            self.text(edge - 12 if towards == "right" else edge + 12, at + 4.5, terminal,
                      "end" if towards == "right" else "start")
            self.parts.append(f'<circle cx="{edge}" cy="{at}" r="4.5" fill="{PAPER}" '
                              f'stroke="{INK}" stroke-width="1.4"/>')
            if goes_to:
                power = goes_to.split(" · ")[0]
                wide = 8 * len(goes_to) + 12
                start = x + 12 if towards == "right" else x + width - 12 - wide
                self.tag(start, at, goes_to, POWER[power], wide)
        for index, note in enumerate(notes):
            self.text(x + 12, y + 34 + 26 * len(rows) + 14 + 17 * index, note, fill=DIM, size=12)
        return heights

    def save(self, name):
        (Path(__file__).parent / name).write_text("\n".join([*self.parts, "</svg>"]) + "\n")


def draw_pi():
    picture = Drawing(1040, 900, "The Pi's header, seen from above, with the original's pins (BCM numbers)")
    top, pitch, middle = 120, 32, 520
    used = {7: "exhaust", 11: "buzzer", 13: "beam", 12: "PIR", 8: "TXD", 10: "RXD",
            18: "face", 40: "finger"}
    powers = {1, 2, 4, 6, 9, 14, 17, 20, 25, 34, 39}

    picture.box(middle - 48, top - 26, 96, 20 * pitch + 20, fill="#e8f0e8", stroke="#2e7d32")
    picture.text(middle, top - 36, "edge with the SD card: up", "middle", DIM, 12)

    def height(pin):
        return top + pitch * ((pin - 1) // 2)

    for pin, name in PINS.items():
        left = pin % 2 == 1
        x, y = (middle - 22 if left else middle + 22), height(pin)
        colour = POWER.get(name, SIGNAL)
        picture.parts.append(f'<circle cx="{x}" cy="{y}" r="12" fill="{PAPER}" stroke="{INK}" '
                             f'stroke-width="1.2"/>')
        picture.text(x, y + 4.5, str(pin), "middle", size=12)
        label = middle - 58 - 76 if left else middle + 58
        if pin in used or pin in powers:
            picture.tag(label, y, name, colour, 76)
        else:
            picture.text(middle - 62 if left else middle + 62, y + 4.5, name,
                         "end" if left else "start", DIM, 12)

    left_edge, right_edge = middle - 134, middle + 134

    relay = picture.part(20, 80, 250, "Exhaust relay", [
        ("IN", None), ("VCC", "5 V · pin 4"), ("GND", "GND · pin 9")],
        ["GPIO 4 is pulled up while the Pi", "boots: the 4.7 kΩ to GND keep an",
         "active-high board from clicking."], "right")["IN"]
    picture.wire((270, relay), (366, relay), (366, height(7)), (left_edge, height(7)))
    picture.dot(290, relay)
    picture.wire((290, relay), (290, relay + 62))
    picture.resistor(290, relay + 34, True)
    picture.ground(290, relay + 62)
    picture.text(302, relay + 38, "4.7 kΩ", size=12)

    buzzer = picture.part(20, 300, 250, "Buzzer, through a transistor", [
        ("base, 1 kΩ", None), ("buzzer +", "5 V · pin 4"), ("emitter", "GND · pin 9")],
        ["NPN (2N2222, BC337): collector", "to buzzer −. A pin gives 16 mA at",
         "most; many buzzers take more."], "right")["base, 1 kΩ"]
    picture.wire((270, buzzer), (330, buzzer), (330, height(11)), (left_edge, height(11)))

    beam = picture.part(20, 520, 250, "IR beam, receiver", [
        ("OUT", None), ("VCC", "3.3 V · pin 17"), ("GND", "GND · pin 25")],
        ["Low = broken: active = \"low\",", "bias = \"pull-up\". The original has",
         "its beam on a NodeMCU instead."], "right")["OUT"]
    picture.wire((270, beam), (350, beam), (350, height(13)), (left_edge, height(13)))

    reader = picture.part(770, 80, 250, "Fingerprint reader (R503 …)", [
        ("RX", None), ("TX", None), ("VCC", "3.3 V · pin 1"), ("GND", "GND · pin 6")],
        ["GPIO 14 sends, GPIO 15 receives.", "An R307 wants 5 V at VCC (pin 2)."], "left")
    picture.wire((770, reader["RX"]), (690, reader["RX"]), (690, height(8)), (right_edge, height(8)))
    picture.wire((770, reader["TX"]), (715, reader["TX"]), (715, height(10)), (right_edge, height(10)))

    pir = picture.part(770, 300, 250, "PIR motion sensor", [
        ("OUT", None), ("VCC", "5 V · pin 2"), ("GND", "GND · pin 14")],
        ["HC-SR501: 5 V in, 3.3 V out, high", "= motion. Steady after a minute."],
        "left")["OUT"]
    picture.wire((770, pir), (735, pir), (735, height(12)), (right_edge, height(12)))

    face = picture.part(770, 485, 250, "Face authenticator", [
        ("OUT", None), ("GND", "GND · pin 20")],
        ["Any that raises 3.3 V. The", "original: a wire from GPIO 23."], "left")["OUT"]
    picture.wire((770, face), (705, face), (705, height(18)), (right_edge, height(18)))

    finger = picture.part(770, 640, 250, "Fingerprint authenticator", [
        ("OUT", None), ("GND", "GND · pin 34")],
        ["Any that raises 3.3 V. From an", "Arduino's 5 V: 10 kΩ in the wire,", "18 kΩ to GND."],
        "left")["OUT"]
    picture.wire((770, finger), (705, finger), (705, height(40)), (right_edge, height(40)))

    picture.box(20, 740, 250, 84, fill="#eef4fb")
    picture.text(32, 762, "On USB", weight="bold", size=14)
    picture.text(32, 784, "NodeMCUs (gas, beam), webcam.", fill=DIM, size=12)
    picture.text(32, 802, "See the drawing of the NodeMCU.", fill=DIM, size=12)

    y = 862
    x = 20
    for words, colour in (("5 V", RED), ("3.3 V", AMBER), ("GND", BLACK), ("signal, 3.3 V", SIGNAL)):
        x += picture.tag(x, y, words, colour) + 10
    picture.text(x + 10, y + 4.5, "No pin of the header takes more than 3.3 V as a signal. "
                 "All GND pins are one.", size=13)
    picture.save("wiring.svg")


def draw_nodemcu():
    picture = Drawing(1040, 690, "NodeMCU with an MQ-6 and, if you like, a beam (seen from above, USB below)")
    left_pins = "A0 RSV RSV SD3 SD2 SD1 CMD SD0 CLK GND 3V3 EN RST GND Vin".split()
    right_pins = "D0 D1 D2 D3 D4 3V3 GND D5 D6 D7 D8 RX TX GND 3V3".split()
    top, pitch, left, right = 150, 28, 560, 740
    picture.box(left, top - 60, right - left, 15 * pitch + 80, fill="#e8eef5", stroke="#1f3a5f")
    picture.box(left + 45, top - 52, 90, 30, fill="#c8ccd2")
    picture.text(left + 90, top - 33, "antenna", "middle", size=11)
    picture.box(left + 65, top + 15 * pitch - 10, 50, 30, fill="#c8ccd2")
    picture.text(left + 90, top + 15 * pitch + 9, "USB", "middle", size=11)
    used = {"A0": SIGNAL, "D1": SIGNAL, "D2": SIGNAL, "Vin": RED}
    where = {}
    for names, x, side in ((left_pins, left, "l"), (right_pins, right, "r")):
        for row, name in enumerate(names):
            y = top + pitch * row
            where[side, row] = y
            mark = used.get(name) or {"GND": BLACK, "3V3": AMBER}.get(name, DIM)
            picture.parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{mark}"/>')
            picture.text(x + 12 if side == "l" else x - 12, y + 4.5, name,
                         "start" if side == "l" else "end",
                         weight="bold" if mark is not DIM else "normal",
                         fill=INK if mark is not DIM else DIM)

    heights = picture.part(20, 150, 210, "MQ-6 board", [
        ("DO", None), ("AO", None), ("GND", None), ("VCC", None)],
        ["5 V, and 150 mA for the", "heater, all day. It is warm.", "Its outputs go up to 5 V."],
        "right")
    ao, do, gnd, vcc = (heights[t] for t in ("AO", "DO", "GND", "VCC"))

    # AO: 12 k in the wire, 18 k to ground, into A0.
    a0 = where["l", 0]
    picture.wire((230, ao), (470, ao), (470, a0), (left, a0))
    picture.resistor(330, ao, False)
    picture.text(330, ao - 12, "12 kΩ", "middle", size=12)
    picture.dot(430, ao)
    picture.wire((430, ao), (430, ao + 86))
    picture.resistor(430, ao + 48, True)
    picture.text(442, ao + 52, "18 kΩ", size=12)
    picture.ground(430, ao + 86)

    # DO: 10 k in the wire, 22 k to ground, over the board into D1.
    picture.wire((230, do), (262, do), (262, 76), (790, 76), (790, where["r", 1]),
                 (right, where["r", 1]))
    picture.resistor(340, 76, False)
    picture.text(340, 64, "10 kΩ", "middle", size=12)
    picture.dot(400, 76)
    picture.wire((400, 76), (400, 146))
    picture.resistor(400, 108, True)
    picture.text(388, 112, "22 kΩ", "end", size=12)
    picture.ground(400, 146)

    # Supply.
    picture.wire((230, gnd), (300, gnd), (300, where["l", 13]), (left, where["l", 13]), colour=BLACK)
    picture.wire((230, vcc), (262, vcc), (262, where["l", 14]), (left, where["l", 14]), colour=RED)
    picture.text(310, where["l", 14] + 20, "LoLin boards: VU instead of Vin", fill=DIM, size=12)

    # The beam.
    beam = picture.part(820, 210, 200, "IR beam, receiver", [
        ("OUT", None), ("VCC", None), ("GND", None)],
        ["Low = broken. D2 has a", "pull-up of its own."], "left")
    picture.wire((820, beam["OUT"]), (770, beam["OUT"]), (770, where["r", 2]), (right, where["r", 2]))
    picture.wire((820, beam["VCC"]), (790, beam["VCC"]), (790, where["r", 5]), (right, where["r", 5]),
                 colour=AMBER)
    picture.wire((820, beam["GND"]), (805, beam["GND"]), (805, where["r", 6]), (right, where["r", 6]),
                 colour=BLACK)

    notes = [
        "A0 of a NodeMCU board takes 3.3 V: it has 220 kΩ and 100 kΩ on it.",
        "12 kΩ and 18 kΩ (beside those) make 2.9 V of the MQ-6's 5 V.",
        "A bare ESP8266 takes 1.0 V: 47 kΩ and 10 kΩ instead.",
        "D1 takes 3.3 V. 10 kΩ and 22 kΩ make 2.6 V to 3.4 V of it.",
        "If DO tears off or the MQ-6 has no supply, D1 is low: gas.",
    ]
    picture.box(20, 570, 500, 106, fill="#eef4fb")
    for index, note in enumerate(notes):
        picture.text(32, 590 + 19 * index, note, size=12)
    picture.wire((650, top + 15 * pitch + 20), (650, 640), (700, 640), colour=BLACK)
    picture.text(708, 644, "to the Pi: 5 V, and the serial line", size=13)
    picture.save("wiring-nodemcu.svg")


if __name__ == "__main__":
    draw_pi()
    draw_nodemcu()
