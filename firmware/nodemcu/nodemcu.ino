// A node of asfaleia for the Arduino IDE: README.md beside this file says how to wire, set and
// load it. The protocol is in asfaleia_line.h; here are only pins and ports.

#include <Schedule.h>

#include "asfaleia_line.h"

#if !__has_include("settings.h")
#error "Copy settings.example.h to settings.h, and write your node's name and pins into it."
#endif
#include "settings.h"

#include "network.h"

#if !defined(GAS_PIN) && !defined(GAS_RAW_ABOVE) && !defined(BEAM_PIN)
#error "settings.h names no sensor: give it GAS_PIN, GAS_RAW_ABOVE or BEAM_PIN."
#endif

#if defined(GAS_RAW_ABOVE) && !defined(GAS_ANALOG)
#error "settings.h: GAS_RAW_ABOVE needs GAS_ANALOG."
#endif

static_assert(asfaleia::is_name(NODE_NAME),
              "NODE_NAME: 1 to 40 of a-z, 0-9, - and _, as in [[nodemcu]] name");

// The blue lamp on the ESP-12 module. It is lit when the pin is low.
static const uint8_t LAMP = D4;

static asfaleia::Node node(NODE_NAME);

static asfaleia::Readings sense(uint32_t now) {
    (void)now;
    asfaleia::Readings pins;
#ifdef GAS_ANALOG
    // Not at each turn: the ESP8266's converter disturbs Wi-Fi when it is asked too often.
    static uint32_t asked = now - 100;
    static int16_t raw = 0;
    if (now - asked >= 100) {
        asked = now;
        // It says 1024 at its end.
        const int shown = analogRead(A0);
        raw = static_cast<int16_t>(shown > 1023 ? 1023 : shown);
    }
    pins.raw = raw;
#endif
#ifdef GAS_PIN
    pins.gas = digitalRead(GAS_PIN) == LOW;
#endif
#ifdef GAS_RAW_ABOVE
    // Either of the two is gas.
    pins.gas = pins.gas == 1 || pins.raw > GAS_RAW_ABOVE;
#endif
#ifdef BEAM_PIN
    pins.beam = digitalRead(BEAM_PIN) == LOW;
#endif
    return pins;
}

static bool watch() {
    const uint32_t now = millis();
    if (const asfaleia::Line *line = node.tick(now, sense(now))) {
        Serial.write(line->text(), line->size());
    }
    digitalWrite(LAMP, node.lamp(network_is_missing()) ? LOW : HIGH);
    return true;
}

void setup() {
    Serial.begin(115200);
    // Ends what the boot loader said at another speed, so that it does not spoil the first line.
    Serial.write("\n", 1);
    pinMode(LAMP, OUTPUT);
#ifdef GAS_PIN
    // Its divider pulls it down: a torn-off wire is gas.
    pinMode(GAS_PIN, INPUT);
#endif
#ifdef BEAM_PIN
    // A receiver only pulls down. D0 (GPIO16) has no pull-up of its own: there it needs a resistor.
    pinMode(BEAM_PIN, BEAM_PIN == D0 ? INPUT : INPUT_PULLUP);
#endif
    // Each millisecond, also while the network's calls wait for something: they yield, and this is
    // run at each yield. What does not yield for 3 s is restarted by the ESP's own watchdog, which
    // is on and has to stay on.
    schedule_recurrent_function_us(watch, 1000);
    start_network();
}

void loop() {
    turn_network(millis(), node.readings());
}
