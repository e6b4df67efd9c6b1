#pragma once

#include "Arduino.h"

enum { WIFI_STA = 1 };
enum { WL_CONNECTED = 3, WL_DISCONNECTED = 6 };

struct IPAddress {
    IPAddress(uint8_t, uint8_t, uint8_t, uint8_t) {}
};

struct WiFiClient {
    void setTimeout(uint32_t) {}
};

struct Wireless {
    void persistent(bool) {}
    void mode(int) {}
    void setAutoReconnect(bool) {}
    void begin(const char *, const char *) {}
    int status();
};
extern Wireless WiFi;
