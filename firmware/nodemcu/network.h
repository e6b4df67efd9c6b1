// The original's topics over Wi-Fi, if settings.h names a network. Nothing here may be needed by
// the serial line: calls may wait for seconds, and `watch` is run meanwhile.

#pragma once

#include "asfaleia_line.h"

#ifdef WIFI_SSID

#include <ESP8266WiFi.h>
#include <PubSubClient.h>

static WiFiClient connection;
static PubSubClient broker(connection);
static bool missing = true;

// Either the Wi-Fi or the broker was not there at the last turn. `watch` asks, and may not ask the
// broker's object: that may wait.
static bool network_is_missing() {
    return missing;
}

// Returns at once; the core connects, and again after each loss.
static void start_network() {
    WiFi.persistent(false);  // Spares the flash.
    WiFi.mode(WIFI_STA);
    WiFi.setAutoReconnect(true);
    WiFi.begin(WIFI_SSID, WIFI_PASSWORD);
    // As numbers, so that nobody has to be asked for the address.
    broker.setServer(IPAddress(BROKER), BROKER_PORT);
    connection.setTimeout(2000);
    broker.setSocketTimeout(2);
}

static void turn_network(uint32_t now, const asfaleia::Readings &readings) {
    static asfaleia::Readings said;
    static asfaleia::Beat beat;
    static asfaleia::Beat tries;
    missing = WiFi.status() != WL_CONNECTED || !broker.connected();
    if (missing) {
        if (WiFi.status() == WL_CONNECTED && tries.due(now, false)) {
            broker.connect("asfaleia-" NODE_NAME, BROKER_USER, BROKER_PASSWORD);
        }
        return;
    }
    broker.loop();
    const bool changed = readings.gas != said.gas || readings.beam != said.beam;
    if (!beat.due(now, changed)) {
        return;
    }
    said = readings;
    // Not retained: a level that nobody keeps up is none.
    if (said.gas != asfaleia::Readings::NONE) {
        broker.publish(GAS_TOPIC, said.gas == 1 ? "0" : "1");
    }
    if (said.beam != asfaleia::Readings::NONE) {
        broker.publish(BEAM_TOPIC, said.beam == 1 ? "1" : "0");
    }
}

#else

static bool network_is_missing() {
    return false;
}

static void start_network() {}

static void turn_network(uint32_t, const asfaleia::Readings &) {}

#endif
