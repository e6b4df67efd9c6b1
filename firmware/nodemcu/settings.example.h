// Copy this file to settings.h, beside nodemcu.ino, and edit the copy. What begins with // is off.

#pragma once

// As in the configuration: [[nodemcu]] name. Each node has its own.
#define NODE_NAME "kitchen"

// Gas: the digital output of an MQ-6 board through a divider, low = gas. The original's wire to D0
// works as it is, too: write D0 here then.
#define GAS_PIN D1
// Its analog output on A0 is sent along as `raw`. asfaleia then notices a dead or torn-off sensor.
#define GAS_ANALOG
// Also gas: a `raw` above this. Half-way between an ordinary day's value and 1023 is a beginning.
// Needs GAS_ANALOG.
// #define GAS_RAW_ABOVE 600

// An IR break-beam, low = broken. Here, too: D1, D2, D5, D6 and D7 have no part in booting.
// #define BEAM_PIN D2

// A network and a broker, if MQTT is wanted beside the serial line. Take all or none.
// #define WIFI_SSID "network"
// #define WIFI_PASSWORD "password"
// #define BROKER 192, 168, 1, 10     // the address as four numbers
// #define BROKER_PORT 1883
// #define BROKER_USER nullptr        // or "name"
// #define BROKER_PASSWORD nullptr    // or "password"
// #define GAS_TOPIC "esp/tes"        // 0 = gas, 1 = fine: the original's
// #define BEAM_TOPIC "esp/test"      // 1 = broken, 0 = clear: the original's
